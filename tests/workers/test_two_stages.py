"""A student that is taught in two stages: the second goes on with all that the first has learnt."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from alambique.models.networks import load
from alambique.spec.outputs import Output
from alambique.spec.states import StageName, StudentRole
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.training import loop
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.inputs import load_inputs
from alambique.workers.training.loss_log import StepLosses
from alambique.workers.training.spec import TrainingSpec

HERE = SingleProcess(torch.device("cpu"))
TERM = "{kind: hidden, mapping: learned, projection: shared}"
SAID = (
    "compare=[]",
    "data.limit={train: 24, dev: 8, test: 4}",
    "student={start: random, layers: 1, width: 16, heads: 2, ffn: 24}",
    f"intermediate={{objective: [{TERM}], train: {{epochs: 2, batch_size: 8}}}}",
    f"objective=[{TERM}, {{kind: logits}}]",
    "train={epochs: 2, batch_size: 8, checkpoint: 1}",
)
STUDENT = TrainStudent(StudentRole.DISTILLED, StagePart(StageName.DISTIL, "distilled"))
STEPS = 6
"""Of each stage."""


@dataclass(frozen=True)
class Staged:
    """A job whose student is taught in two stages."""

    context: JobContext

    def trainings(self, folder: Path) -> tuple[TrainingSpec, TrainingSpec]:
        first, second = STUDENT.trainings(self.context, folder)
        return first, second

    def distil(self, folder: Path) -> TrainedModel:
        folder.mkdir(exist_ok=True)
        return STUDENT.run(self.context, folder).model

    def has_diverged(self, folder: Path) -> bool:
        return STUDENT.collect_result(self.context, folder, 0.0).model.diverged


@pytest.fixture
def staged(
    distil_context: Callable[..., JobContext],
    folder_of: Callable[..., Path],
    as_teacher: Callable[..., TrainedModel],
) -> Staged:
    folder = folder_of("after", seed=2, positions=512)
    return Staged(distil_context(as_teacher(folder, max_length=128, stride=32), *SAID))


def test_the_second_begins_with_what_the_first_has_learnt(staged: Staged, tmp_path: Path) -> None:
    staged.distil(tmp_path / "student")
    first, second = staged.trainings(tmp_path / "student")
    learner, _ = load_inputs(second, HERE)
    best = load(first.best, Output.TAGS, second.labels)
    same(learner.network.state_dict(), best.state_dict())
    state = learner.projection_heads.state_dict()
    same(state, load_file(first.projection_heads))
    fresh, _ = load_inputs(second.model_copy(update={"beginning": None}), HERE)
    begun = fresh.projection_heads.state_dict()
    assert not any(torch.equal(begun[name], weight) for name, weight in state.items())


def same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], weight) for name, weight in theirs.items())


def test_what_does_not_fit_begins_as_ever(staged: Staged, tmp_path: Path) -> None:
    """The second stage compares other things: what the first learnt beside is of no use there."""
    staged.distil(tmp_path / "student")
    _, second = staged.trainings(tmp_path / "student")
    hidden, logits = second.objective
    for objective in ((logits,), (hidden.model_copy(update={"projection": "per-layer"}), logits)):
        learner, _ = load_inputs(second.model_copy(update={"objective": objective}), HERE)
        alone = second.model_copy(update={"objective": objective, "beginning": None})
        fresh, _ = load_inputs(alone, HERE)
        begun = {
            name: w
            for name, w in fresh.projection_heads.state_dict().items()
            if "layer_maps" not in name
        }
        found = learner.projection_heads.state_dict()
        assert all(torch.equal(found[name], weight) for name, weight in begun.items())
        assert bool(begun) == (len(objective) > 1)


@pytest.mark.parametrize("killed_at", [STEPS // 2, STEPS, STEPS + STEPS // 2])
def test_killed_in_either_stage_or_between_it_is_as_undisturbed(
    staged: Staged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    undisturbed = staged.distil(tmp_path / "undisturbed")
    seen, step = [0], loop.TrainingLoop.step

    def counted(self: loop.TrainingLoop, *arguments: Any) -> StepLosses:
        if seen[0] == killed_at:
            raise KeyboardInterrupt
        seen[0] += 1
        return step(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(loop.TrainingLoop, "step", counted)
        with pytest.raises(KeyboardInterrupt):
            staged.distil(tmp_path / "killed")
    again = staged.distil(tmp_path / "killed")
    assert (again.weights, again.loss, again.maps) == (
        undisturbed.weights,
        undisturbed.loss,
        undisturbed.maps,
    )


def test_a_first_stage_that_broke_off_is_told(staged: Staged, tmp_path: Path) -> None:
    staged.distil(tmp_path / "student")
    first, _ = staged.trainings(tmp_path / "student")
    assert not staged.has_diverged(tmp_path / "student")
    said = json.loads(first.result.read_text())
    first.result.write_text(json.dumps(said | {"diverged": True}))
    assert staged.has_diverged(tmp_path / "student")
