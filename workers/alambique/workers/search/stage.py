"""The search of a job: runs its trials, then trains the students of their Pareto front."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from alambique.distill.front import front_of
from alambique.registry import trials
from alambique.registry.records import Trial
from alambique.registry.transitions import is_retryable
from alambique.spec.errors import AlambiqueError
from alambique.spec.job import Job
from alambique.spec.search import COSTS, LOSS
from alambique.spec.space import single_value_jobs
from alambique.spec.states import StageName, TrialState
from alambique.tasks.goals import loss_compares
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import error_of, reason_of, user_message
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.pipeline.stage import StagePart, find_done, stage_key
from alambique.workers.search.coordinator import TrialCoordinator, is_unfinished
from alambique.workers.search.summary import SearchOutcome
from alambique.workers.search.trial_job import SearchJob
from alambique.workers.stages.distil import TrainStudent, student_roles, train_student
from alambique.workers.training.trial import SearchRun


def run_search(context: JobContext) -> SearchOutcome:
    """Run the search of a job, and return the students of its Pareto front.

    Trials that an earlier attempt at the job has ended are not run again.

    Raises:
        AlambiqueError: no trial finished; it is a retryable error of a trial if there is one, else
            that of the first trial that failed.
    """
    assert context.job.search is not None
    search_job = SearchJob(context)
    recorded = {trial.number: trial for trial in _read_trials(context)}
    coordinator = TrialCoordinator(search_job, recorded)
    coordinator.prefetch_trial()
    if not coordinator.is_exhausted:
        _run_trials(context, coordinator)
    all_trials = _read_trials(context)
    _remove_stopped(search_job, all_trials)
    by_number = {trial.number: trial for trial in all_trials}
    metrics = {
        number: trial.metrics
        for number, trial in by_number.items()
        if trial.state is TrialState.FINISHED
    }
    front = front_of(context.job.search.targets, metrics)
    if not front:
        raise no_student_error(all_trials)
    training = FrontTraining(search_job, len(front))
    for number in front:
        training.train_students(by_number[number])
    if training.notes:
        context.log(*(f"warning: {note}" for note in training.notes))
    return SearchOutcome(all_trials, front, tuple(training.students), tuple(training.notes))


def _read_trials(context: JobContext) -> tuple[Trial, ...]:
    return context.read(lambda session: trials.of_job(session, context.id))


def _run_trials(context: JobContext, coordinator: TrialCoordinator) -> None:
    """Run the remaining trials on a cluster, and remove the files that Tune has written."""
    run = search_run(context, list(coordinator.trials.values()))
    try:
        with context.connect() as cluster:
            cluster.run_trials(coordinator, run)
    finally:
        for folder in run.folder.parent.glob(f"{context.id}-*"):  # of killed attempts too
            shutil.rmtree(folder, ignore_errors=True)


def search_run(context: JobContext, recorded: Sequence[Trial]) -> SearchRun:
    """Return the settings that the trials of a job's search are run with.

    Args:
        context: the job.
        recorded: the trials that the registry has.
    """
    job, search = context.job, context.job.search
    assert search is not None
    return SearchRun(
        scheduler=search.scheduler,
        metric=_stopping_metric(job),
        max_epochs=max(variant.train.epochs for variant in [job, *single_value_jobs(job)]),
        resources=job.resources,
        folder=context.settings.home.absolute() / "search" / f"{context.id}-{context.token}",
        ended={trial.number: trial.curve for trial in recorded if not is_unfinished(trial)},
        resumed={trial.number: trial.curve for trial in recorded if is_unfinished(trial)},
    )


def _stopping_metric(job: Job) -> Literal["loss", "metric"]:
    """Return the field of reports by which the scheduler compares trials.

    It stands for the first goal, or for the loss if that goal is a cost. If the losses of trials
    cannot be compared, as with different objectives, it is the task's metric all the same.
    """
    assert job.search is not None
    first = job.search.targets[0].name
    return "loss" if first in (LOSS, *COSTS) and loss_compares(job) else "metric"


def _remove_stopped(search_job: SearchJob, all_trials: Sequence[Trial]) -> None:
    """Remove the folders of trials that were stopped: nobody resumes their checkpoints."""
    for trial in all_trials:
        if trial.state is not TrialState.STOPPED:
            continue
        location = search_job.trial_job(trial.values).location
        with search_job.context.lease_if_free(location.lease) as is_ours:
            if is_ours and find_done(search_job.context, location) is None:
                shutil.rmtree(location.folder, ignore_errors=True)


def no_student_error(all_trials: Sequence[Trial]) -> AlambiqueError:
    """Return the error of a search of which no trial finished."""
    failed = [(trial.reason, trial) for trial in all_trials if trial.reason is not None]
    if not failed:
        return AlambiqueError("no trial of the search came to its end: raise search.trials")
    # a retryable reason, if there is one, has the job attempted again
    reason, trial = next((each for each in failed if is_retryable(each[0])), failed[0])
    return error_of(
        reason,
        f"no trial of the search came to its end, {len(failed)} of {len(all_trials)} failed; "
        f"trial {trial.number}: {trial.error}",
    )


@dataclass
class FrontTraining:
    """Trains the students of the trials on a front, with their baselines, for each seed.

    The trials have trained their students under the first seed already. Trials that differ in
    their objective alone share their baselines.
    """

    search_job: SearchJob
    size: int
    """The number of trials on the front."""
    students: list[TrainedModel] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Why students could not be trained."""
    _failures: dict[str, str] = field(default_factory=dict)
    """Why a student could not be trained, by its stage key: none is tried twice."""
    _begun: int = 0
    """The number of trials that were begun, for the progress."""

    def train_students(self, trial: Trial) -> None:
        """Train the students and baselines of a trial, or note why they could not be trained.

        Raises:
            Exception: the trial's own student could not be trained, or the error is retryable.
        """
        index, self._begun = self._begun, self._begun + 1
        first = self.search_job.trial_job(trial.values).context
        seeds = self.search_job.job.seeds
        contexts = [first.with_seed(seed) for seed in seeds] or [first]
        for context, role in product(contexts, student_roles(first)):
            seed = f", seed {context.job.train.seed}" if seeds else ""
            name = f"{role} of trial {trial.number}{seed}"
            part = StagePart(StageName.DISTIL, name, index, self.size)
            key = stage_key(context, TrainStudent(role, part))
            if key not in self._failures:
                try:
                    student = train_student(context, role, part)
                except Exception as error:
                    # the trial has finished with the first seed; with another one it may diverge
                    is_own = not role.is_baseline and context is contexts[0]
                    if is_own or is_retryable(reason_of(error)):
                        raise
                    self._failures[key] = f"no {role} student: {user_message(error)}"
                else:
                    origin = {"trial": trial.number, "values": trial.values}
                    self.students.append(student.model_copy(update=origin))
            if key in self._failures:
                self.notes.append(f"trial {trial.number}: {self._failures[key]}")
