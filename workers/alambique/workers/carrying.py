"""Carrying a job through its stages, and telling the registry how that ended."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from alambique.registry import jobs
from alambique.spec.errors import LostLease
from alambique.spec.states import Reason, Stage
from alambique.spec.tries import needs_outputs
from alambique.workers.failures import reason_of, told
from alambique.workers.holding import GIVEN_BACK
from alambique.workers.logs import into_log, trace_of
from alambique.workers.once import once
from alambique.workers.provenance import running_code
from alambique.workers.records import Cached, Checked, Distilled, Evaluated, Taught, Trained
from alambique.workers.running import Part
from alambique.workers.stages import distil as distilling
from alambique.workers.stages import evaluate as evaluating
from alambique.workers.stages.cache import caches
from alambique.workers.stages.check import check
from alambique.workers.stages.register import register
from alambique.workers.stages.teach import teach
from alambique.workers.work import Work

if TYPE_CHECKING:
    from alambique.workers.stages.search import Searched


def stages(work: Work) -> dict[str, Any]:
    """All stages of a job, in their order; gives the table it ends with."""
    running_code()  # hashed now: sources that are edited meanwhile are not those that run here
    checked = check(work)
    taught = teach(work, checked)
    teachers = [one.teacher for one in taught]
    cached = caches(work, checked, teachers) if needs_outputs(work.job) else ()
    searched = _searched(work, checked, taught, cached)
    students = searched.students if searched else _distilled(work, checked, taught, cached)
    trained = [*teachers, *students]
    evaluated = _evaluated(work, checked, trained)
    result = register(work, checked, taught, trained, evaluated, cached)
    return result | (_summary(work, searched, result) if searched else {})


def _distilled(
    work: Work, checked: Checked, taught: Sequence[Taught], cached: Sequence[Cached]
) -> list[Trained]:
    """The student of the job, after the one that it is compared with."""
    return [
        student
        for kind in distilling.kinds(work)
        for student in once(
            work,
            Stage.DISTIL,
            distilling.reads(work, checked, taught, cached, kind),
            Distilled,
            lambda folder, kind=kind: distilling.distil(  # type: ignore[misc]
                work, checked, taught, cached, kind, folder
            ),
        ).students
    ]


def _searched(
    work: Work, checked: Checked, taught: Sequence[Taught], cached: Sequence[Cached]
) -> "Searched | None":
    """What the job's search has found; None where it has none."""
    if work.job.search is None:
        return None
    from alambique.workers.stages.search import search  # Tune and Optuna take seconds to import

    return search(work, checked, taught, cached)


def _summary(work: Work, searched: "Searched", result: dict[str, Any]) -> dict[str, Any]:
    from alambique.workers.search.summary import summary

    notes = [*result["notes"], *searched.notes]
    return {
        "notes": notes,
        "search": summary(work.job, searched, result["rows"], result["primary"]),
    }


def _evaluated(work: Work, checked: Checked, trained: Sequence[Trained]) -> list[Evaluated]:
    """The scores of each network."""
    length, on = evaluating.length_of(work, trained), evaluating.devices()
    return [
        once(
            work,
            Stage.EVALUATE,
            evaluating.reads(work, checked, one, length, on),
            Evaluated,
            lambda _, one=one, number=number: evaluating.evaluate(  # type: ignore[misc]
                work, checked, one, Part(Stage.EVALUATE, one.name, number, len(trained)), length, on
            ),
        )
        for number, one in enumerate(trained)
    ]


def carry(work: Work) -> int:
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


def _stopped(work: Work) -> int:
    """Somebody asked for the job to end, or this process was told to."""
    work.holding.stop()
    _ended(work, lambda session: jobs.release(session, work.id, work.token))
    return 0 if work.holding.asked else GIVEN_BACK


def _failed(work: Work, error: Exception) -> int:
    reason = reason_of(error)
    work.holding.stop()
    if reason in (Reason.INTERNAL, Reason.LOST_WORKER):
        work.log(*trace_of(error))
    _ended(work, lambda session: jobs.fail(session, work.id, work.token, reason, told(error)))
    return 1


def _ended(work: Work, write: Callable[[Session], object]) -> None:
    """Writes how the job ended, after what its log could not hold before."""
    with work.unwritten.drain() as lines:

        def write_both(session: Session) -> None:
            lines.extend(work.unwritten.take())  # said while the database was waited for
            work.write_log(session, lines)
            write(session)

        work.write(write_both)
