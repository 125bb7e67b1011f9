"""Computing teacher outputs that the cache does not have: the work of one filler, and its order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from alambique.cache.fill import Wanted, by_bucket, fill
from alambique.cache.keys import Namespace, bucket_of, example_key
from alambique.cache.reader import Outputs
from alambique.distill.alignment import class_record, span_record, tag_record
from alambique.models.networks import Network, load
from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadSpec
from alambique.spec.fields import Spec
from alambique.spec.outputs import Output
from alambique.tasks.all import find
from alambique.tasks.examples import Example, read
from alambique.tasks.task import Task
from alambique.workers.provenance import maker_of, running_code
from alambique.workers.records import MadeBy
from alambique.workers.training.answers import Answer, answers
from alambique.workers.training.batches import Inputs
from alambique.workers.training.course import TeacherOutputs
from alambique.workers.training.engines import called
from alambique.workers.training.material import namespace_of, store_of
from alambique.workers.training.place import this_device
from alambique.workers.training.rows import Row, unlabelled_rows

BATCH = 32
"""Examples that a teacher answers together; cut from the sorted missing keys of a bucket."""


class Order(Spec):
    """Which teacher answers which examples, into which store. It travels as JSON."""

    task: str
    labels: tuple[str, ...]
    teacher: Path
    examples: Path
    unlabelled: Path | None = None
    """More of them, without labels."""
    max_length: int
    stride: int
    outputs: TeacherOutputs


class Filler:
    """One process that computes outputs: it holds the teacher, and fills a bucket at a time."""

    def __init__(self, order: Order, redis: str | None = None) -> None:
        """Read the examples; nothing is computed yet.

        Args:
            order: what to compute, and where it is kept.
            redis: the URL of the shared tier.

        Raises:
            BadSpec: the order has a shared tier, and there is no URL.
        """
        self._order = order
        self._task: Task[Any, Any] = find(order.task)
        files = (order.examples, order.unlabelled)
        self._examples: list[Example] = [e for file in files if file for e in read(file)]
        self._namespace: Namespace = namespace_of(order.outputs, self._task)
        self._outputs = Outputs(store_of(order.outputs, redis), self._namespace)

    def missing(self) -> dict[int, int]:
        """How many outputs each bucket lacks; buckets that lack none are left out."""
        self._outputs.refresh()
        keys = [one.key for bucket in self._wanted.values() for one in bucket]
        return dict(Counter(bucket_of(key) for key in self._outputs.missing(keys)))

    @property
    def wanted(self) -> int:
        """How many outputs there have to be: one for each different text."""
        return len({one.key for bucket in self._wanted.values() for one in bucket})

    def fill(self, bucket: int) -> int:
        """Computes what a bucket lacks; gives how many outputs that was."""
        filled = fill(
            self._outputs,
            bucket,
            self._wanted[bucket],
            self._computed,
            batch_size=BATCH,
            columns=len(self._order.labels),
            made_by=running_code().model_dump_json(),
        )
        return filled.computed

    def makers(self) -> tuple[MadeBy, ...]:
        """Return the code that computed the outputs that are there, as of the last look."""
        makers = [maker_of(text) for text in sorted(self._outputs.makers)]
        return tuple(one for n, one in enumerate(makers) if one not in makers[:n])

    @cached_property
    def _wanted(self) -> Mapping[int, Sequence[Wanted[Example]]]:
        return by_bucket(
            Wanted(
                key=example_key(self._namespace, self._task.texts(example)),
                name=example.id,
                rows=self._task.word_count(example),
                example=example,
            )
            for example in self._examples
        )

    @cached_property
    def _encoder(self) -> Encoder:
        order = self._order
        return Encoder.from_folder(order.teacher, max_length=order.max_length, stride=order.stride)

    @cached_property
    def _network(self) -> Network:
        network = load(self._order.teacher, self._task.output, self._order.labels)
        return network.to(this_device()).eval()

    def _computed(self, examples: Sequence[Example]) -> list[NDArray[np.float32]]:
        rows = unlabelled_rows(self._task, examples, self._encoder)
        found = answers(self._logits, rows, pad_id=self._encoder.pad_id, device=this_device())
        return [
            record(self._task, example, *_windows(rows, found, i))
            for i, example in enumerate(examples)
        ]

    def _logits(self, inputs: Inputs) -> torch.Tensor:
        bf16 = self._order.outputs.dtype == "bf16"
        with torch.autocast(this_device().type, torch.bfloat16, enabled=bf16):
            return called(self._network, inputs)


def record(
    task: Task[Any, Any], example: Example, windows: Sequence[Row], found: Sequence[Answer]
) -> NDArray[np.float32]:
    """A teacher's output for an example, by words: (words, 2) or (words, C)."""
    pieces = [row.window for row in windows]
    match task.output:
        case Output.SPAN:
            return span_record(pieces, found, task.word_count(example))
        case Output.TAGS:
            return tag_record(pieces, found, task.word_count(example))
        case Output.CLASSES:
            return class_record(found[0])
        case Output.STATES:
            raise BadSpec("hidden states are not kept: the teacher answers beside the student")
        case _:
            assert_never(task.output)


def _windows(
    rows: Sequence[Row], found: Sequence[Answer], example: int
) -> tuple[list[Row], list[Answer]]:
    chosen = [i for i, row in enumerate(rows) if row.example == example]
    return [rows[i] for i in chosen], [found[i] for i in chosen]
