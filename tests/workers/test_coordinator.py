"""The coordinator of a search, driven as Tune drives it: the trials it gives and records."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alambique.registry import jobs, trials
from alambique.registry.records import Trial
from alambique.spec.errors import Diverged, LostWorker
from alambique.spec.space import job_with_values
from alambique.spec.states import Reason, StageName, State, StudentRole
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import running_code
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.pipeline.stage import StagePart, locate_stage
from alambique.workers.search.coordinator import TrialCoordinator, is_unfinished
from alambique.workers.search.sampling import past_trial
from alambique.workers.search.stage import no_student_error, search, search_run, train_front
from alambique.workers.search.trial_job import SearchInputs
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.training.progress import Progress, ProgressFile
from alambique.workers.training.trial import TrialReport, TrialSpec, run_trial, write_start

DEPTHS = "space: {student.layers: [1, 2], train.learning_rate: [1.0e-3, 1.0e-2]}"
SMALL = ("train={epochs: 2, batch_size: 16, max_length: 48, stride: 16}", "compare=[]")
TWO_STAGES = (
    "intermediate={objective: [{kind: hidden, mapping: uniform}], train: {epochs: 2}}",
    "objective=[{kind: logits}, {kind: gold}]",
)
EPOCH = re.compile(r"(.*, epoch \d+): loss [\d.]+ \((.*)\), validation [\d.]+, metric [\d.]+")
PART = StagePart(StageName.DISTIL, "student")
ODD = "space: {student.layers: [1, 2], student.keep: [uniform, [1]], train.seed: [1]}"


@pytest.fixture
def inputs(
    distil_context: Callable[..., JobContext],
    folder_of: Callable[..., Path],
    as_teacher: Callable[..., TrainedModel],
    tmp_path: Path,
) -> Callable[..., SearchInputs]:
    """What the trials of a search over the smallest job share; its teacher is drawn."""

    def made(space: str = DEPTHS, more: str = "sampler: grid", *overrides: str) -> SearchInputs:
        folder = tmp_path / "teacher"
        folder = folder if folder.exists() else folder_of(folder.name)
        teacher = as_teacher(folder, max_length=48, stride=16)
        search = f"search={{{space}, {more}}}"
        return SearchInputs(distil_context(teacher, search, *SMALL, *overrides))

    return made


@pytest.fixture
def spoilt(folder_of: Callable[..., Path]) -> Callable[[SearchInputs], SearchInputs]:
    """The same search with a teacher that was made from weights that are no numbers."""

    def made(given: SearchInputs) -> SearchInputs:
        start = folder_of("spoilt", seed=2)
        weights = load_file(start / "model.safetensors")
        none = {name: torch.full_like(weight, torch.nan) for name, weight in weights.items()}
        save_file(none, start / "model.safetensors", metadata={"format": "pt"})
        (teacher,) = given.context.teachers
        spoilt_teacher = teacher.model_copy(update={"start": start})
        return SearchInputs(replace(given.context, teachers=(spoilt_teacher,)))

    return made


def coordinator_of(inputs: SearchInputs) -> TrialCoordinator:
    """Each look at its clock takes ten seconds."""
    seconds = count(0.0, 10.0)
    return TrialCoordinator(
        inputs, {one.number: one for one in known(inputs)}, lambda: next(seconds)
    )


def known(inputs: SearchInputs) -> tuple[Trial, ...]:
    with inputs.context.database.read() as session:
        return trials.of_job(session, inputs.context.id)


def run_to_end(coordinator: TrialCoordinator, trial: TrialSpec) -> list[TrialReport]:
    """Run one trial to its end; return what it reported."""
    reports: list[TrialReport] = []

    def report(report: TrialReport) -> None:
        reports.append(report)
        coordinator.record_report(trial.number, report)

    run_trial(trial, report)
    coordinator.record_end(trial.number, None)
    return reports


def run_all(coordinator: TrialCoordinator) -> list[int]:
    """Run all trials that are left, one after the other; return the numbers of those that ran."""
    run = []
    while trial := coordinator.next_trial():
        run_to_end(coordinator, trial)
        run.append(trial.number)
    assert coordinator.is_exhausted
    return run


def states(inputs: SearchInputs) -> dict[int, str]:
    return {trial.number: str(trial.state) for trial in known(inputs)}


def logged(inputs: SearchInputs) -> list[str]:
    context = inputs.context
    with context.database.read() as session:
        events = jobs.logs(session, context.id)
    return [line for event in events for line in event.content["lines"]]


def epochs_of(inputs: SearchInputs) -> list[tuple[str, tuple[str, ...]]]:
    """Of the log's lines at the end of an epoch, the run's name with it, and its terms."""
    found = [EPOCH.fullmatch(line) for line in logged(inputs)]
    return [(one[1], tuple(re.findall(r"[a-z]+", one[2]))) for one in found if one]


def free(coordinator: TrialCoordinator, number: int) -> None:
    """Release the lease of a trial, as when the next attempt at the job begins."""
    inputs = coordinator.inputs
    job = inputs.trial_job(coordinator.trials[number].values)
    inputs.context.leases.let_go([job.location.lease])


def test_every_trial_is_written_down_with_what_it_has(inputs: Callable[..., SearchInputs]) -> None:
    given = inputs(more="sampler: grid, goals: [f1 max, macs min, latency_ms min]")
    coordinator = coordinator_of(given)
    assert run_all(coordinator) == [1, 2, 3, 4]
    found = known(given)
    assert [tuple(one.values.values()) for one in found] == [
        (1, 1e-3),
        (1, 1e-2),
        (2, 1e-3),
        (2, 1e-2),
    ]
    for one in found:
        assert (one.state, one.epochs, len(one.curve)) == ("finished", 2, 2)
        assert set(one.metrics) == {"loss", "f1", "macs", "parameters", "latency_ms"}
        assert one.curve[-1]["loss"] == one.metrics["loss"] <= one.curve[0]["loss"]
    assert found[0].metrics["macs"] < found[2].metrics["macs"]
    assert found[0].metrics["macs"] == found[1].metrics["macs"]


def test_each_epoch_of_a_trial_is_logged_with_each_term(
    inputs: Callable[..., SearchInputs],
) -> None:
    """Once, also where an attempt is killed after the first epoch of the second training."""
    given = inputs("space: {train.seed: [1]}", "sampler: grid", *TWO_STAGES)
    coordinator = coordinator_of(given)
    trial = coordinator.next_trial()
    assert trial is not None

    def tell(report: TrialReport) -> None:
        coordinator.record_report(1, report)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(trial, tell)
    first = ["trial 1, first, epoch 1", "trial 1, first, epoch 2", "trial 1, epoch 1"]
    assert [name for name, _ in epochs_of(given)] == first
    free(coordinator, 1)
    assert run_all(coordinator_of(given)) == [1]
    assert epochs_of(given) == [
        *((name, ("hidden",)) for name in first[:2]),
        *((name, ("logits", "gold")) for name in (first[2], "trial 1, epoch 2")),
    ]


def test_epochs_are_news_before_a_trial_reports(inputs: Callable[..., SearchInputs]) -> None:
    """As those of a first training, or of one that fails thereafter."""
    given = inputs("space: {train.seed: [1]}")
    coordinator = coordinator_of(given)
    trial = coordinator.next_trial()
    assert trial is not None
    trial.trainings[-1].folder.mkdir(parents=True)
    writer = ProgressFile(trial.trainings[-1].progress)
    for epoch in (1, 2):
        writer.write(Progress(epoch, epoch, 2, 0.5, {"gold": 0.5}, validation=0.75, metric=0.25))
        coordinator.report_progress() if epoch == 1 else coordinator.record_end(
            1, LostWorker("gone")
        )
    assert logged(given)[-3:] == [
        "trial 1, epoch 1: loss 0.5000 (gold 0.5000), validation 0.7500, metric 0.2500",
        "trial 1, epoch 2: loss 0.5000 (gold 0.5000), validation 0.7500, metric 0.2500",
        "trial 1 failed: gone",
    ]


def test_a_search_in_the_footsteps_of_another_runs_nothing(
    inputs: Callable[..., SearchInputs],
) -> None:
    first = inputs()
    run_all(coordinator_of(first))
    second = inputs()
    coordinator = coordinator_of(second)
    assert not coordinator.has_work()
    assert states(second) == dict.fromkeys(range(1, 5), "finished")
    assert [one.metrics for one in known(second)] == [one.metrics for one in known(first)]
    assert f"trial 1: done before, by job {first.context.id}" in logged(second)
    assert [one.computed for one in second.context.outputs] == [0]
    # and a job without a search that asks for one of them has it too
    assert search(second.context).front == search(first.context).front


def test_a_trial_is_where_the_plain_job_has_its_student(
    inputs: Callable[..., SearchInputs],
) -> None:
    """With labels alone to learn from, that job makes no cache."""
    given = inputs("space: {objective: [[{kind: gold}], [{kind: logits}]]}")
    for kind, outputs in (("gold", ()), ("logits", given.context.outputs)):
        values = {"objective": [{"kind": kind}]}
        job = job_with_values(given.job, values)
        plain = replace(given.context, job=job, outputs=outputs)
        student = TrainStudent(StudentRole.DISTILLED, PART)
        assert given.trial_job(values).location == locate_stage(plain, student)


def test_a_search_goes_on_where_it_was_killed(inputs: Callable[..., SearchInputs]) -> None:
    given = inputs()
    coordinator = coordinator_of(given)
    for _ in range(2):
        trial = coordinator.next_trial()
        assert trial is not None
        run_to_end(coordinator, trial)
    third = coordinator.next_trial()
    assert third is not None
    before = known(given)
    assert states(given) == {1: "finished", 2: "finished", 3: "running"}
    free(coordinator, 3)
    assert run_all(coordinator_of(given)) == [3, 4]
    assert known(given)[:2] == before[:2]


def test_a_trial_that_begins_anew_has_each_epoch_once(inputs: Callable[..., SearchInputs]) -> None:
    """Its folder is gone: what it reported before is not what it does now."""
    given = inputs()
    coordinator = coordinator_of(given)
    assert coordinator.next_trial() is not None
    for epoch, loss in ((1, 0.9), (2, 0.8)):
        coordinator.record_report(1, TrialReport(epoch, loss, 0.5))
    free(coordinator, 1)
    again = coordinator_of(given)
    assert again.next_trial() is not None
    for epoch, loss in ((1, 0.7), (2, 0.6), (3, 0.5)):
        again.record_report(1, TrialReport(epoch, loss, 0.5))
    curve = known(given)[0].curve
    assert [(point["epoch"], point["loss"]) for point in curve] == [(1, 0.7), (2, 0.6), (3, 0.5)]


def test_what_was_stopped_before_a_kill_is_over(inputs: Callable[..., SearchInputs]) -> None:
    """And is among the past before Tune is asked to go on with the other ones."""
    given = inputs(more="sampler: grid, concurrent: 2")
    coordinator = coordinator_of(given)
    for number in (1, 2):
        trial = coordinator.next_trial()
        assert trial is not None
        write_start(trial)
        coordinator.record_report(number, TrialReport(1, 0.75, 0.25, stopped=number == 2))
    for number in (1, 2):
        free(coordinator, number)
    assert [point.get("stopped") for one in known(given) for point in one.curve] == [None, 1.0]
    again = coordinator_of(given)
    assert again.has_work()
    first, second = known(given)
    assert (first.state, second.state, second.epochs) == ("running", "stopped", 1)
    assert (second.metrics["loss"], second.metrics["f1"]) == (0.75, 0.25)
    assert second.metrics["macs"] > 0
    run = search_run(given.context, list(again.trials.values()))
    assert (list(run.ended), list(run.resumed)) == ([2], [1])
    assert run_all(again) == [1, 3, 4]


def test_a_trial_at_its_end_is_not_stopped_there(inputs: Callable[..., SearchInputs]) -> None:
    """Though the scheduler finds it worse than others; one that it stops may lose its process."""
    given = inputs()
    coordinator = coordinator_of(given)
    trial = coordinator.next_trial()
    assert trial is not None
    run_trial(
        trial,
        lambda report: coordinator.record_report(1, replace(report, stopped=report.epoch == 2)),
    )
    coordinator.record_end(1, None)
    other = coordinator.next_trial()
    assert other is not None
    coordinator.record_report(2, TrialReport(1, 0.75, 0.25, stopped=True))
    coordinator.record_end(2, LostWorker("gone"))
    finished, stopped = known(given)
    assert (finished.state, stopped.state) == ("finished", "stopped")
    assert ["stopped" in point for point in finished.curve] == [False, False]
    assert not any(map(is_unfinished, known(given)))


@pytest.mark.parametrize("kept", [True, False])
def test_a_combination_that_cannot_be_fails_alone(
    inputs: Callable[..., SearchInputs], kept: bool
) -> None:
    given = inputs(ODD if kept else ODD.replace("[1]]", "[0, 1]]"))
    assert len(run_all(coordinator_of(given))) == 3
    (failed,) = (one for one in known(given) if one.state == "failed")
    assert failed.reason is Reason.BAD_SPEC
    assert failed.error is not None
    assert "give one for each" in failed.error
    assert f"trial {failed.number} failed: {failed.error}" in logged(given)


def test_trials_that_failed_or_were_stopped(inputs: Callable[..., SearchInputs]) -> None:
    given = inputs()
    coordinator = coordinator_of(given)
    for ended, error in ((1, LostWorker("gone")), (2, None), (3, MemoryError("too large"))):
        trial = coordinator.next_trial()
        assert trial is not None
        assert trial.number == ended
        if error is None:  # stopped early: its process was told nothing more
            coordinator.record_report(2, TrialReport(1, 0.75, 0.25))
            trial.trainings[-1].start.mkdir(parents=True)
            config = given.context.teachers[0].model.folder / "config.json"
            (trial.trainings[-1].start / "config.json").write_text(config.read_text())
        coordinator.record_end(ended, error)
    last = coordinator.next_trial()
    assert last is not None
    coordinator.record_report(4, TrialReport(0, 9.0, 0.0, Reason.DIVERGED, "the loss became nan"))
    coordinator.record_end(4, None)
    found = {one.number: one for one in known(given)}
    assert {number: (one.state, one.reason, one.error) for number, one in found.items()} == {
        1: ("failed", Reason.LOST_WORKER, "gone"),
        2: ("stopped", None, None),
        3: ("failed", Reason.OUT_OF_MEMORY, "MemoryError: too large"),
        4: ("failed", Reason.DIVERGED, "the loss became nan"),
    }
    assert (found[2].epochs, found[2].metrics["loss"], found[2].metrics["f1"]) == (1, 0.75, 0.25)
    assert found[2].metrics["macs"] > 0
    # the next attempt tries again what may go otherwise then
    assert [number for number, one in found.items() if is_unfinished(one)] == [1, 3]


def test_one_that_was_stopped_has_its_latency(inputs: Callable[..., SearchInputs]) -> None:
    """By which a sampler learns from it, as from any other."""
    given = inputs(more="trials: 4, goals: [f1 max, latency_ms min]")
    coordinator = coordinator_of(given)
    trial = coordinator.next_trial()
    assert trial is not None
    write_start(trial)
    coordinator.record_report(1, TrialReport(1, 0.75, 0.25))
    coordinator.record_end(1, None)
    (stopped,) = known(given)
    assert stopped.state == "stopped"
    assert stopped.metrics["latency_ms"] > 0
    assert past_trial(stopped, coordinator.search).scores == (0.25, stopped.metrics["latency_ms"])


def test_one_that_was_stopped_may_be_without_costs(inputs: Callable[..., SearchInputs]) -> None:
    """What cannot be measured is said; a sampler is not told of it."""
    given = inputs(more="trials: 4, goals: [f1 max, latency_ms min]")
    coordinator = coordinator_of(given)
    trial = coordinator.next_trial()
    assert trial is not None
    write_start(trial)
    (trial.trainings[0].start / "model.safetensors").unlink()
    coordinator.record_report(1, TrialReport(1, 0.75, 0.25, stopped=True))
    coordinator.record_end(1, None)
    (stopped,) = known(given)
    assert (stopped.state, stopped.metrics["f1"]) == ("stopped", 0.25)
    assert set(stopped.metrics) == {"loss", "f1", "macs", "parameters"}
    assert past_trial(stopped, coordinator.search).scores is None
    assert "could be measured" in logged(given)[-1]
    assert coordinator.next_trial() is not None


def test_where_all_fail_the_job_does(inputs: Callable[..., SearchInputs]) -> None:
    given = inputs("space: {student.layers: [1], student.keep: [[0], [1]]}")
    coordinator = coordinator_of(given)
    while trial := coordinator.next_trial():
        coordinator.record_report(
            trial.number, TrialReport(0, 9.0, 0.0, Reason.DIVERGED, f"nan at {trial.number}")
        )
        coordinator.record_end(trial.number, None)
    with pytest.raises(Exception, match="2 of 2 failed; trial 1: nan at 1") as caught:
        search(given.context)
    assert type(caught.value).__name__ == "Diverged"


def test_where_one_may_go_otherwise_the_job_is_tried_again(
    inputs: Callable[..., SearchInputs],
) -> None:
    given = inputs("space: {train.seed: [1, 2]}")
    coordinator = coordinator_of(given)
    for error in (Diverged("the loss became nan"), LostWorker("gone")):
        trial = coordinator.next_trial()
        assert trial is not None
        coordinator.record_end(trial.number, error)
    reason = no_student_error(known(given))
    assert type(reason) is LostWorker
    assert str(reason).endswith("2 of 2 failed; trial 2: gone")


def test_gold_labels_alone_may_fail_and_what_is_found_is_kept(
    inputs: Callable[..., SearchInputs], spoilt: Callable[[SearchInputs], SearchInputs]
) -> None:
    given = inputs("space: {student.layers: [1]}", "sampler: grid", "compare=[gold-only]")
    run_all(coordinator_of(given))
    found = search(spoilt(given).context)
    assert [student.role for student in found.students] == ["student-1"]
    assert found.students[0].outputs_by == given.context.outputs[0].made_by == (running_code(),)
    (note,) = found.notes
    assert note.startswith("trial 1: no gold-only student: the loss became nan")
    assert logged(given)[-1] == f"warning: {note}"


def test_the_students_on_the_front_are_trained_with_every_seed(
    inputs: Callable[..., SearchInputs],
) -> None:
    """The trials themselves had the first one."""
    space = "space: {student.layers: [1]}"
    given = inputs(space, "sampler: grid", "compare=[same-start]", "seeds=[4, 9]")
    coordinator = coordinator_of(given)
    run_all(coordinator)
    found = search(given.context)
    assert [(one.role, one.seed) for one in found.students] == [
        ("same-start-1", 4),
        ("student-1", 4),
        ("same-start-1", 9),
        ("student-1", 9),
    ]
    trial = given.trial_job(found.trials[0].values)
    assert found.students[1].folder.is_relative_to(trial.location.folder)
    assert len({one.weights for one in found.students}) == 4
    assert {one.steps for one in found.students} == {found.students[0].steps}


def test_what_fails_beside_several_trials_fails_once(
    inputs: Callable[..., SearchInputs], spoilt: Callable[[SearchInputs], SearchInputs]
) -> None:
    """With other objectives, they have one student on gold labels beside them."""
    space = "space: {objective: [[{kind: gold}, {kind: logits}], [{kind: logits}]]}"
    given = inputs(space, "sampler: grid", "compare=[gold-only]")
    run_all(coordinator_of(given))
    given = spoilt(given)
    baseline = TrainStudent(StudentRole.GOLD_ONLY, PART)
    folder = locate_stage(given.trial_job({}).context, baseline).folder
    students = train_front(given, known(given))
    first = next(students)
    shutil.rmtree(folder)
    _, second, _ = students
    assert isinstance(first, str)
    assert second == first.replace("trial 1", "trial 2")
    assert not folder.exists()


def test_what_another_job_does_is_waited_for(inputs: Callable[..., SearchInputs]) -> None:
    ours, theirs = inputs(), inputs()
    them, us = coordinator_of(theirs), coordinator_of(ours)
    trial = them.next_trial()
    assert trial is not None
    assert us.next_trial() is None
    assert not us.is_exhausted
    run_to_end(them, trial)
    following = us.next_trial()
    assert following is not None
    assert following.number == 2
    assert logged(ours)[-2:] == [
        "trial 1: another job is doing the same; it waits",
        f"trial 1: done before, by job {theirs.context.id}",
    ]


def test_so_many_at_once(inputs: Callable[..., SearchInputs]) -> None:
    coordinator = coordinator_of(inputs(more="sampler: grid, concurrent: 2"))
    first, second = coordinator.next_trial(), coordinator.next_trial()
    assert first is not None
    assert second is not None
    assert coordinator.next_trial() is None
    assert not coordinator.is_exhausted
    run_to_end(coordinator, second)
    third = coordinator.next_trial()
    assert third is not None
    assert third.number == 3


def test_progress_is_told(inputs: Callable[..., SearchInputs]) -> None:
    given = inputs(more="sampler: grid, concurrent: 2, goals: [f1 max]")
    coordinator = coordinator_of(given)
    first = coordinator.next_trial()
    assert first is not None
    told = run_to_end(coordinator, first)
    for _ in range(2):
        assert coordinator.next_trial() is not None
    coordinator.record_report(2, TrialReport(1, 0.5, 0.25))
    coordinator.report_progress()
    with given.context.database.read() as session:
        job = jobs.find(session, given.context.id)
    best = f"best f1 {100 * told[-1].metric:.2f} % (trial 1)"
    assert job.message == f"trial 3 of 4, 2 running; {best}"
    assert (job.state, job.progress) == (State.RUNNING, (1 + 0.5) / 4)
    assert job.eta_seconds is not None
    assert job.eta_seconds > 0


def test_a_search_may_leave_the_model_that_the_job_starts_from(
    inputs: Callable[..., SearchInputs], folder_of: Callable[..., Path]
) -> None:
    other = folder_of("other", layers=3, seed=9)
    given = inputs(
        "space: {student.start: [random, teacher], student.layers: [1]}",
        "sampler: grid",
        f"student.start={other}",
    )
    sources = {
        given.trial_job({"student.start": s}).trial_spec(1).source for s in ("random", "teacher")
    }
    assert sources == {given.context.teachers[0].model.folder}
    assert given.trial_job({}).trial_spec(1).source == other
