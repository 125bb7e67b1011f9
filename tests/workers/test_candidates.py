"""Teachers chosen from candidates over a grid, by real runs of networks of few weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alambique.registry import jobs, versions
from alambique.registry.job_result import Candidate
from alambique.registry.records import Version
from alambique.spec.errors import (
    AlambiqueError,
    BadSpec,
    BadTeacher,
    Diverged,
    UnknownName,
)
from alambique.workers.pipeline.context import JobContext
from alambique.workers.queue.driver import run_stages
from alambique.workers.stages.check import check_job
from alambique.workers.stages.teach import select_teachers

Made = Callable[..., Path]
MakeContext = Callable[..., JobContext]
Refused = Callable[..., None]

TRAIN = "teacher.train={epochs: 5, batch_size: 8, max_length: 64, stride: 16}"
SHORT = ("train.epochs=1", "train.max_length=64", "train.stride=16", "compare=[]")
GRID = "{learning_rate: [3.0e-3, 1.0e-3]}"
RUINOUS = "{learning_rate: [2.0e-3, 1.0]}"
"""The second rate leaves a network that answers O, whatever it reads."""


@pytest.fixture
def choice(job_context: MakeContext, folder_of: Made) -> Callable[..., JobContext]:
    """A job with two candidates and two rates each, of which the last ruins its network."""
    wide, narrow = folder_of("wide", layers=2), folder_of("narrow", layers=1, seed=2)

    def made(*overrides: str) -> JobContext:
        teacher = f"[{wide}, {{model: {narrow}, grid: {RUINOUS}}}]"
        said = f"teacher={{candidates: {teacher}, grid: {GRID}, max_length: 64, stride: 16}}"
        return job_context(said, TRAIN, *SHORT, *overrides)

    return made


def told(job_context: JobContext) -> list[str]:
    """What a job wrote into its log."""
    with job_context.database.read() as session:
        return [
            line for event in jobs.logs(session, job_context.id) for line in event.content["lines"]
        ]


def trained(job_context: JobContext) -> list[str]:
    """The names of the runs of fine-tuning that took steps in a job, in their order."""
    with job_context.database.read() as session:
        events = jobs.events(session, job_context.id)
    contents = (event.content for event in events if event.kind == "progress")
    steps = (content["message"] for content in contents if content["stage"] == "teach")
    return list(dict.fromkeys(m.partition(": step")[0] for m in steps if ": step" in m))


def registering(job_context: JobContext) -> list[float]:
    """How far the last stage said it was, each time."""
    with job_context.database.read() as session:
        events = jobs.notes(session, job_context.id, "progress")
    return [event.content["fraction"] for event in events if event.content["stage"] == "register"]


def registered(job_context: JobContext) -> dict[str, Version]:
    """By role, the versions that a job has made."""
    with job_context.database.read() as session:
        return {found.role: found for found in versions.page(session, job_id=job_context.id).items}


def dev(version: Version) -> dict[str, float]:
    return {metric.name: metric.value for metric in version.metrics if metric.split == "dev"}


def test_the_lowest_loss_teaches_and_all_runs_are_registered_once(
    choice: Callable[..., JobContext], tmp_path: Path
) -> None:
    first = choice("name=first")
    result = run_stages(first)
    rows = result.candidates
    (best,) = (row for row in rows if row.taught)
    assert [row.train["learning_rate"] for row in rows] == [3e-3, 1e-3, 2e-3, 1.0]
    assert [row.model for row in rows] == [
        str(tmp_path / n) for n in ("wide",) * 2 + ("narrow",) * 2
    ]
    losses = [row.loss for row in rows if row.loss is not None]
    assert len(losses) == 4
    assert best.loss == min(losses)
    # of so few examples none learns enough to pass the gate, which the job has off
    assert all(row.collapsed for row in rows)
    *each, unfit = result.notes[-5:]
    assert [note.partition(": ")[0] for note in each] == ["collapsed"] * 4
    assert f"{tmp_path / 'narrow'}, learning_rate 1.0: validation loss" in each[-1]
    assert unfit.startswith("the teacher would not pass the gate, which the job has off: f1 on")
    assert {*each, f"warning: {unfit}"} <= {*told(first)}
    _as_registered(first, rows)
    assert (begun := registering(first)) == sorted(begun)
    assert len(begun) == 6  # two networks and four runs

    second = choice("name=second", "student.keep=last")
    again = run_stages(second).candidates
    assert trained(second) == []
    assert set(registered(second)) == {"teacher", "student"}
    others = [[row.version for row in each if not row.taught] for each in (rows, again)]
    assert others[0] == others[1]
    assert [row.version for row in again if row.taught] == ["second-teacher@1"]


def _as_registered(job_context: JobContext, rows: Sequence[Candidate]) -> None:
    """The versions of the runs have the scores by which they were compared."""
    made = registered(job_context)
    for number, row in enumerate(rows, start=1):
        version = made["teacher" if row.taught else f"candidate-{number}"]
        assert row.version == f"{version.name}@{version.number}"
        assert dev(version) == {"loss": row.loss, "f1": row.metric}
        assert version.parameters > 0
        figures = version.details["gate"]
        assert figures["baseline"] == "the most frequent tag of each word"
        assert figures["difference"] == pytest.approx(figures["score"] - figures["baseline_score"])
        assert (figures["score"], figures["passed"]) == (pytest.approx(row.metric), False)
        if not row.taught:
            assert version.name == f"first-candidate-{number}"
            assert version.details["grid"] == row.train
            assert version.details["collapsed"] == row.collapsed
            assert "state" not in version.details["gate"]
            assert {edge.relation for edge in version.lineage} == {"data", "code", "start"}
    assert len({version.weights for version in made.values()}) == 5  # and a student
    (edge,) = (edge for edge in made["student"].lineage if edge.relation == "teacher")
    assert edge.parent == made["teacher"].id
    assert (made["teacher"].details["gate"]["state"], edge.hashes["gate"]) == ("off", "off")


def test_a_job_that_was_broken_off_goes_on_with_the_runs_that_lack(
    choice: Callable[..., JobContext], tmp_path: Path
) -> None:
    first = choice()
    inputs, gone = check_job(first), tmp_path / "gone"
    (tmp_path / "narrow").rename(gone)
    with pytest.raises(AlambiqueError):
        select_teachers(replace(first, check_result=inputs))
    assert [name.partition(",")[0] for name in trained(first)] == [
        "teacher 1 of 4",
        "teacher 2 of 4",
    ]

    gone.rename(tmp_path / "narrow")
    second = choice()
    (selected,) = select_teachers(replace(second, check_result=inputs))
    assert [name.partition(",")[0] for name in trained(second)] == [
        "teacher 3 of 4",
        "teacher 4 of 4",
    ]
    assert f"teacher 4 of 4, {tmp_path / 'narrow'}, learning_rate 1.0" in trained(second)
    assert [run.number for run in selected.runs] == [1, 2, 3, 4]
    third = choice()
    assert select_teachers(replace(third, check_result=inputs)) == (selected,)
    assert trained(third) == []  # also the run that collapsed


def test_a_job_of_one_model_takes_the_run_of_a_grid(checked: MakeContext, folder_of: Made) -> None:
    folder = folder_of()
    rates = "teacher.grid={learning_rate: [1.0, 3.0e-3]}"
    (of_grid,) = select_teachers(checked(TRAIN, *SHORT, f"teacher.model={folder}", rates))
    alone, ruined, let = (
        checked(
            *(TRAIN, f"teacher.model={folder}", f"teacher.train.learning_rate={rate}", *SHORT),
            gated=gated,
        )
        for rate, gated in ((3e-3, False), (1.0, True), (1.0, False))
    )
    (only,) = select_teachers(alone)
    assert (only.model, only.runs) == (of_grid.model, ())
    with pytest.raises(BadTeacher, match=r"the teacher's f1 .* is 0\.0000, .* train it longer"):
        select_teachers(ruined)
    (only,) = select_teachers(let)  # the gate is no part of what is trained
    assert (only.gate_off, only.gate and only.gate.score) == (True, 0)
    assert trained(alone) == trained(ruined) == trained(let) == []


@pytest.fixture
def bursting(folder_of: Made) -> Path:
    """A network whose logits are beyond what a float holds: its first loss is no number."""
    folder = folder_of("bursting")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"][:] = torch.finfo(torch.float32).max
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_run_that_diverges_cannot_teach_and_has_no_version(
    job_context: MakeContext, checked: MakeContext, folder_of: Made, bursting: Path
) -> None:
    rate = "teacher.train.learning_rate=3e-3"
    job = job_context(f"teacher={{candidates: [{bursting}, {folder_of()}]}}", TRAIN, rate, *SHORT)
    first, second = run_stages(job).candidates
    assert (first.loss, first.metric, first.version) == (None, None, None)
    assert first.collapsed is not None
    assert "the loss became" in first.collapsed
    assert second.taught
    assert set(registered(job)) == {"teacher", "student"}
    alone = checked(f"teacher.model={bursting}", TRAIN, rate, *SHORT)
    with pytest.raises(Diverged):
        select_teachers(alone)


def test_where_every_run_collapses_all_are_told(
    checked: MakeContext, folder_of: Made, bursting: Path
) -> None:
    grid = "teacher.grid={learning_rate: [1.0]}"
    context = checked(
        f"teacher={{candidates: [{bursting}, {folder_of()}]}}", TRAIN, grid, *SHORT, gated=True
    )
    with pytest.raises(BadTeacher) as caught:
        select_teachers(context)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert f"{bursting}, learning_rate 1.0: the loss became" in lines[1]
    assert "f1 on the validation examples is 0.0000" in lines[2]


def candidates(*models: object) -> Iterator[str]:
    yield f"teacher={{candidates: [{', '.join(str(model) for model in models)}]}}"
    yield TRAIN
    yield from SHORT


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("mini", "teacher.candidates.1: there is no model 'mini'"),
        ("{model: mini}", "teacher.candidates.1.model: there is no model 'mini'"),
        ("{model: registry:tiny@7}", "teacher.candidates.1.model: project 'default' has no model"),
    ],
)
def test_a_candidate_that_is_nowhere_is_named(
    job_context: MakeContext, folder_of: Made, refused: Refused, written: str, said: str
) -> None:
    refused(job_context(*candidates(folder_of(), written)), UnknownName, said)


@pytest.mark.parametrize("start", ["teacher", "random"])
def test_the_student_has_to_fit_every_candidate(
    job_context: MakeContext, folder_of: Made, refused: Refused, start: str
) -> None:
    one, other = folder_of(), folder_of("other", layers=1, width=24, heads=3)
    size = "student.layers=2" if start == "teacher" else "student.width=32"
    job = job_context(*candidates(one, other), f"student.start={start}", size)
    refused(job, BadSpec, "teacher.candidates.1: ")


def test_a_candidate_with_too_few_positions_is_refused(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    short = folder_of("short", architecture="bert", positions=32)
    job = job_context(*candidates(folder_of(), short))
    refused(job, BadSpec, "teacher.candidates.1: teacher.max_length is", "positions for 32")


def test_a_start_of_the_student_s_own_is_no_fault_of_a_candidate(
    job_context: MakeContext, folder_of: Made
) -> None:
    job = job_context(
        *candidates(folder_of()), f"student.start={folder_of('own', layers=1)}", "student.layers=2"
    )
    with pytest.raises(BadSpec, match=r"^a student of 2 layers .* 1\b"):
        check_job(job)


def test_the_names_of_candidates_are_not_another_task_s(
    job_context: MakeContext, folder_of: Made, register_version: Callable[[JobContext, str], None]
) -> None:
    register_version(job_context("name=mine"), "mine-candidate-2")
    several = job_context(*candidates(folder_of(), folder_of("other", seed=2)), "name=mine")
    with pytest.raises(BadSpec, match=r"'mine-candidate-2' .*\bquestion-answering\b"):
        check_job(several)
