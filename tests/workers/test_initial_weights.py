"""What students start from: layers of the right model, or random weights of the right shape."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from alambique.models.configs import read_config
from alambique.spec.job import Student
from alambique.spec.outputs import Output
from alambique.spec.states import StageName, StudentRole
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.training.initial_weights import write_student

Folder = Callable[..., Path]
Weights = dict[str, Tensor]
ROLES = StudentRole.GOLD_ONLY, StudentRole.DISTILLED


def weights_of(folder: Path) -> Weights:
    return load_file(folder / "model.safetensors")


def equal(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def first_layer_of(weights: Weights) -> Weights:
    return {name: w for name, w in weights.items() if ".layers.1." not in name}


@pytest.fixture
def started(
    distil_context: Callable[..., JobContext],
    folder_of: Folder,
    as_teacher: Callable[..., TrainedModel],
    tmp_path: Path,
) -> Callable[..., Weights]:
    """What a student of a job started from, beside a teacher in `after` that was `before`."""

    def of(role: StudentRole, *said: str) -> Weights:
        teacher = as_teacher(tmp_path / "after", max_length=128, stride=32)
        context = distil_context(teacher, "train.epochs=1", *said, start=tmp_path / "before")
        folder = tmp_path / role
        folder.mkdir()
        TrainStudent(role, StagePart(StageName.DISTIL, role)).run(context, folder)
        return weights_of(folder / "start")

    folder_of("before", seed=1)
    folder_of("after", seed=2)
    return of


@pytest.mark.parametrize(
    ("role", "source"), [(StudentRole.GOLD_ONLY, "before"), (StudentRole.DISTILLED, "after")]
)
def test_a_student_is_cut_from_the_teacher_and_gold_only_from_before_it_was_taught(
    started: Callable[..., Weights], tmp_path: Path, role: StudentRole, source: str
) -> None:
    before, after = (weights_of(tmp_path / name) for name in ("before", "after"))
    assert not equal(before, after)
    expected = {"before": before, "after": after}[source]
    assert equal(started(role), first_layer_of(expected))


def test_students_that_start_at_random_start_alike(started: Callable[..., Weights]) -> None:
    assert equal(*(started(role, "student.start=random") for role in ROLES))


def test_students_that_start_from_another_model_start_alike(
    started: Callable[..., Weights], folder_of: Folder
) -> None:
    named = folder_of("named", seed=3, positions=128)
    expected = first_layer_of(weights_of(named))
    assert all(equal(started(role, f"student.start={named}"), expected) for role in ROLES)


def put(folder: Path, said: Student, source: Path, seed: int = 1) -> Path:
    labels = tuple(read_config(source)["id2label"].values())
    write_student(said, source, Output.TAGS, labels, folder, seed=seed)
    return folder


@pytest.mark.parametrize(
    ("keep", "kept"), [("first", [0, 1]), ("uniform", [0, 2]), ((0, 3), [0, 3])]
)
def test_the_layers_that_are_kept_are_those_of_the_start(
    folder_of: Folder, tmp_path: Path, keep: Any, kept: list[int]
) -> None:
    source = folder_of(layers=4)
    found = weights_of(put(tmp_path / "student", Student(layers=2, keep=keep), source))
    deep = weights_of(source)
    for number, old in enumerate(kept):
        ours = {n: w for n, w in found.items() if f".layers.{number}." in n}
        assert ours
        for name, weight in ours.items():
            assert torch.equal(weight, deep[name.replace(f".{number}.", f".{old}.", 1)])
    others = {name for name in found if ".layers." not in name}
    assert all(torch.equal(found[name], deep[name]) for name in others)


def test_a_random_start_has_the_shape_that_is_said_and_the_tokenizer_of_its_source(
    folder_of: Folder, tmp_path: Path
) -> None:
    source = folder_of()
    said = Student(start="random", layers=3, width=24, heads=3, ffn=40)
    folder = put(tmp_path / "student", said, source)
    config = read_config(folder)
    assert (config["num_hidden_layers"], config["hidden_size"]) == (3, 24)
    assert (config["num_attention_heads"], config["intermediate_size"]) == (3, 40)
    assert (folder / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    assert weights_of(folder)["model.embeddings.tok_embeddings.weight"].shape == (
        read_config(source)["vocab_size"],
        24,
    )


def test_a_random_start_is_drawn_from_its_seed_and_has_nothing_of_its_source(
    folder_of: Folder, tmp_path: Path
) -> None:
    source, said = folder_of(seed=1), Student(start="random", layers=2)
    one, again, other = (
        weights_of(put(tmp_path / name, said, source, seed))
        for name, seed in (("one", 5), ("again", 5), ("other", 6))
    )
    assert equal(one, again)
    drawn = {name for name, weight in one.items() if weight.ndim > 1}
    theirs = weights_of(source)
    assert drawn
    for name in drawn:
        assert one[name].shape == theirs[name].shape
        assert not torch.equal(one[name], theirs[name])
        assert not torch.equal(one[name], other[name])
