"""Filling the cache with a real teacher, and reading it by students of any kind."""

import random
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alambique.cache.keys import example_key
from alambique.cache.reader import Outputs
from alambique.cache.tiers import open_store
from alambique.models.networks import load
from alambique.models.tokenizers import train_tokenizer
from alambique.runtime.windows import Encoder, Window
from alambique.spec.objective import Logits
from alambique.tasks.all import find
from alambique.tasks.data import Splits
from alambique.tasks.examples import read, write
from alambique.workers.stages.filler import Filler
from alambique.workers.training.batches import InputTensors, forward
from alambique.workers.training.inputs import namespace_of
from alambique.workers.training.spec import FillTask, TrainingSpec

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

Made = Callable[..., TrainingSpec]
Ordered = Callable[..., FillTask]
Recorder = Callable[..., "Recorded"]
Few = Callable[[str], Splits]
TASKS = ("question-answering", "named-entities")
LOGITS = (Logits(),)


def filled(order: FillTask) -> int:
    """All that an order lacks, computed; gives how many outputs that was."""
    filler = Filler(order)
    return sum(filler.fill(group) for group in filler.bucket_groups(list(filler.missing())))


def values(order: FillTask) -> list[Any]:
    namespace = namespace_of(order.outputs, find(order.task))
    outputs = Outputs(open_store(order.outputs.near, None), namespace)
    texts = find(order.task).texts
    return [outputs.get(example_key(namespace, texts(e))) for e in read(order.examples)]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_there_is_not_computed_again_in_whatever_order(
    training_spec: Made, fill_task_for: Ordered, few: Few, tmp_path: Path, task: str
) -> None:
    spec = training_spec(task)
    order = fill_task_for(spec, tmp_path / "near")
    assert filled(order) == len(few(task).train)
    shuffled = list(few(task).train)
    random.Random(1).shuffle(shuffled)
    write(tmp_path / "shuffled.arrow", shuffled)
    assert filled(fill_task_for(spec, tmp_path / "near", examples=tmp_path / "shuffled.arrow")) == 0


@pytest.mark.parametrize("task", TASKS)
def test_examples_that_are_new_are_the_ones_computed(
    training_spec: Made, fill_task_for: Ordered, few: Few, tmp_path: Path, task: str
) -> None:
    spec, examples = training_spec(task), few(task)
    order = fill_task_for(spec, tmp_path / "near")
    filled(order)
    write(tmp_path / "more.arrow", [*examples.train, *examples.dev])
    more = fill_task_for(spec, tmp_path / "near", examples=tmp_path / "more.arrow")
    texts = find(task).texts
    new = {texts(e) for e in examples.dev} - {texts(e) for e in examples.train}
    assert filled(more) == len(new)


@pytest.mark.parametrize("task", TASKS)
def test_an_output_does_not_depend_on_what_it_was_computed_with(
    training_spec: Made, fill_task_for: Ordered, few: Few, tmp_path: Path, task: str
) -> None:
    spec, examples = training_spec(task), few(task)
    together = fill_task_for(spec, tmp_path / "together")
    filled(together)
    apart = fill_task_for(spec, tmp_path / "apart")
    for number, example in enumerate(examples.train[:6]):
        one = tmp_path / f"{number}.arrow"
        write(one, [example])
        filled(fill_task_for(spec, tmp_path / "apart", examples=one))
    pairs = list(zip(values(together), values(apart), strict=True))[:6]
    assert all(np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in pairs)


