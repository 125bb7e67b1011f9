"""Stage 3 where the job has a search: many students, of which the Pareto front is kept."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from alambique.distill.front import front_of
from alambique.registry import trials
from alambique.registry.records import Trial
from alambique.registry.transitions import may_pass
from alambique.spec.errors import AlambiqueError
from alambique.spec.job import Job
from alambique.spec.search import COSTS, LOSS
from alambique.spec.space import alone
from alambique.spec.states import StageName, TrialState
from alambique.tasks.goals import loss_compares
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import error_of, reason_of, user_message
from alambique.workers.pipeline.records import (
    CachedOutputs,
    JobInputs,
    SelectedTeacher,
    TrainedModel,
)
from alambique.workers.pipeline.stage import find_done, key_of
from alambique.workers.pipeline.training_runs import StagePart
from alambique.workers.search.coordinator import TrialCoordinator
from alambique.workers.search.earlier import unfinished
from alambique.workers.search.tuning import SearchRun
from alambique.workers.search.variants import Shared, Variant
from alambique.workers.stages import distil as distilling


@dataclass(frozen=True)
class Searched:
    """What a search has found."""

    trials: tuple[Trial, ...]
    front: tuple[int, ...]
    """The numbers of the trials on the front; the best by the first goal is the last."""
    students: tuple[TrainedModel, ...]
    """Of each of them, in that order, what stands beside its student, and its student."""
    notes: tuple[str, ...] = ()
    """What could not be trained to stand beside."""


def search(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
) -> Searched:
    """The students on the front of a job's search.

    Trials that an earlier attempt at the job has ended are not run again.

    Raises:
        AlambiqueError: no trial came to its end; the error of one that may go otherwise, else of
            the first one that failed.
    """
    assert work.job.search is not None
    shared = Shared(work, checked, taught, cached)
    bench = TrialCoordinator(shared, {trial.number: trial for trial in _known(work)})
    if bench.waiting():
        _tuned(work, bench)
    found = _known(work)
    _tidy(shared, found)
    measured = {one.number: one.metrics for one in found if one.state is TrialState.FINISHED}
    front = front_of(work.job.search.targets, measured)
    if not front:
        raise _nothing(found)
    by_number = {one.number: one for one in found}
    trained = list(_students(shared, [by_number[number] for number in front]))
    students = tuple(one for one in trained if isinstance(one, TrainedModel))
    notes = tuple(one for one in trained if isinstance(one, str))
    if notes:
        work.log(*(f"warning: {note}" for note in notes))
    return Searched(found, front, students, notes)


def _known(work: JobContext) -> tuple[Trial, ...]:
    return work.read(lambda session: trials.of_job(session, work.id))


def _tuned(work: JobContext, bench: TrialCoordinator) -> None:
    tuning = _tuning(work, list(bench.trials.values()))
    try:
        with work.cluster() as cluster:
            cluster.search(bench, tuning)
    finally:
        for folder in tuning.folder.parent.glob(f"{work.id}-*"):  # of killed attempts too
            shutil.rmtree(folder, ignore_errors=True)


def _tuning(work: JobContext, found: Sequence[Trial]) -> SearchRun:
    job, search = work.job, work.job.search
    assert search is not None
    return SearchRun(
        scheduler=search.scheduler,
        metric=_compared(job),
        longest=max(variant.train.epochs for variant in [job, *alone(job)]),
        resources=job.resources,
        folder=work.settings.home.absolute() / "search" / f"{work.id}-{work.token}",
        past={one.number: one.curve for one in found if not unfinished(one)},
        resumed={one.number: one.curve for one in found if unfinished(one)},
    )


def _compared(job: Job) -> Literal["loss", "metric"]:
    """By what a trial is stopped early: the first goal, unless that is no matter of learning."""
    assert job.search is not None
    first = job.search.targets[0].name
    return "loss" if first in (LOSS, *COSTS) and loss_compares(job) else "metric"


def _tidy(shared: Shared, found: Sequence[Trial]) -> None:
    """Removes what trials left that were stopped: their checkpoints lead nowhere."""
    for trial in found:
        if trial.state is not TrialState.STOPPED:
            continue
        variant = shared.variant(trial.values)
        with shared.work.alone_if_free(variant.place.name) as mine:
            if mine and find_done(shared.work, variant.place) is None:
                shutil.rmtree(variant.place.folder, ignore_errors=True)


def _nothing(found: Sequence[Trial]) -> AlambiqueError:
    """Why there is no student."""
    failed = [(one.reason, one) for one in found if one.reason is not None]
    if not failed:
        return AlambiqueError("no trial of the search came to its end: raise search.trials")
    # one that may go otherwise has the job tried again, whatever the others have failed of
    reason, one = next((each for each in failed if may_pass(each[0])), failed[0])
    return error_of(
        reason,
        f"no trial of the search came to its end, {len(failed)} of {len(found)} failed; "
        f"trial {one.number}: {one.error}",
    )


def _students(shared: Shared, front: Sequence[Trial]) -> Iterator[TrainedModel | str]:
    """The students of each trial and its baselines, for each seed; or why there is none of those.

    The trials themselves had the first seed. Trials that differ in their objective alone share
    their baselines.
    """
    failed: dict[str, str] = {}
    for position, trial in enumerate(front):
        first = shared.variant(trial.values)
        variants = [first.with_seed(seed) for seed in shared.job.seeds] or [first]
        for variant, kind in product(variants, distilling.kinds(first.work)):
            seed = f", seed {variant.work.job.train.seed}" if shared.job.seeds else ""
            name = f"{kind} of trial {trial.number}{seed}"
            key = key_of(StageName.DISTIL, variant.reads(kind))
            part = StagePart(StageName.DISTIL, name, position, len(front))
            # the trial has come to its end with the first seed; another one may diverge
            needed = kind == "distilled" and variant is variants[0]
            found = failed.get(key) or _student(variant, kind, part, needed=needed)
            if isinstance(found, str):
                failed[key] = found
                yield f"trial {trial.number}: {found}"
            else:
                yield found.model_copy(update={"trial": trial.number, "values": trial.values})


def _student(
    variant: Variant, kind: distilling.Kind, part: StagePart, *, needed: bool
) -> TrainedModel | str:
    """A student of a trial; of one that is not needed in words why it could not be trained."""
    work, checked, taught, cached = variant.work, variant.checked, variant.taught, variant.cached
    try:
        return distilling.train_student(work, checked, taught, cached, kind, part)
    except Exception as error:
        # what was searched for is kept, whatever becomes of what it is compared with
        if needed or may_pass(reason_of(error)):
            raise
        return f"no {kind} student: {user_message(error)}"
