"""Computing the outputs that some buckets lack, and appending to each its own."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from alambique.cache.keys import bucket_of
from alambique.cache.packs import Record, flaw, split
from alambique.cache.reader import Outputs
from alambique.spec.errors import BadTeacher

Example = TypeVar("Example")
Compute = Callable[[Sequence[Example]], Sequence[NDArray[np.float32]]]
"""The teacher: the output of each of some examples, (rows, C). It cuts its batches itself."""


@dataclass(frozen=True, slots=True)
class FillRequest(Generic[Example]):
    """An example whose output has to be there."""

    key: bytes
    name: str
    """The name of the example in errors."""
    rows: int
    """The rows of its output: one for each word, or one for the text."""
    example: Example


def by_bucket(
    requests: Iterable[FillRequest[Example]],
) -> Mapping[int, Sequence[FillRequest[Example]]]:
    """Return the requests by the number of their bucket, ascending."""
    buckets: dict[int, list[FillRequest[Example]]] = defaultdict(list)
    for request in requests:
        buckets[bucket_of(request.key)].append(request)
    return dict(sorted(buckets.items()))


def bucket_groups(sizes: Mapping[int, int], limit: int) -> list[list[int]]:
    """Return the buckets, ascending, in groups that are filled at once.

    A group grows as long as its sizes add up to at most `limit`; a bucket that is larger by itself
    is a group of its own. The same sizes give the same groups.

    >>> bucket_groups({1: 2, 4: 2, 7: 3, 9: 9, 12: 1}, 5)
    [[1, 4], [7], [9], [12]]
    """
    groups: list[list[int]] = []
    free = 0
    for bucket, size in sorted(sizes.items()):
        if not groups or size > free:
            groups.append([])
            free = limit
        groups[-1].append(bucket)
        free -= size
    return groups


def fill(
    outputs: Outputs,
    requests: Mapping[int, Sequence[FillRequest[Example]]],
    compute: Compute[Example],
    *,
    columns: int,
    made_by: str = "",
) -> int:
    """Compute what these buckets lack, append to each its own as a pack, and return how many.

    The caller holds the leases of all of them. What is missing in any of them is computed together,
    in the order of its keys, whatever the order of the requests; an example that is requested twice
    is computed once.

    Args:
        outputs: Where the outputs are kept; it reads them afterwards.
        requests: The requests of each bucket, by its number.
        compute: The teacher.
        columns: C of every output.
        made_by: The code that computes them, which their packs name.

    Raises:
        BadTeacher: An output has another shape, or values that nothing may be trained on; then
            nothing is appended.
        NotEnoughDisk: The near tier has no room.
    """
    unique: dict[bytes, FillRequest[Example]] = {}
    for bucket, examples in requests.items():
        if strays := [request.name for request in examples if bucket_of(request.key) != bucket]:
            raise ValueError(
                f"examples of other buckets than {bucket}: {strays[:5]}: use by_bucket()"
            )
        unique |= {request.key: request for request in examples}
        outputs.refresh(bucket)
    missing = [unique[key] for key in outputs.missing(unique)]
    answers = compute([request.example for request in missing]) if missing else []
    records: dict[int, list[Record]] = defaultdict(list)
    for request, values in zip(missing, answers, strict=True):
        records[bucket_of(request.key)].append(
            (request.key, _check_output(request, values, columns))
        )
    for bucket, mine in records.items():
        for pack in split(outputs.namespace.digest, mine, made_by=made_by):
            outputs.store.append(outputs.bucket(bucket), pack)
        outputs.refresh(bucket)
    return len(missing)


def _check_output(
    request: FillRequest[Example], values: NDArray[np.float32], columns: int
) -> NDArray[np.float32]:
    """Return the teacher's output after a check of its shape and its values."""
    if values.shape != (request.rows, columns):
        raise BadTeacher(
            f"the teacher's output for example {request.name!r} has the shape {values.shape}, "
            f"expected {(request.rows, columns)}: one row for each word, or one for the text, "
            "and one column for each label"
        )
    with np.errstate(over="ignore"):
        values_RC = np.asarray(values, dtype=np.float32)
    if fault := flaw(values_RC):
        raise BadTeacher(
            f"the teacher's output for example {request.name!r} holds {fault}: check the teacher's "
            "weights, or let it compute in float32"
        )
    return values_RC