@pytest.mark.parametrize("task", TASKS)
def test_windows_of_many_buckets_are_batched_by_length(
    training_spec: Made,
    fill_task_for: Ordered,
    tmp_path: Path,
    task: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = training_spec(task)
    order = fill_task_for(spec, tmp_path / "near")
    filler = Filler(order)
    shapes: list[tuple[int, ...]] = []
    held: list[int] = []

    def seen(network: Any, inputs: InputTensors) -> torch.Tensor:
        shapes.append(tuple(inputs.input_ids_BN.shape))
        held.append(int(inputs.attention_BN.sum()))
        return forward(network, inputs)

    monkeypatch.setattr("alambique.workers.stages.filler.forward", seen)
    (group,) = filler.bucket_groups(list(filler.missing()))
    assert len(group) == len(filler.missing()) > len(shapes)
    filler.fill(group)
    lengths = [length for _, length in shapes]
    assert lengths == sorted(lengths, reverse=True)
    assert 1 < len(shapes) < len(group)
    assert all(rows * length <= 1024 for rows, length in shapes)
    assert sum(held) > 0.75 * sum(rows * length for rows, length in shapes)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_missing_decides_the_packs(
    training_spec: Made, fill_task_for: Ordered, few: Few, tmp_path: Path, task: str
) -> None:
    spec = training_spec(task)
    shuffled = [*few(task).train, *few(task).train]
    random.Random(1).shuffle(shuffled)
    write(tmp_path / "shuffled.arrow", shuffled)
    filled(fill_task_for(spec, tmp_path / "one"))
    filled(fill_task_for(spec, tmp_path / "other", examples=tmp_path / "shuffled.arrow"))
    # a pack is named by its content
    one, other = (sorted(p.stem for p in (tmp_path / n).rglob("*.pack")) for n in ("one", "other"))
    assert one == other


def test_runs_are_shared_out_among_fillers(
    training_spec: Made, fill_task_for: Ordered, tmp_path: Path
) -> None:
    filler = Filler(fill_task_for(training_spec("named-entities"), tmp_path / "near"))
    buckets = list(filler.missing())
    for fillers in (1, 2, 5, 1000):
        groups = filler.bucket_groups(buckets, fillers=fillers)
        assert [bucket for group in groups for bucket in group] == sorted(buckets)
        assert len(groups) >= min(fillers, 5)


@pytest.mark.parametrize("task", TASKS)
def test_a_damaged_pack_is_computed_again_and_never_read(
    training_spec: Made, fill_task_for: Ordered, tmp_path: Path, task: str
) -> None:
    order = fill_task_for(training_spec(task), tmp_path / "near")
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
    training_spec: Made,
    fill_task_for: Ordered,
    recorded: Recorder,
    tmp_path: Path,
    task: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = training_spec(task)
    order = fill_task_for(spec, tmp_path / "near")
    filled(order)
    other = tmp_path / "other-start"
    other_tokenizer(spec, other)
    counted: list[Outputs] = []
    keep_count(monkeypatch, counted)
    for start in (spec.start, other):
        run = recorded(
            training_spec(task, start=start, teachers=(order.outputs,), objective=LOGITS)
        )
        run.run()
        if start == other:  # the teacher's own weights and pieces have little to learn from it
            assert run.losses[-1] < run.losses[0]
    assert len(counted) == 2
    assert all(outputs.hits and not outputs.misses for outputs in counted)
    assert filled(order) == 0


def other_tokenizer(spec: TrainingSpec, folder: Path) -> None:
    """The same network with other pieces: a start of another vocabulary."""
    folder.mkdir()
    texts = [text for e in read(spec.training) for text in find(spec.task).texts(e)]
    train_tokenizer(texts[::2], 250, folder)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((spec.start / name).read_bytes())


def keep_count(monkeypatch: pytest.MonkeyPatch, counted: list[Outputs]) -> None:
    from alambique.workers.training import inputs

    class Counted(Outputs):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            counted.append(self)

    monkeypatch.setattr(inputs, "Outputs", Counted)


def test_a_student_that_is_its_teacher_tags_with_no_loss(
    training_spec: Made, fill_task_for: Ordered, recorded: Recorder, tmp_path: Path
) -> None:
    spec = one_step(training_spec("named-entities"))
    assert first_loss(spec, fill_task_for, recorded, tmp_path) == pytest.approx(0, abs=1e-5)


def test_a_student_that_is_its_teacher_loses_what_it_gives_to_pieces_inside_of_words(
    training_spec: Made, fill_task_for: Ordered, recorded: Recorder, tmp_path: Path
) -> None:
    spec = one_step(training_spec("question-answering"))
    found = first_loss(spec, fill_task_for, recorded, tmp_path)
    assert found == pytest.approx(loss_inside_of_words(spec), abs=1e-5)


def one_step(spec: TrainingSpec) -> TrainingSpec:
    """The training as one step on few examples, each of them a single window."""
    write(spec.training, read(spec.training)[:12])
    changed = {"epochs": 1, "batch_size": 1000, "max_length": 300}
    return spec.model_copy(update={"train": spec.train.model_copy(update=changed)})


def first_loss(
    spec: TrainingSpec, fill_task_for: Ordered, recorded: Recorder, folder: Path
) -> float:
    """The loss of the only step of a training that is taught by what it starts from."""
    order = fill_task_for(spec, folder / "near")
    filled(order)
    run = recorded(spec.model_copy(update={"teachers": (order.outputs,), "objective": LOGITS}))
    run.run()
    (loss,) = run.losses
    return loss


def loss_inside_of_words(spec: TrainingSpec) -> float:
    """KL(words || pieces), a mean over windows, where both are made of the same logits.

    The target has all of a word on its first piece, for ends on its last, and so the student
    lacks what it gave to the other pieces of the word.
    """
    network = load(spec.start, find(spec.task).output, spec.labels)
    encoder = Encoder.from_folder(spec.start, max_length=300, stride=32)
    losses = []
    for example in read(spec.training):
        (window,) = find(spec.task).windows(example, encoder)
        ids_1N = torch.from_numpy(window.input_ids_N)[None]
        with torch.no_grad():
            (logits_N2,) = network(ids_1N, torch.ones_like(ids_1N), ids_1N).double().numpy()
        losses += [
            kl_of_words(logits_N2[:, 0], window, 0),
            kl_of_words(logits_N2[:, 1], window, -1),
        ]
    return fmean(losses)


def kl_of_words(logits_N: NDArray[np.float64], window: Window, boundary: int) -> float:
    words_N = window.first_word_N
    assert (words_N == window.last_word_N).all()
    chance_N = np.where(
        (words_N >= 0) | (np.arange(len(window)) == window.null), np.exp(logits_N), 0
    )
    chance_N /= chance_N.sum()
    words = [chance_N[words_N == word] for word in np.unique(words_N[words_N >= 0])]
    return float(sum(c_K.sum() * np.log(c_K.sum() / c_K[boundary]) for c_K in words))
