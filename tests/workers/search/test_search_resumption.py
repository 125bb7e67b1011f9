"""A search that goes on where another attempt, or another job, left it."""

from collections.abc import Callable

from tests.workers.search.trial_runs import (
    coordinator_of,
    free,
    known,
    logged,
    run_all,
    run_to_end,
    states,
)

from alambique.workers.search.stage import run_search, search_run
from alambique.workers.search.trial_job import SearchJob
from alambique.workers.training.trial import TrialReport, write_start


def test_a_search_in_the_footsteps_of_another_runs_nothing(
    make_search: Callable[..., SearchJob],
) -> None:
    first = make_search()
    run_all(coordinator_of(first))
    second = make_search()
    coordinator = coordinator_of(second)
    coordinator.prefetch_trial()
    assert coordinator.is_exhausted
    assert states(second) == dict.fromkeys(range(1, 5), "finished")
    assert [one.metrics for one in known(second)] == [one.metrics for one in known(first)]
    assert f"trial 1: done before, by job {first.context.id}" in logged(second)
    assert [one.computed for one in second.context.outputs] == [0]
    # and a job without a search that asks for one of them has it too
    assert run_search(second.context).front == run_search(first.context).front


def test_a_search_goes_on_where_it_was_killed(make_search: Callable[..., SearchJob]) -> None:
    given = make_search()
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


def test_a_trial_that_begins_anew_has_each_epoch_once(
    make_search: Callable[..., SearchJob],
) -> None:
    """Its folder is gone: what it reported before is not what it does now."""
    given = make_search()
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


def test_what_was_stopped_before_a_kill_is_over(make_search: Callable[..., SearchJob]) -> None:
    """And is among the past before Tune is asked to go on with the other ones."""
    given = make_search(more="sampler: grid, concurrent: 2")
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
    again.prefetch_trial()
    assert not again.is_exhausted
    first, second = known(given)
    assert (first.state, second.state, second.epochs) == ("running", "stopped", 1)
    assert (second.metrics["loss"], second.metrics["f1"]) == (0.75, 0.25)
    assert second.metrics["macs"] > 0
    run = search_run(given.context, list(again.trials.values()))
    assert (list(run.ended), list(run.resumed)) == ([2], [1])
    assert run_all(again) == [1, 3, 4]


def test_what_another_job_does_is_waited_for(make_search: Callable[..., SearchJob]) -> None:
    ours, theirs = make_search(), make_search()
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
