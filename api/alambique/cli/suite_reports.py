"""Prints the jobs of a suite, their changes, and the table that compares their models."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from alambique.api.client import Client
from alambique.api.comparison_table import ColumnScore, Comparison
from alambique.api.exports import (
    Form,
    cells,
    chosen_cells,
    chosen_head,
    gains_head,
    gains_rows,
    head,
    remarks,
    table_text,
)
from alambique.api.views import SuiteJob, SuiteView
from alambique.api.zoo_views import Collection
from alambique.cli.tables import Figure, duration, printable, say, share, show, table
from alambique.spec.errors import BadSpec
from alambique.spec.figures import spread
from alambique.spec.states import State
from alambique.spec.suite import Cell

POLL_SECONDS = 2.0
"""Seconds between two polls of a suite."""

ChangeLines = Callable[[SuiteView | None, SuiteView], Iterable[str]]
"""The lines to print for a suite, from its state at the last poll (None: first) and its new one."""


def states(counts: Mapping[State, int]) -> str:
    """Return the number of jobs in each state, as text.

    >>> states({State.RUNNING: 2, State.QUEUED: 3})
    '2 running, 3 queued'
    """
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def cell_name(cell: Cell) -> str:
    """Return the name of a job of a suite for readers.

    >>> cell_name(Cell(task="ner", teacher="teacher", student="small", point={"train.epochs": 3}))
    'ner, small, train.epochs 3'
    """
    teacher = [cell.teacher] if cell.teacher != "teacher" else []
    point = [f"{path} {value}" for path, value in cell.point.items()]
    seed = [f"seed {cell.seed}"] if cell.seed is not None else []
    tuned = [cell.tuned] if cell.tuned else []
    return ", ".join([cell.task, *teacher, cell.student, *tuned, *point, *seed])


def describe(suite: SuiteView) -> None:
    """Print the state of a suite: its running jobs, then its table so far."""
    say(f"{suite.id}  {suite.name}  (project {suite.project}): {states(suite.states)}")
    rows = [
        (
            job.id,
            cell_name(job.cell),
            job.state,
            f"{job.stage} {job.progress or 0:.0%}" if job.stage else job.message,
        )
        for job in suite.jobs
        if not job.state.over and job.state is not State.QUEUED
    ]
    if rows:
        show(table(("job", "of", "state", "at"), rows))
    report(suite)


def report(suite: SuiteView) -> None:
    """Print the table of a suite, the notes on it, and the jobs that did not succeed."""
    assert suite.comparison is not None  # only a request without the table lacks it
    show_comparison(suite.comparison)
    for why, jobs in _unsuccessful_jobs(suite).items():
        say(f"{'; '.join(cell_name(job.cell) for job in jobs)}: {why}")
        say(f"  see alambique jobs logs {jobs[0].id}")


def show_collection(collection: Collection) -> None:
    """Print the teachers and students of a suite, then its table."""
    say(f"{collection.suite}  {collection.name}  (project {collection.project})")
    rows = [
        (
            member.version,
            member.role,
            member.data,
            member.teacher,
            member.student,
            member.metric,
            share(member.score),
            _seeds_text(member.over_seeds),
            "deleted" if member.version in collection.deleted else None,
        )
        for member in collection.members
    ]
    columns = ("version", "role", "data", "teacher", "student", "metric", "%", "seeds %", "")
    show(table(columns, rows))
    show_comparison(collection.comparison)


def _seeds_text(score: ColumnScore | None) -> str | None:
    """Return the mean over seeds with its deviation; `*`: jobs of it are still to be done."""
    if score is None:
        return None
    return f"{spread(score.mean, score.deviation)}{'' if score.complete else ' *'}"


def show_comparison(comparison: Comparison) -> None:
    """Print the table of a suite with the notes on it."""
    if comparison.rows:
        lines = [[*map(Figure, cells(comparison, row))] for row in comparison.rows]
        words = head(comparison).index("layers")
        plain = [[*map(str, line[:words]), *line[words:]] for line in lines]
        show(table([*map(_folded_title, head(comparison))], plain))
    if gained := gains_rows(comparison):
        show(table(gains_head(comparison), gained))
    for remark in remarks(comparison):
        say(remark)
    if comparison.chosen:
        titles = chosen_head(comparison)
        words = titles.index("model") + 1
        chosen = [chosen_cells(comparison, one) for one in comparison.chosen]
        show(table(titles, [[*line[:words], *map(Figure, line[words:])] for line in chosen]))
    if comparison.passes:
        several = len({one.teacher for one in comparison.passes}) > 1
        passes = ", ".join(
            f"{one.task}{f' by {one.teacher}' if several else ''} {one.passes:g}"
            for one in comparison.passes
        )
        say(f"teacher passes over the training examples: {passes}")


def _folded_title(title: str) -> str:
    r"""Return a title broken into lines, so that long names of scores leave columns narrow.

    >>> _folded_title("pos seqeval-f1 / accuracy")
    'pos\nseqeval-f1 /\naccuracy'
    """
    return title.replace(" / ", " /\n").replace(" ", "\n", 1)


def _unsuccessful_jobs(suite: SuiteView) -> dict[str, list[SuiteJob]]:
    """Return the jobs that did not succeed, grouped by how they ended."""
    by_ending: dict[str, list[SuiteJob]] = {}
    for job in suite.jobs:
        if job.state in (State.FAILED, State.CANCELLED):
            by_ending.setdefault(f"{job.state}: {job.message or job.reason}", []).append(job)
    return by_ending


def print_table(suite: SuiteView, form: str) -> None:
    """Print the table alone in a form; to a terminal without control characters.

    Raises:
        BadSpec: there is no such form.
    """
    if form not in [*Form]:
        raise BadSpec(f"--format {form}: expected one of {', '.join(Form)}")
    assert suite.comparison is not None  # only a request without the table lacks it
    text = table_text(suite.comparison, Form(form))
    print(printable(text) if sys.stdout.isatty() else text, end="")


def follow(
    client: Client, suite_id: UUID, lines_of: ChangeLines, *, pause: float = POLL_SECONDS
) -> SuiteView:
    """Print the changes of a suite until it is over, then return it with its table."""
    before: SuiteView | None = None
    while True:
        suite = client.outlast(lambda: client.suite(suite_id, table=False))
        for line in lines_of(before, suite):
            print(line, flush=True)
        if suite.over:
            return client.outlast(lambda: client.suite(suite_id))
        before = suite
        time.sleep(pause)


def text_lines(before: SuiteView | None, now: SuiteView) -> Iterator[str]:
    """Return the lines for people."""
    return change_lines(before, now, at=datetime.now(UTC))


def json_lines(before: SuiteView | None, now: SuiteView) -> Iterator[str]:
    """Return the lines for programs: each job that has changed, as JSON."""
    return (job.model_dump_json() for job in _changed_jobs(before, now))


def no_lines(before: SuiteView | None, now: SuiteView) -> Iterable[str]:
    """Return no lines, for programs that only want the final state."""
    return ()


def change_lines(before: SuiteView | None, now: SuiteView, *, at: datetime) -> Iterator[str]:
    """Yield a line for each job that has changed, with the progress of the suite."""
    for job in _changed_jobs(before, now):
        line = printable(f"{cell_name(job.cell)}: {_state_text(job)}")
        yield f"{at:%H:%M:%S}  {_progress_text(now, at)}  {line}"


def _changed_jobs(before: SuiteView | None, now: SuiteView) -> Iterator[SuiteJob]:
    known = {job.id: (job.state, job.stage) for job in before.jobs} if before else {}
    for job in now.jobs:
        if known.get(job.id, (State.QUEUED, None)) != (job.state, job.stage):
            yield job


def _state_text(job: SuiteJob) -> str:
    if job.state.over and job.message:
        return f"{job.state}: {job.message}"
    return f"{job.state}, {job.stage}" if job.stage and not job.state.over else str(job.state)


def _progress_text(suite: SuiteView, at: datetime) -> str:
    over = sum(job.state.over for job in suite.jobs)
    left = remaining(at - suite.created_at, over, len(suite.jobs))
    ends = f", about {duration(left)} left" if left else ""
    return f"{over} of {len(suite.jobs)}{ends}"


def remaining(passed: timedelta, over: int, jobs: int) -> float | None:
    """Return the seconds that the remaining jobs take if they are as fast as those before.

    >>> remaining(timedelta(minutes=10), 2, 6)
    1200.0
    """
    return passed.total_seconds() / over * (jobs - over) if over else None
