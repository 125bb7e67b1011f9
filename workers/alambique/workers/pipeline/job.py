"""Carrying a job through its stages, and telling the registry how that ended."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from alambique.registry import jobs
from alambique.spec.errors import LostLease
from alambique.spec.states import Reason, StageName
from alambique.spec.tries import needs_outputs
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.job_log import into_log, trace_of
from alambique.workers.pipeline.provenance import running_code
from alambique.workers.pipeline.records import (
    CachedOutputs,
    Evaluation,
    JobInputs,
    SelectedTeacher,
    SpeedResult,
    TrainedModel,
)
from alambique.workers.pipeline.stage import run_stage
from alambique.workers.pipeline.training_runs import StagePart
from alambique.workers.queue.lease_keeper import GIVEN_BACK
from alambique.workers.stages import evaluate as evaluating
from alambique.workers.stages import speed as racing
from alambique.workers.stages.cache import caches
from alambique.workers.stages.check import check_job
from alambique.workers.stages.distil import train_students
from alambique.workers.stages.register import register_models
from alambique.workers.stages.table import table_lines
from alambique.workers.stages.teach import select_teachers

if TYPE_CHECKING:
    from alambique.workers.stages.search import Searched


def stages(work: JobContext) -> dict[str, Any]:
    """All stages of a job, in their order; gives the table it ends with."""
    running_code()  # hashed now: sources that are edited meanwhile are not those that run here
    checked = check_job(work)
    taught = select_teachers(work, checked)
    teachers = [one.teacher for one in taught]
    cached = caches(work, checked, teachers) if needs_outputs(work.job) else ()
    searched = _searched(work, checked, taught, cached)
    students, missing = (
        (list(searched.students), []) if searched else train_students(work, checked, taught, cached)
    )
    trained = [*teachers, *students]
    lines = table_lines(trained, _evaluated(work, checked, trained))
    raced = _raced(work, checked, [line.network for line in lines])
    result = register_models(work, checked, taught, lines, raced, cached)
    result["notes"] = [*missing, *result["notes"]]
    return result | (_summary(work, searched, result) if searched else {})


def _searched(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    cached: Sequence[CachedOutputs],
) -> "Searched | None":
    """What the job's search has found; None where it has none."""
    if work.job.search is None:
        return None
    from alambique.workers.stages.search import search  # Tune and Optuna take seconds to import

    return search(work, checked, taught, cached)


def _summary(work: JobContext, searched: "Searched", result: dict[str, Any]) -> dict[str, Any]:
    from alambique.workers.search.summary import summary

    notes = [*result["notes"], *searched.notes]
    return {
        "notes": notes,
        "search": summary(work.job, searched, result["rows"], result["primary"]),
    }


def _evaluated(
    work: JobContext, checked: JobInputs, trained: Sequence[TrainedModel]
) -> list[Evaluation]:
    """The scores of each network."""
    length = evaluating.length_of(work, trained)
    parts = [
        StagePart(StageName.EVALUATE, one.role, number, len(trained) + 1)
        for number, one in enumerate(trained)
    ]
    return [
        run_stage(
            work,
            StageName.EVALUATE,
            evaluating.key_inputs(work, checked, one, length),
            Evaluation,
            partial(evaluating.evaluate, work, checked, one, part, length),
        )
        for one, part in zip(trained, parts, strict=True)
    ]


def _raced(work: JobContext, checked: JobInputs, networks: Sequence[TrainedModel]) -> SpeedResult:
    """The speeds of the networks of the job's table."""
    length, on = evaluating.length_of(work, networks), racing.devices()
    part = StagePart(StageName.EVALUATE, "speeds", len(networks), len(networks) + 1)
    return run_stage(
        work,
        StageName.EVALUATE,
        racing.key_inputs(work, checked, networks, length, on),
        SpeedResult,
        lambda _: racing.measure_speeds(work, checked, networks, part, length, on),
    )


def carry(work: JobContext) -> int:
    """All stages, and what the registry is told at the end; gives the exit code."""
    with into_log(work):
        try:
            result = stages(work)
            work.holding.stop()
        except (KeyboardInterrupt, SystemExit):  # Ray Train makes the first into the second
            return _stopped(work)
        except LostLease:
            raise
        except Exception as error:
            # Ray raises kinds of its own when a training is aborted by our interrupt
            return _stopped(work) if work.holding.asked else _failed(work, error)
    _ended(work, lambda session: jobs.finish(session, work.id, work.token, result))
    return 0


def _stopped(work: JobContext) -> int:
    """Somebody asked for the job to end, or this process was told to."""
    work.holding.stop()
    _ended(work, lambda session: jobs.release(session, work.id, work.token))
    return 0 if work.holding.asked else GIVEN_BACK


def _failed(work: JobContext, error: Exception) -> int:
    reason = reason_of(error)
    work.holding.stop()
    if reason in (Reason.INTERNAL, Reason.LOST_WORKER):
        work.log(*trace_of(error))
    _ended(
        work, lambda session: jobs.fail(session, work.id, work.token, reason, user_message(error))
    )
    return 1


def _ended(work: JobContext, write: Callable[[Session], object]) -> None:
    """Writes how the job ended, after what its log could not hold before."""
    with work.unwritten.drain() as lines:

        def write_both(session: Session) -> None:
            lines.extend(work.unwritten.take())  # said while the database was waited for
            work.write_log(session, lines)
            write(session)

        work.write(write_both)
