"""The filler, which computes the teacher outputs that the cache lacks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import Any

import torch

from alambique.cache.fill import FillRequest, bucket_groups, by_bucket, fill
from alambique.cache.keys import bucket_of, example_key
from alambique.models.networks import Network, load
from alambique.runtime.windows import Encoder
from alambique.tasks.all import find
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.pipeline.provenance import pack_code, running_code
from alambique.workers.pipeline.records import CodeVersion
from alambique.workers.training.batches import forward
from alambique.workers.training.distributed import this_device
from alambique.workers.training.inputs import open_outputs
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.kinds.kind import Record
from alambique.workers.training.predictions import predict_logits
from alambique.workers.training.spec import FillTask

_CPU_CHARACTERS = 2**17
"""Characters of the texts of one group, whose windows are sorted by length: some tens of batches,
of which a few percent is padding. A bucket that has more is a group by itself."""

_GPU_CHARACTERS = 2**20
"""The same on an accelerator, whose batches are larger."""


class Filler:
    """Computes teacher outputs in one process: holds the teacher, fills some buckets at a time."""

    def __init__(self, fill_task: FillTask, redis: str | None = None) -> None:
        """Read the examples; nothing is computed yet.

        Args:
            fill_task: what to compute, and where it is kept.
            redis: the URL of the shared tier.

        Raises:
            BadSpec: the task has a shared tier, and there is no URL.
        """
        self._fill_task = fill_task
        self._task: Task[Any, Any] = find(fill_task.task)
        files = (fill_task.examples, fill_task.unlabelled)
        self._examples: list[Example] = [e for file in files if file for e in read(file)]
        self._outputs = open_outputs(fill_task.outputs, self._task, redis)

    def missing(self) -> dict[int, int]:
        """Return how many outputs each bucket lacks; buckets that lack none are left out."""
        self._outputs.refresh()
        keys = [request.key for bucket in self._requests.values() for request in bucket]
        return dict(Counter(bucket_of(key) for key in self._outputs.missing(keys)))

    @property
    def total(self) -> int:
        """The number of outputs that are needed: one for each different text."""
        return len({request.key for bucket in self._requests.values() for request in bucket})

    def bucket_groups(
        self, buckets: Sequence[int], *, fillers: int = 1, gpus: bool = False
    ) -> list[list[int]]:
        """Return the buckets in groups, each for one call of `fill`.

        Groups depend only on what the last call of `missing` found missing.

        Args:
            buckets: some of those that lack outputs.
            fillers: the number of processes that share the groups: no group is larger than an
                even share, unless one bucket is.
            gpus: whether these processes have accelerators.
        """
        sizes = {bucket: self._characters_missing(bucket) for bucket in buckets}
        longest = max(sizes.values(), default=0)
        even = max(longest, sum(sizes.values()) // fillers)
        return bucket_groups(sizes, min(even, _GPU_CHARACTERS if gpus else _CPU_CHARACTERS))

    def fill(self, buckets: Sequence[int]) -> int:
        """Compute the outputs that these buckets lack, and return their number."""
        return fill(
            self._outputs,
            {bucket: self._requests[bucket] for bucket in buckets},
            self._compute_records,
            columns=len(self._fill_task.labels),
            made_by=running_code().model_dump_json(),
        )

    def codes(self) -> tuple[CodeVersion, ...]:
        """Return the code that computed the outputs that `missing` found in the cache."""
        codes = [pack_code(text) for text in sorted(self._outputs.makers)]
        return tuple(code for n, code in enumerate(codes) if code not in codes[:n])

    @cached_property
    def _requests(self) -> Mapping[int, Sequence[FillRequest[Example]]]:
        return by_bucket(
            FillRequest(
                key=example_key(self._outputs.namespace, self._task.texts(example)),
                name=example.id,
                rows=self._task.word_count(example),
                example=example,
            )
            for example in self._examples
        )

    @cached_property
    def _encoder(self) -> Encoder:
        task = self._fill_task
        return Encoder.from_folder(task.teacher, max_length=task.max_length, stride=task.stride)

    @cached_property
    def _network(self) -> Network:
        network = load(self._fill_task.teacher, self._task.output, self._fill_task.labels)
        return network.to(this_device()).eval()

    def _characters_missing(self, bucket: int) -> int:
        examples = {request.key: request.example for request in self._requests[bucket]}
        return sum(
            len(text)
            for key in self._outputs.missing(examples)
            for text in self._task.texts(examples[key])
        )

    def _compute_records(self, examples: Sequence[Example]) -> list[Record]:
        """Run the teacher over the windows of some examples, and return the record of each."""
        windows_of = [self._task.windows(example, self._encoder) for example in examples]
        device, bf16 = this_device(), self._fill_task.outputs.dtype == "bf16"
        # around all batches: what autocast makes of the weights is kept until it ends
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = iter(
                predict_logits(
                    partial(forward, self._network),
                    [window for windows in windows_of for window in windows],
                    pad_id=self._encoder.pad_id,
                    device=device,
                )
            )
        kind = kind_of(self._task.output)
        return [
            kind.record(windows, list(islice(logits, len(windows))), self._task.word_count(example))
            for example, windows in zip(examples, windows_of, strict=True)
        ]
