"""Filling the cache with a real teacher, and reading it by students of any kind."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alambique.cache.keys import example_key
from alambique.cache.reader import Outputs
from alambique.cache.tiers import open_store
from alambique.models.tokenizers import train_tokenizer
from alambique.tasks.all import find
from alambique.tasks.data import Splits
from alambique.tasks.examples import read, write
from alambique.workers.filling import Filler, Order
from alambique.workers.training.course import Course, TeacherOutputs
from alambique.workers.training.loop import Run
from alambique.workers.training.material import namespace_of

Made = Callable[..., Course]
TASKS = ("question-answering", "named-entities")


def order_for(course: Course, near: Path, examples: Path | None = None, **changed: Any) -> Order:
    outputs = TeacherOutputs(
        near=near, redis=None, teacher="pico", tokenizer="own", preprocessing="1", dtype="fp32"
    )
    fields: dict[str, Any] = {
        "task": course.task,
        "labels": course.labels,
        "teacher": course.start,
        "examples": examples or course.training,
        "max_length": 96,
        "stride": 32,
        "outputs": outputs,
    }
    return Order(**(fields | changed))


def filled(order: Order) -> int:
    """All that an order lacks, computed; gives how many outputs that was."""
    filler = Filler(order)
    return sum(filler.fill(bucket) for bucket in filler.missing())


def values(order: Order) -> list[Any]:
    namespace = namespace_of(order.outputs, find(order.task))
    outputs = Outputs(open_store(order.outputs.near, None), namespace)
    texts = find(order.task).texts
    return [outputs.get(example_key(namespace, texts(e))) for e in read(order.examples)]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_there_is_not_computed_again_in_whatever_order(
    course: Made, few: Callable[[str], Splits], tmp_path: Path, task: str
) -> None:
    told = course(task)
    order = order_for(told, tmp_path / "near")
    assert filled(order) == len(few(task).train)
    shuffled = list(few(task).train)
    random.Random(1).shuffle(shuffled)
    write(tmp_path / "shuffled.arrow", shuffled)
    assert filled(order_for(told, tmp_path / "near", tmp_path / "shuffled.arrow")) == 0


@pytest.mark.parametrize("task", TASKS)
def test_examples_that_are_new_are_the_ones_computed(
    course: Made, few: Callable[[str], Splits], tmp_path: Path, task: str
) -> None:
    told, examples = course(task), few(task)
    order = order_for(told, tmp_path / "near")
    filled(order)
    write(tmp_path / "more.arrow", [*examples.train, *examples.dev])
    more = order_for(told, tmp_path / "near", tmp_path / "more.arrow")
    texts = find(task).texts
    new = {texts(e) for e in examples.dev} - {texts(e) for e in examples.train}
    assert filled(more) == len(new)


@pytest.mark.parametrize("task", TASKS)
def test_an_output_does_not_depend_on_what_it_was_computed_with(
    course: Made, few: Callable[[str], Splits], tmp_path: Path, task: str
) -> None:
    told, examples = course(task), few(task)
    together = order_for(told, tmp_path / "together")
    filled(together)
    apart = order_for(told, tmp_path / "apart")
    for number, example in enumerate(examples.train[:6]):
        one = tmp_path / f"{number}.arrow"
        write(one, [example])
        filled(order_for(told, tmp_path / "apart", one))
    pairs = list(zip(values(together), values(apart), strict=True))[:6]
    assert all(np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in pairs)


@pytest.mark.parametrize("task", TASKS)
def test_a_damaged_pack_is_computed_again_and_never_read(
    course: Made, tmp_path: Path, task: str
) -> None:
    order = order_for(course(task), tmp_path / "near")
    everything = filled(order)
    before = values(order)
    pack = next(path for path in (tmp_path / "near").rglob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(bytes(content))
    again = filled(order)
    assert 0 < again < everything
    after = values(order)
    assert all(
        np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in zip(before, after, strict=True)
    )


@pytest.mark.parametrize("task", TASKS)
def test_students_of_two_vocabularies_learn_from_one_fill(
    course: Made, tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = course(task)
    order = order_for(told, tmp_path / "near")
    filled(order)
    other = tmp_path / "other-start"
    other_tokenizer(told, other)
    counted: list[Outputs] = []
    keep_count(monkeypatch, counted)
    logits = [{"kind": "logits"}]
    for start in (told.start, other):
        student = Course.model_validate(
            course(task, start=start, teacher=order.outputs).model_dump() | {"objective": logits}
        )
        losses = steps(student)
        if start == other:  # the teacher's own weights and pieces have little to learn from it
            assert losses[-1] < losses[0]
    assert len(counted) == 2
    assert all(outputs.hits and not outputs.misses for outputs in counted)
    assert filled(order) == 0


def other_tokenizer(told: Course, folder: Path) -> None:
    """The same network with other pieces: a start of another vocabulary."""
    folder.mkdir()
    texts = [text for e in read(told.training) for text in find(told.task).texts(e)]
    train_tokenizer(texts[::2], 250, folder)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((told.start / name).read_bytes())


def keep_count(monkeypatch: pytest.MonkeyPatch, counted: list[Outputs]) -> None:
    from alambique.workers.training import material

    class Counted(Outputs):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            counted.append(self)

    monkeypatch.setattr(material, "Outputs", Counted)


def steps(course: Course) -> Sequence[float]:
    import torch

    from alambique.workers.training.place import Alone

    losses: list[float] = []

    class Recorded(Run):
        def _step(self, batch: Any, position: Any) -> float:
            losses.append(super()._step(batch, position))
            return losses[-1]

    Recorded(course, Alone(torch.device("cpu"))).to_the_end()
    return losses
