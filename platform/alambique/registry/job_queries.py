"""How jobs stand: one, a page of them, who is next, what happened. Nothing here changes a row."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Text, case, cast, func, or_, select, tuple_
from sqlalchemy.orm import Session

from alambique.registry import tables
from alambique.registry.dialects import now
from alambique.registry.moves import job_row, unknown_job
from alambique.registry.pages import newest_first, page_of, starts_with
from alambique.registry.records import Event, JobRow, Page, Waiting
from alambique.registry.transitions import WAITING
from alambique.spec.errors import BadSpec
from alambique.spec.reading import job_of
from alambique.spec.states import State
from alambique.spec.train import Resources

IN_TURN = (tables.Job.priority.desc(), tables.Job.created_at, tables.Job.id)
"""Who is taken first: the highest priority, then the oldest."""

_LAST = 2**63 - 1
"""No id is above it, and SQLite takes no number that is."""

PAGE = 4 << 20
"""Characters of the specs and results of a page's jobs, as they are stored: it ends with the job by
which it comes to these. A job may have a million, and a slow reader keeps a page in memory."""
_STORED = func.length(cast(tables.Job.spec, Text)) + func.coalesce(
    func.length(cast(tables.Job.result, Text)), 0
)
"""Characters that are large of a job, where it is."""


def is_ready(at: datetime) -> ColumnElement[bool]:
    """Return whether a job may be taken at that time."""
    due = or_(tables.Job.not_before.is_(None), tables.Job.not_before <= at)
    return tables.Job.state.in_(WAITING) & due


def find(session: Session, job_id: UUID) -> JobRow:
    """Return the job of that id.

    Raises:
        UnknownName: there is none.
    """
    job = session.get(tables.Job, job_id)
    if job is None:
        raise unknown_job(job_id)
    return job_row(job)


def page(
    session: Session,
    *,
    project: str | None = None,
    state: State | None = None,
    task: str | None = None,
    name: str | None = None,
    id_prefix: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[JobRow]:
    """Return the jobs that are as asked for, newest first; of large ones fewer than `limit`.

    Raises:
        BadSpec: the cursor is not one that a page gave, or no id begins with such a prefix.
    """
    job = tables.Job
    asked = ((job.project, project), (job.state, state), (job.task, task), (job.name, name))
    query = select(job).where(*(column == value for column, value in asked if value is not None))
    if id_prefix is not None:
        query = query.where(starts_with(job.id, id_prefix))
    return page_of(
        session,
        query,
        newest_first(job.id),
        cursor,
        limit,
        lambda rows: [job_row(row) for row in rows],
        size=_STORED,
        most=PAGE,
    )


def candidates(session: Session, limit: int = 20) -> tuple[JobRow, ...]:
    """Return the jobs that may be taken now, the next one first, without taking any."""
    query = select(tables.Job).where(is_ready(now(session))).order_by(*IN_TURN).limit(limit)
    return tuple(job_row(job) for job in session.scalars(query))


def waiting(session: Session, job_id: UUID) -> Waiting:
    """Return how many jobs are taken before this one, and why it is not running.

    Raises:
        UnknownName: there is no such job.
    """
    job, at = find(session, job_id), now(session)
    if job.state is State.PAUSED:
        return Waiting(0, "it is paused until somebody resumes it")
    if job.state not in WAITING:
        return Waiting(0, f"it does not wait: it is {job.state}")
    ahead = _count(session, is_ready(at) & _comes_before(job))
    return _describe_wait(job, at, ahead, _count(session, tables.Job.state == State.RUNNING))


def waiting_of(session: Session, rows: Iterable[JobRow]) -> dict[UUID, Waiting]:
    """Return what `waiting` says of those rows that wait to be taken, by their ids.

    However many they are, it takes one look at the clock and one query for all of them.
    """
    queued = {row.id: row for row in rows if row.state in WAITING}
    if not queued:
        return {}
    job, at = tables.Job, now(session)
    # one that is tried again later waits too, and is ahead of nobody until then
    in_turn = func.sum(case((is_ready(at), 1), else_=0)).over(order_by=IN_TURN, rows=(None, -1))
    queue = select(job.id, in_turn.label("ahead")).where(job.state.in_(WAITING)).subquery()
    running = select(func.count()).where(job.state == State.RUNNING).scalar_subquery()
    query = select(queue.c.id, func.coalesce(queue.c.ahead, 0), running)
    counted = session.execute(query.where(queue.c.id.in_(queued)))
    return {key: _describe_wait(queued[key], at, ahead, others) for key, ahead, others in counted}


def events(session: Session, job_id: UUID, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
    """Return events of a job, oldest first: at most `limit` with an id above `after`."""
    return _events(
        session, limit, tables.Event.job_id == job_id, tables.Event.id > min(after, _LAST)
    )


def newest_events(session: Session, job_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return the id of the newest event of each of these jobs that is there.

    Ids of one job's events are in the order of commits, those of several jobs are not: of what is
    not seen yet, only the ids of each job by itself tell.
    """
    mine = select(tables.Event.id).where(tables.Event.job_id == tables.Job.id)
    # not max(id) by groups, which would read all events of all the jobs
    newest = mine.order_by(tables.Event.id.desc()).limit(1).scalar_subquery()
    query = select(tables.Job.id, newest).where(tables.Job.id.in_(tuple(job_ids)))
    return {job_id: event_id or 0 for job_id, event_id in session.execute(query)}


