"""DeepSpeed on two processes, with no compiler to be found, against one plain process."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from alambique.spec.objective import Attention, Hidden, Relations
from alambique.workers.training.spec import TrainingResult, TrainingSpec, read_result

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

Made = Callable[..., TrainingSpec]
Recorder = Callable[..., "Recorded"]

RECORDER = Path(__file__).with_name("recorder.py")
TOOLS = ("gcc", "g++", "cc", "c++", "ninja", "nvcc")


@dataclass(frozen=True)
class ProcessRun:
    """A training on several processes, and the step before which it is broken off and run again."""

    training_spec: TrainingSpec
    stop_at: int | None = None

    @property
    def argument(self) -> str:
        path = self.training_spec.folder / "training.json"
        path.write_text(self.training_spec.model_dump_json())
        return f"{path}@{'' if self.stop_at is None else self.stop_at}"


def on_processes(runs: Sequence[ProcessRun], folder: Path, processes: int = 2) -> list[list[float]]:
    """The losses of each training's steps, trained by torchrun on a PATH without a compiler."""
    bare = folder / "bin"
    bare.mkdir()
    (bare / "python3").symlink_to(sys.executable)
    assert not any(shutil.which(tool, path=str(bare)) for tool in TOOLS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    arguments = [one.argument for one in runs]
    done = subprocess.run(
        [*command, "--nproc-per-node", str(processes), str(RECORDER), *arguments],
        env=os.environ | {"PATH": str(bare), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((one.training_spec.folder / "losses.json").read_text()) for one in runs]


STAGES = [pytest.param((0, 2), id="0-2"), pytest.param((1, 3), id="1-3", marks=pytest.mark.slow)]


@pytest.mark.parametrize(
    ("task", "stages"),
    [
        pytest.param("named-entities", (0, 2), id="named-entities-0-2"),
        pytest.param("named-entities", (1, 3), id="named-entities-1-3", marks=pytest.mark.slow),
        pytest.param(
            "question-answering", (1, 3), id="question-answering-1-3", marks=pytest.mark.slow
        ),
    ],
)
def test_two_workers_have_the_results_of_one(
    distilled: Made, recorded: Recorder, tmp_path: Path, task: str, stages: tuple[int, ...]
) -> None:
    one = distilled(task)
    runs = [ProcessRun(distilled(task, zero=stage)) for stage in stages]
    if task == "named-entities":  # for one task alone: it takes seconds
        micro_batches = one.train.model_copy(update={"accumulate": 3})
        runs.append(ProcessRun(distilled(task, zero=stages[-1], train=micro_batches), stop_at=8))
    run = recorded(one)
    run.run()
    layers = layers_beside(one, tmp_path / f"{task}-teacher")
    beside = recorded(layers)
    beside.run()
    runs.append(ProcessRun(another(layers, zero=stages[-1]), stop_at=8))
    *same, compared = on_processes(runs, tmp_path)
    for losses, other in zip(same, runs, strict=False):
        # the checkpoint before step 8 is that of step 6, in the second epoch
        expected = run.losses if other.stop_at is None else run.losses[6:]
        assert losses == pytest.approx(expected, abs=1e-4)
        same_results(one, other.training_spec)
    assert compared == pytest.approx(beside.losses[6:], abs=1e-4)
    same_results(layers, runs[-1].training_spec)


def layers_beside(one: TrainingSpec, teacher: Path) -> TrainingSpec:
    """The training of a student on its teacher's layers, with what is learnt beside."""
    hidden = Hidden(projection="per-layer", mapping="learned", embeddings=False, weight=0.5)
    mixed = (Relations(heads=4), Attention(loss="kl"), hidden)
    # relations alone: all gradients come by what hooks have read
    terms = mixed if one.task == "named-entities" else (Relations(heads=4),)
    return another(one, objective=terms, live_teacher=teacher)


def another(one: TrainingSpec, **changed: Any) -> TrainingSpec:
    """A training of its own, in a folder beside."""
    folder = one.folder.with_name(f"run-{len(list(one.folder.parent.iterdir()))}")
    folder.mkdir()
    return one.model_copy(update={"folder": folder, **changed})


@pytest.mark.slow
def test_a_student_without_a_head_is_the_same_on_two_workers(
    training_spec: Made,
    recorded: Recorder,
    folder_of: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Nothing is learnt by its pooler, nor by what comes after the relations; nothing decays."""
    start, teacher = (
        folder_of(name, task="general", architecture="bert", positions=96, seed=seed)
        for name, seed in (("start", 3), ("teacher", 2))
    )
    weights = load_file(teacher / "model.safetensors")
    sharper = {name: 8 * weight if weight.ndim > 1 else weight for name, weight in weights.items()}
    save_file(sharper, teacher / "model.safetensors", metadata={"format": "pt"})
    train = training_spec("general").train.model_copy(update={"dropout": 0.0, "weight_decay": 1.0})
    fields = {"live_teacher": teacher, "start": start, "objective": (Relations(),), "train": train}
    one = training_spec("general", **fields)
    several = [ProcessRun(training_spec("general", zero=stage, **fields)) for stage in range(4)]
    run = recorded(one)
    run.run()
    for losses, other in zip(on_processes(several, tmp_path), several, strict=True):
        assert losses == pytest.approx(run.losses, abs=1e-4)
        same_results(one, other.training_spec)
        before, after = (
            load_file(folder / "model.safetensors") for folder in (start, other.training_spec.best)
        )
        untaught = [n for n in before if "pooler" in n or "layer.1.output" in n]
        assert untaught
        assert all(torch.equal(after[name], before[name]) for name in untaught)


@pytest.mark.slow
@pytest.mark.parametrize("stages", STAGES)
def test_mixed_precision_learns_on_two_workers(
    training_spec: Made, recorded: Recorder, tmp_path: Path, stages: tuple[int, ...]
) -> None:
    one = training_spec("named-entities")
    bf16 = one.train.model_copy(update={"precision": "bf16"})
    runs = [ProcessRun(training_spec("named-entities", zero=stage, train=bf16)) for stage in stages]
    recorded(one).run()
    for losses, other in zip(on_processes(runs, tmp_path), runs, strict=True):
        assert losses[-1] < losses[0]
        assert outcome_of(other.training_spec).best_loss == pytest.approx(
            outcome_of(one).best_loss, abs=0.05
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("task", ["question-answering", "named-entities"])
def test_gpus_have_the_losses_of_the_cpu(
    training_spec: Made, recorded: Recorder, tmp_path: Path, task: str
) -> None:
    one, runs = (
        training_spec(task),
        [ProcessRun(training_spec(task, zero=stage)) for stage in range(4)],
    )
    run = recorded(one)
    run.run()
    found = on_processes(runs, tmp_path, torch.cuda.device_count())
    for losses, other in zip(found, runs, strict=True):
        assert losses == pytest.approx(run.losses, abs=1e-3)
        assert outcome_of(other.training_spec).best_loss == pytest.approx(
            outcome_of(one).best_loss, abs=1e-3
        )


def same_results(one: TrainingSpec, other: TrainingSpec) -> None:
    """But for rounding."""
    ours, theirs = outcome_of(one), outcome_of(other)
    assert theirs.best_loss == pytest.approx(ours.best_loss, abs=1e-4)
    assert theirs.metric == pytest.approx(ours.metric, abs=1e-4)
    assert replace(theirs, best_loss=ours.best_loss, metric=ours.metric) == ours
    our_weights, their_weights = (learnt_of(training_spec) for training_spec in (one, other))
    torch.testing.assert_close(their_weights, our_weights, rtol=0, atol=1e-3)


def learnt_of(training_spec: TrainingSpec) -> dict[str, torch.Tensor]:
    """The best weights, but for one that has no gradient to follow.

    A constant added to all starts, or to all ends, is nothing to a softmax over positions: of that
    bias' gradient there is but rounding, which Adam makes whole steps of.
    """
    weights = load_file(training_spec.best / "model.safetensors")
    if training_spec.task == "question-answering":
        weights["classifier.bias"].zero_()
    return weights


def outcome_of(training_spec: TrainingSpec) -> TrainingResult:
    outcome = read_result(training_spec)
    assert outcome is not None
    return outcome
