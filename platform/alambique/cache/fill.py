"""Computing the outputs that a bucket lacks, and appending them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
"""The teacher: the output of each example of a batch, (rows, C)."""


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Example]):
    """An example whose output has to be there."""

    key: bytes
    name: str
    """What an error calls it."""
    rows: int
    """How many rows its output has: one for each word."""
    example: Example


@dataclass(frozen=True, slots=True)
class Filled:
    """What filling a bucket took, in examples of different text."""

    found: int
    computed: int


def by_bucket(wanted: Iterable[Wanted[Example]]) -> Mapping[int, Sequence[Wanted[Example]]]:
    """The wanted examples by the number of their bucket, ascending."""
    buckets: dict[int, list[Wanted[Example]]] = defaultdict(list)
    for one in wanted:
        buckets[bucket_of(one.key)].append(one)
    return dict(sorted(buckets.items()))


def fill(
    outputs: Outputs,
    bucket: int,
    wanted: Sequence[Wanted[Example]],
    compute: Compute[Example],
    *,
    batch_size: int,
    columns: int,
    made_by: str = "",
) -> Filled:
    """Compute what the bucket lacks now, and append it as a whole.

    The caller holds the bucket's lease. Batches depend on the missing keys alone, not on the order
    of `wanted`; an example that is wanted twice is computed once.

    Args:
        outputs: Where they have to be; sees them afterwards.
        bucket: The number of the bucket.
        wanted: Examples of that bucket.
        compute: The teacher.
        batch_size: Examples that the teacher is given at once, at most.
        columns: C of every output.
        made_by: Who computes them, which their packs say.

    Raises:
        BadTeacher: An output has another shape, or values that nothing may be trained on.
        NotEnoughDisk: The near tier has no room.
    """
    unique = {one.key: one for one in wanted}
    if strays := [one.name for one in unique.values() if bucket_of(one.key) != bucket]:
        raise ValueError(f"examples of other buckets than {bucket}: {strays[:5]}: use by_bucket()")
    outputs.refresh(bucket)
    missing = [unique[key] for key in outputs.missing(unique)]
    records = list(_computed(missing, compute, batch_size, columns))
    for pack in split(outputs.namespace.digest, records, made_by=made_by):
        outputs.store.append(outputs.bucket(bucket), pack)
    outputs.refresh(bucket)
    return Filled(found=len(unique) - len(missing), computed=len(missing))


def _computed(
    missing: Sequence[Wanted[Example]], compute: Compute[Example], batch_size: int, columns: int
) -> Iterator[Record]:
    for at in range(0, len(missing), batch_size):
        batch = missing[at : at + batch_size]
        answers = compute([one.example for one in batch])
        for one, values in zip(batch, answers, strict=True):
            yield one.key, _checked(one, values, columns)


def _checked(
    one: Wanted[Example], values: NDArray[np.float32], columns: int
) -> NDArray[np.float32]:
    """The teacher's output, if it is one."""
    if values.shape != (one.rows, columns):
        raise BadTeacher(
            f"the teacher's output for example {one.name!r} has the shape {values.shape}, expected "
            f"{(one.rows, columns)}: one row for each word, one column for each label"
        )
    with np.errstate(over="ignore"):
        values_RC = np.asarray(values, dtype=np.float32)
    if found := flaw(values_RC):
        raise BadTeacher(
            f"the teacher's output for example {one.name!r} holds {found}: check the teacher's "
            "weights, or let it compute in float32"
        )
    return values_RC
