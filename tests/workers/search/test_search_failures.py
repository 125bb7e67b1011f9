"""Trials that fail or are stopped, and what becomes of their search."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.workers.search.trial_runs import coordinator_of, known, logged, run_all

from alambique.spec.errors import Diverged, LostWorker
from alambique.spec.states import Reason
from alambique.workers.search.coordinator import is_unfinished
from alambique.workers.search.sampling import past_trial
from alambique.workers.search.stage import no_student_error, run_search
from alambique.workers.search.trial_job import SearchJob
from alambique.workers.training.trial import TrialReport, run_trial, write_start

ODD = "space: {student.layers: [1, 2], student.keep: [uniform, [1]], train.seed: [1]}"


def test_a_trial_at_its_end_is_not_stopped_there(make_search: Callable[..., SearchJob]) -> None:
    """Though the scheduler finds it worse than others; one that it stops may lose its process."""
    given = make_search()
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
    make_search: Callable[..., SearchJob], kept: bool
) -> None:
    given = make_search(ODD if kept else ODD.replace("[1]]", "[0, 1]]"))
    assert len(run_all(coordinator_of(given))) == 3
    (failed,) = (one for one in known(given) if one.state == "failed")
    assert failed.reason is Reason.BAD_SPEC
    assert failed.error is not None
    assert "give one for each" in failed.error
    assert f"trial {failed.number} failed: {failed.error}" in logged(given)


def test_trials_that_failed_or_were_stopped_are_recorded_so(
    make_search: Callable[..., SearchJob],
) -> None:
    given = make_search()
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


def test_one_that_was_stopped_has_its_latency(make_search: Callable[..., SearchJob]) -> None:
    """By which a sampler learns from it, as from any other."""
    given = make_search(more="trials: 4, goals: [f1 max, latency_ms min]")
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


def test_one_that_was_stopped_may_be_without_costs(make_search: Callable[..., SearchJob]) -> None:
    """What cannot be measured is said; a sampler is not told of it."""
    given = make_search(more="trials: 4, goals: [f1 max, latency_ms min]")
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


def test_a_search_fails_where_all_trials_fail(make_search: Callable[..., SearchJob]) -> None:
    given = make_search("space: {student.layers: [1], student.keep: [[0], [1]]}")
    coordinator = coordinator_of(given)
    while trial := coordinator.next_trial():
        coordinator.record_report(
            trial.number, TrialReport(0, 9.0, 0.0, Reason.DIVERGED, f"nan at {trial.number}")
        )
        coordinator.record_end(trial.number, None)
    with pytest.raises(Exception, match="2 of 2 failed; trial 1: nan at 1") as caught:
        run_search(given.context)
    assert type(caught.value).__name__ == "Diverged"


def test_where_one_may_go_otherwise_the_job_is_tried_again(
    make_search: Callable[..., SearchJob],
) -> None:
    given = make_search("space: {train.seed: [1, 2]}")
    coordinator = coordinator_of(given)
    for error in (Diverged("the loss became nan"), LostWorker("gone")):
        trial = coordinator.next_trial()
        assert trial is not None
        coordinator.record_end(trial.number, error)
    reason = no_student_error(known(given))
    assert type(reason) is LostWorker
    assert str(reason).endswith("2 of 2 failed; trial 2: gone")
