"""The students of a job with a search: many of them, of which the Pareto front is kept."""

import shutil
from collections.abc import Iterator, Sequence
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
from alambique.spec.states import StageName, StudentRole, TrialState
from alambique.tasks.goals import loss_compares
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import error_of, reason_of, user_message
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.pipeline.stage import StagePart, find_done, stage_key
from alambique.workers.search.coordinator import TrialCoordinator, is_unfinished
from alambique.workers.search.summary import SearchOutcome
from alambique.workers.search.trial_job import SearchInputs
from alambique.workers.stages.distil import TrainStudent, student_roles, train_student
from alambique.workers.training.trial import SearchRun


def search(context: JobContext) -> SearchOutcome:
    """Run the search of a job, and return the students on its front.

    Trials that an earlier attempt at the job has ended are not run again.

    Raises:
        AlambiqueError: no trial came to its end; the error of one that may go otherwise, else of
            the first one that failed.
    """
    assert context.job.search is not None
    inputs = SearchInputs(context)
    known = {trial.number: trial for trial in _read_trials(context)}
    coordinator = TrialCoordinator(inputs, known)
    if coordinator.has_work():
        _run_trials(context, coordinator)
    every = _read_trials(context)
    _remove_stopped(inputs, every)
    by_number = {trial.number: trial for trial in every}
    measured = {
        number: trial.metrics
        for number, trial in by_number.items()
        if trial.state is TrialState.FINISHED
    }
    front = front_of(context.job.search.targets, measured)
    if not front:
        raise no_student_error(every)
    results = list(train_front(inputs, [by_number[number] for number in front]))
    students = tuple(result for result in results if isinstance(result, TrainedModel))
    notes = tuple(result for result in results if isinstance(result, str))
    if notes:
        context.log(*(f"warning: {note}" for note in notes))
    return SearchOutcome(every, front, students, notes)


def _read_trials(context: JobContext) -> tuple[Trial, ...]:
    return context.read(lambda session: trials.of_job(session, context.id))


def _run_trials(context: JobContext, coordinator: TrialCoordinator) -> None:
    """Run all trials that are left on a cluster, and remove what Tune has written."""
    run = search_run(context, list(coordinator.trials.values()))
    try:
        with context.connect() as cluster:
            cluster.run_trials(coordinator, run)
    finally:
        for folder in run.folder.parent.glob(f"{context.id}-*"):  # of killed attempts too
            shutil.rmtree(folder, ignore_errors=True)


def search_run(context: JobContext, known: Sequence[Trial]) -> SearchRun:
    """Return how the trials of a job's search are run.

    Args:
        context: the job.
        known: the trials that the registry has.
    """
    job, search = context.job, context.job.search
    assert search is not None
    return SearchRun(
        scheduler=search.scheduler,
        metric=_stopping_metric(job),
        max_epochs=max(variant.train.epochs for variant in [job, *single_value_jobs(job)]),
        resources=job.resources,
        folder=context.settings.home.absolute() / "search" / f"{context.id}-{context.token}",
        ended={trial.number: trial.curve for trial in known if not is_unfinished(trial)},
        resumed={trial.number: trial.curve for trial in known if is_unfinished(trial)},
    )


def _stopping_metric(job: Job) -> Literal["loss", "metric"]:
    """Return what trials are compared by when some are stopped early.

    That is the first goal, or the loss where the first goal is a cost; the score, where the losses
    of trials cannot be compared.
    """
    assert job.search is not None
    first = job.search.targets[0].name
    return "loss" if first in (LOSS, *COSTS) and loss_compares(job) else "metric"


def _remove_stopped(inputs: SearchInputs, every: Sequence[Trial]) -> None:
    """Remove what trials left that were stopped: their checkpoints lead nowhere."""
    for trial in every:
        if trial.state is not TrialState.STOPPED:
            continue
        location = inputs.trial_job(trial.values).location
        with inputs.context.lease_if_free(location.lease) as ours:
            if ours and find_done(inputs.context, location) is None:
                shutil.rmtree(location.folder, ignore_errors=True)


def no_student_error(every: Sequence[Trial]) -> AlambiqueError:
    """Return the error of a search of which no trial came to its end."""
    failed = [(trial.reason, trial) for trial in every if trial.reason is not None]
    if not failed:
        return AlambiqueError("no trial of the search came to its end: raise search.trials")
    # one that may go otherwise has the job tried again, whatever the others have failed of
    reason, trial = next((each for each in failed if is_retryable(each[0])), failed[0])
    return error_of(
        reason,
        f"no trial of the search came to its end, {len(failed)} of {len(every)} failed; "
        f"trial {trial.number}: {trial.error}",
    )


def train_front(inputs: SearchInputs, front: Sequence[Trial]) -> Iterator[TrainedModel | str]:
    """Yield the students of each trial and its baselines, for each seed; or why there is none.

    The trials themselves had the first seed. Trials that differ in their objective alone share
    their baselines.
    """
    failed: dict[str, str] = {}
    for position, trial in enumerate(front):
        first = inputs.trial_job(trial.values).context
        contexts = [first.with_seed(seed) for seed in inputs.job.seeds] or [first]
        for context, role in product(contexts, student_roles(first)):
            seed = f", seed {context.job.train.seed}" if inputs.job.seeds else ""
            name = f"{role} of trial {trial.number}{seed}"
            part = StagePart(StageName.DISTIL, name, position, len(front))
            key = stage_key(context, TrainStudent(role, part))
            # the trial has come to its end with the first seed; another one may diverge
            required = not role.is_baseline and context is contexts[0]
            trained = failed.get(key) or _train_student(context, role, part, required=required)
            if isinstance(trained, str):
                failed[key] = trained
                yield f"trial {trial.number}: {trained}"
            else:
                yield trained.model_copy(update={"trial": trial.number, "values": trial.values})


def _train_student(
    context: JobContext, role: StudentRole, part: StagePart, *, required: bool
) -> TrainedModel | str:
    """Train a student of a trial; return why it could not be trained, if it is not required."""
    try:
        return train_student(context, role, part)
    except Exception as error:
        # what was searched for is kept, whatever becomes of what it is compared with
        if required or is_retryable(reason_of(error)):
            raise
        return f"no {role} student: {user_message(error)}"
