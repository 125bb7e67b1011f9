"""Which trials are stopped early, also by what an earlier attempt at the job has seen."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from alambique.spec.train import Resources
from alambique.workers.ray.tuning import TuneCallback, reserved_resources, tune_scheduler
from alambique.workers.training.trial import Curve, SearchRun, TrialReport, TrialSpec

EPOCHS = 9
LOSSES = {1: 0.5, 2: 0.9, 3: 0.4, 4: 0.6, 5: 0.3, 6: 0.55, 7: 0.2, 8: 0.8}
"""By the number of the trial, its loss after the first epoch; it falls by a tenth with each."""


def search_run(scheduler: Any = "asha", **more: Any) -> SearchRun:
    return SearchRun(
        scheduler=scheduler,
        metric="loss",
        max_epochs=EPOCHS,
        resources=Resources(),
        folder=Path("nowhere"),
        **more,
    )


def curve(number: int, epochs: int) -> Curve:
    return [
        {"epoch": epoch, "loss": LOSSES[number] * 0.9**epoch, "metric": 0.5}
        for epoch in range(1, epochs + 1)
    ]


def trained(scheduler: Any, number: int) -> Curve:
    """What a trial reports until it ends or is stopped."""
    trial = SimpleNamespace(trial_id=f"t{number}", config={"number": number})
    scheduler.on_trial_add(None, trial)
    done: list[Any] = []
    for point in curve(number, EPOCHS):
        done.append(point)
        if scheduler.on_trial_result(None, trial, dict(point)) == "STOP":
            return done
    scheduler.on_trial_complete(None, trial, dict(done[-1]))
    return done


def test_what_is_worse_than_most_is_stopped_at_a_rung() -> None:
    scheduler = tune_scheduler(search_run())
    epochs = {number: len(trained(scheduler, number)) for number in LOSSES}
    assert epochs[1] == epochs[3] == epochs[5] == epochs[7] == EPOCHS
    assert epochs[2] == epochs[8] == 1
    assert set(epochs.values()) <= {1, 3, EPOCHS}


def test_without_a_scheduler_all_go_on() -> None:
    scheduler = tune_scheduler(search_run("none"))
    assert {len(trained(scheduler, number)) for number in (1, 2, 8)} == {EPOCHS}


@pytest.mark.parametrize("scheduler", ["asha", "hyperband"])
@pytest.mark.parametrize("number", [3, 5, 7])
def test_another_attempt_stops_what_an_undisturbed_one_would(scheduler: str, number: int) -> None:
    """Killed before trial `number`, or in it after its first epoch."""
    whole = tune_scheduler(search_run(scheduler))
    curves = {each: trained(whole, each) for each in LOSSES}
    past = {each: found for each, found in curves.items() if each < number}
    fresh = tune_scheduler(search_run(scheduler, ended=past))
    assert [trained(fresh, each) for each in range(number, 9)] == [
        curves[each] for each in range(number, 9)
    ]
    again = tune_scheduler(search_run(scheduler, ended=past, resumed={number: curves[number][:1]}))
    later = [trained(again, each) for each in range(number, 9)]
    assert later == [curves[each] for each in range(number, 9)]


def test_one_that_went_on_at_a_rung_goes_on_in_the_next_attempt() -> None:
    """Though others, which run beside it, have come there since and are better."""
    past = {number: curve(number, EPOCHS) for number in (3, 5, 7)}
    scheduler: Any = tune_scheduler(
        search_run(ended=past, resumed={2: curve(2, 1), 8: curve(8, 2)})
    )
    found = {}
    for number, epoch in ((2, 2), (8, 3)):
        trial = SimpleNamespace(trial_id=f"t{number}", config={"number": number})
        scheduler.on_trial_add(None, trial)
        point = {"epoch": epoch, "loss": 0.01, "metric": 0.5}
        found[number] = scheduler.on_trial_result(None, trial, point)
    assert found == {2: "CONTINUE", 8: "CONTINUE"}


class ReportRecorder:
    """A source that gives no trials, and remembers the reports."""

    is_exhausted = True

    def __init__(self) -> None:
        self.reports: list[TrialReport] = []

    def next_trial(self) -> TrialSpec | None:
        return None

    def record_report(self, number: int, report: TrialReport) -> None:
        self.reports.append(report)

    def record_end(self, number: int, error: BaseException | None) -> None:
        """Nothing."""

    def report_progress(self) -> None:
        """Nothing."""


def test_the_source_hears_that_the_scheduler_has_stopped_a_trial() -> None:
    source, trial = ReportRecorder(), SimpleNamespace(config={"number": 1})
    callback = TuneCallback(source, Event())
    for epoch, done in ((1, False), (2, True)):
        result = TrialReport(epoch, 0.5, 0.25).as_dict() | {"done": done}
        callback.on_trial_result(0, [], trial, result)
    assert source.reports == [TrialReport(1, 0.5, 0.25), TrialReport(2, 0.5, 0.25, stopped=True)]


def test_hyperband_lets_some_go_on_for_longer() -> None:
    halving, several = tune_scheduler(search_run()), tune_scheduler(search_run("hyperband"))
    worst_first = sorted(LOSSES, key=lambda number: LOSSES[number])
    asha, hyperband = (
        sum(len(trained(scheduler, number)) for number in worst_first)
        for scheduler in (halving, several)
    )
    assert asha < hyperband


def test_a_failure_is_no_rung() -> None:
    scheduler: Any = tune_scheduler(search_run())
    trial = SimpleNamespace(trial_id="t", config={"number": 1})
    scheduler.on_trial_add(None, trial)
    failed = TrialReport(0, float("inf"), float("-inf"), error="nan")
    assert scheduler.on_trial_result(None, trial, failed.as_dict()) == "CONTINUE"
    assert len(trained(scheduler, 2)) == EPOCHS


@pytest.mark.parametrize(
    ("resources", "reserved"),
    [
        (Resources(), {"CPU": 1.0}),
        (Resources(cpus=2, gpus=0.5), {"CPU": 2.0, "GPU": 0.5}),
        (Resources(workers=2, cpus=4), {"memory": 1}),
    ],
)
def test_a_trial_reserves_its_resources(resources: Resources, reserved: dict[str, float]) -> None:
    assert reserved_resources(resources).bundles == [reserved]
