"""The coordinator of a search, driven as Tune drives it: the trials it gives and records."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.workers.search.trial_runs import (
    PART,
    coordinator_of,
    epochs_of,
    free,
    known,
    logged,
    run_all,
    run_to_end,
)

from alambique.registry import jobs
from alambique.spec.errors import LostWorker
from alambique.spec.space import job_with_values
from alambique.spec.states import State, StudentRole
from alambique.workers.pipeline.stage import locate_stage
from alambique.workers.search.trial_job import SearchJob
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.training.progress import Progress, ProgressFile
from alambique.workers.training.trial import TrialReport, run_trial

TWO_STAGES = (
    "intermediate={objective: [{kind: hidden, mapping: uniform}], train: {epochs: 2}}",
    "objective=[{kind: logits}, {kind: gold}]",
)


def test_every_trial_is_written_down_with_what_it_has(
    make_search: Callable[..., SearchJob],
) -> None:
    given = make_search(more="sampler: grid, goals: [f1 max, macs min, latency_ms min]")
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
    make_search: Callable[..., SearchJob],
) -> None:
    """Once, also where an attempt is killed after the first epoch of the second training."""
    given = make_search("space: {train.seed: [1]}", "sampler: grid", *TWO_STAGES)
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


def test_epochs_are_news_before_a_trial_reports(make_search: Callable[..., SearchJob]) -> None:
    """As those of a first training, or of one that fails thereafter."""
    given = make_search("space: {train.seed: [1]}")
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


def test_a_trial_is_where_the_plain_job_has_its_student(
    make_search: Callable[..., SearchJob],
) -> None:
    """With labels alone to learn from, that job makes no cache."""
    given = make_search("space: {objective: [[{kind: gold}], [{kind: logits}]]}")
    for kind, outputs in (("gold", ()), ("logits", given.context.outputs)):
        values = {"objective": [{"kind": kind}]}
        job = job_with_values(given.job, values)
        plain = replace(given.context, job=job, outputs=outputs)
        student = TrainStudent(StudentRole.DISTILLED, PART)
        assert given.trial_job(values).location == locate_stage(plain, student)


def test_no_more_trials_run_at_once_than_asked_for(make_search: Callable[..., SearchJob]) -> None:
    coordinator = coordinator_of(make_search(more="sampler: grid, concurrent: 2"))
    first, second = coordinator.next_trial(), coordinator.next_trial()
    assert first is not None
    assert second is not None
    assert coordinator.next_trial() is None
    assert not coordinator.is_exhausted
    run_to_end(coordinator, second)
    third = coordinator.next_trial()
    assert third is not None
    assert third.number == 3


def test_progress_names_the_best_trial(make_search: Callable[..., SearchJob]) -> None:
    given = make_search(more="sampler: grid, concurrent: 2, goals: [f1 max]")
    coordinator = coordinator_of(given)
    first = coordinator.next_trial()
    assert first is not None
    reports = run_to_end(coordinator, first)
    for _ in range(2):
        assert coordinator.next_trial() is not None
    coordinator.record_report(2, TrialReport(1, 0.5, 0.25))
    coordinator.report_progress()
    with given.context.database.read() as session:
        job = jobs.find(session, given.context.id)
    best = f"best f1 {100 * reports[-1].metric:.2f} % (trial 1)"
    assert job.message == f"trial 3 of 4, 2 running; {best}"
    assert (job.state, job.progress) == (State.RUNNING, (1 + 0.5) / 4)
    assert job.eta_seconds is not None
    assert job.eta_seconds > 0


def test_a_search_may_leave_the_model_that_the_job_starts_from(
    make_search: Callable[..., SearchJob], folder_of: Callable[..., Path]
) -> None:
    other = folder_of("other", layers=3, seed=9)
    given = make_search(
        "space: {student.start: [random, teacher], student.layers: [1]}",
        "sampler: grid",
        f"student.start={other}",
    )
    sources = {
        given.trial_job({"student.start": s}).trial_spec(1).source_folder
        for s in ("random", "teacher")
    }
    assert sources == {given.context.teachers[0].model.folder}
    assert given.trial_job({}).trial_spec(1).source_folder == other
