"""Runs a job through its stages, and tells the registry how that ended."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.orm import Session

from alambique.registry import jobs
from alambique.registry.job_result import JobResult
from alambique.spec.combinations import needs_outputs
from alambique.spec.errors import LostLease
from alambique.spec.states import Reason
from alambique.workers.pipeline.context import JobContext, forward_logs, traceback_lines
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.lease_keeper import GIVEN_BACK
from alambique.workers.pipeline.provenance import running_code
from alambique.workers.stages.cache import fill_caches
from alambique.workers.stages.check import check_job
from alambique.workers.stages.distil import train_students
from alambique.workers.stages.evaluate import evaluate_models, measure_speeds
from alambique.workers.stages.register import register_models
from alambique.workers.stages.table import table_lines
from alambique.workers.stages.teach import select_teachers


def run_job(context: JobContext) -> int:
    """Run all stages of a job, tell the registry how that ended, and return the exit code."""
    with forward_logs(context):
        try:
            result = run_stages(context)
            context.leases.stop()
        except (KeyboardInterrupt, SystemExit):  # Ray Train makes the first into the second
            return _release(context)
        except LostLease:
            raise
        except Exception as error:
            # Ray raises kinds of its own when a training is aborted by our interrupt
            return _release(context) if context.leases.asked else _fail(context, error)
    content = result.model_dump(mode="json")
    _write_end(context, lambda session: jobs.finish(session, context.id, context.token, content))
    return 0


def run_stages(context: JobContext) -> JobResult:
    """Run all stages of a job, one after the other, and return what it ends with."""
    running_code()  # hashed now: sources that are edited meanwhile are not those that run here
    context = replace(context, checked=check_job(context))
    context = replace(context, teachers=select_teachers(context))
    if needs_outputs(context.job):
        context = replace(context, outputs=fill_caches(context))
    searched = None
    if context.job.search is None:
        students, missing = train_students(context)
    else:
        from alambique.workers.search.stage import search  # Optuna takes seconds to import

        searched = search(context)
        students, missing = list(searched.students), []
    models = [*(teacher.model for teacher in context.teachers), *students]
    lines = table_lines(models, evaluate_models(context, models))
    speeds = measure_speeds(context, [line.model for line in lines])
    result = register_models(context, lines, speeds)
    notes = (*missing, *result.notes, *(searched.notes if searched else ()))
    summary = searched.summarize(context.job, result) if searched else None
    return result.model_copy(update={"notes": notes, "search": summary})


def _release(context: JobContext) -> int:
    """Put the job down: somebody asked for its end, or this process was told to stop."""
    context.leases.stop()
    _write_end(context, lambda session: jobs.release(session, context.id, context.token))
    return 0 if context.leases.asked else GIVEN_BACK


def _fail(context: JobContext, error: Exception) -> int:
    """Write down that the attempt failed, and why."""
    reason, message = reason_of(error), user_message(error)
    context.leases.stop()
    if reason in (Reason.INTERNAL, Reason.LOST_WORKER):
        context.log(*traceback_lines(error))
    _write_end(
        context,
        lambda session: jobs.fail(session, context.id, context.token, reason, message),
    )
    return 1


def _write_end(context: JobContext, write: Callable[[Session], object]) -> None:
    """Write how the job ended, after what its log could not hold before."""
    with context.unwritten_log.drain() as lines:

        def write_both(session: Session) -> None:
            lines.extend(context.unwritten_log.take())  # logged while the database was waited for
            context.write_log(session, lines)
            write(session)

        context.write(write_both)