def logs(session: Session, job_id: UUID, after: int = 0, limit: int = 1000) -> tuple[Event, ...]:
    """Return events of kind "log" of a job, as `events`; their content is `{"lines": [...]}`."""
    mine = (tables.Event.job_id == job_id, tables.Event.kind == "log")
    return _events(session, limit, *mine, tables.Event.id > min(after, _LAST))


def notes(session: Session, job_id: UUID, kind: str) -> tuple[Event, ...]:
    """Return all events of a job of one kind, oldest first."""
    return _events(session, None, tables.Event.job_id == job_id, tables.Event.kind == kind)


def _events(session: Session, limit: int | None, *which: ColumnElement[bool]) -> tuple[Event, ...]:
    query = select(tables.Event).where(*which).order_by(tables.Event.id).limit(limit)
    return tuple(
        Event(event.id, event.job_id, event.at, event.kind, event.content)
        for event in session.scalars(query)
    )


def _comes_before(job: JobRow) -> ColumnElement[bool]:
    """Return whether another job comes before this one in `IN_TURN`."""
    age = tuple_(tables.Job.created_at, tables.Job.id) < (job.created_at, job.id)
    same = tables.Job.priority == job.priority
    return (tables.Job.priority > job.priority) | (same & age)


def _describe_wait(job: JobRow, at: datetime, ahead: int, running: int) -> Waiting:
    """Return how a job waits at a time, with so many jobs ahead of it and so many running."""
    if job.not_before is not None and job.not_before > at:
        return Waiting(ahead, f"{job.reason}: it is tried again at {job.not_before:%H:%M:%S} UTC")
    if ahead > 0:
        return Waiting(ahead, f"{ahead} {'job is' if ahead == 1 else 'jobs are'} ahead of it")
    return Waiting(0, _next_text(job, running=running))


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return session.execute(select(func.count()).select_from(tables.Job).where(which)).scalar_one()


def _next_text(job: JobRow, *, running: int) -> str:
    try:
        spec = job_of(job.spec)
        # of a search those of the trials that run at once
        workers = spec.resources.workers * (spec.search.concurrent if spec.search else 1)
        room = _workers_text(workers, spec.resources)
    except BadSpec:  # of a program of another version
        room = "it"
    if running == 0:
        return f"it is next: a dispatcher (`alambique worker`) with room for {room} takes it"
    return f"it is next: it starts when there is room for {room}; now running: {running}"


def _workers_text(number: int, each: Resources) -> str:
    """Return a number of workers and what each takes, in words.

    >>> _workers_text(1, Resources()), _workers_text(2, Resources(gpus=0.5))
    ('1 worker of 1 CPU', '2 workers of 1 CPU and 0.5 GPUs')
    """
    gpus = f" and {_counted(each.gpus, 'GPU')}" if each.gpus else ""
    return f"{_counted(number, 'worker')} of {_counted(each.cpus, 'CPU')}{gpus}"


def _counted(number: float, thing: str) -> str:
    return f"{number:g} {thing}{'' if number == 1 else 's'}"
