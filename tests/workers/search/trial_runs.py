"""A coordinator driven as Tune drives it, and what it has recorded."""

import re
from itertools import count

from alambique.registry import jobs, trials
from alambique.registry.records import Trial
from alambique.spec.states import StageName
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.search.coordinator import TrialCoordinator
from alambique.workers.search.trial_job import SearchJob
from alambique.workers.training.trial import TrialReport, TrialSpec, run_trial

DEPTHS = "space: {student.layers: [1, 2], train.learning_rate: [1.0e-3, 1.0e-2]}"
SMALL = ("train={epochs: 2, batch_size: 16, max_length: 48, stride: 16}", "compare=[]")
EPOCH = re.compile(r"(.*, epoch \d+): loss [\d.]+ \((.*)\), validation [\d.]+, metric [\d.]+")
PART = StagePart(StageName.DISTIL, "student")


def coordinator_of(search_job: SearchJob) -> TrialCoordinator:
    """Each look at its clock takes ten seconds."""
    seconds = count(0.0, 10.0)
    return TrialCoordinator(
        search_job, {one.number: one for one in known(search_job)}, lambda: next(seconds)
    )


def known(search_job: SearchJob) -> tuple[Trial, ...]:
    with search_job.context.database.read() as session:
        return trials.of_job(session, search_job.context.id)


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


def states(search_job: SearchJob) -> dict[int, str]:
    return {trial.number: str(trial.state) for trial in known(search_job)}


def logged(search_job: SearchJob) -> list[str]:
    context = search_job.context
    with context.database.read() as session:
        events = jobs.logs(session, context.id)
    return [line for event in events for line in event.content["lines"]]


def epochs_of(search_job: SearchJob) -> list[tuple[str, tuple[str, ...]]]:
    """Of the log's lines at the end of an epoch, the run's name with it, and its terms."""
    found = [EPOCH.fullmatch(line) for line in logged(search_job)]
    return [(one[1], tuple(re.findall(r"[a-z]+", one[2]))) for one in found if one]


def free(coordinator: TrialCoordinator, number: int) -> None:
    """Release the lease of a trial, as when the next attempt at the job begins."""
    search_job = coordinator.search_job
    job = search_job.trial_job(coordinator.trials[number].values)
    search_job.context.leases.release([job.location.lease])
