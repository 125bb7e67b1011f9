"""What is printed of a suite: how its jobs stand, and the table that they end with."""

import sys
from collections.abc import Mapping

from alambique.api.comparison_table import Comparison, Passes
from alambique.api.exports import (
    Form,
    cells,
    chosen_cells,
    chosen_head,
    table_text,
    gains_head,
    gains_rows,
    head,
    remarks,
)
from alambique.api.suite_views import SuiteJob, SuiteView
from alambique.cli.tables import Figure, printable, say, show, table
from alambique.spec.errors import BadSpec
from alambique.spec.states import State
from alambique.spec.suite import Cell


def states(counts: Mapping[State, int]) -> str:
    """How many jobs are in which state.

    >>> states({State.RUNNING: 2, State.QUEUED: 3})
    '2 running, 3 queued'
    """
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def place(cell: Cell) -> str:
    """Which job of a suite it is, in words.

    >>> place(Cell(task="ner", teacher="teacher", student="small", point={"train.epochs": 3}))
    'ner, small, train.epochs 3'
    """
    teacher = [cell.teacher] if cell.teacher != "teacher" else []
    point = [f"{path} {value}" for path, value in cell.point.items()]
    seed = [f"seed {cell.seed}"] if cell.seed is not None else []
    tuned = [cell.tuned] if cell.tuned else []
    return ", ".join([cell.task, *teacher, cell.student, *tuned, *point, *seed])


def describe(suite: SuiteView) -> None:
    """Print where a suite stands: the jobs that are not over yet, and what is known."""
    say(f"{suite.id}  {suite.name}  (project {suite.project}): {states(suite.states)}")
    going = [job for job in suite.jobs if not job.state.over and job.state is not State.QUEUED]
    rows = [(job.id, place(job.cell), job.state, _at(job)) for job in going]
    if rows:
        show(table(("job", "of", "state", "at"), rows))
    report(suite)


def report(suite: SuiteView) -> None:
    """Print the table of a suite, what to note of it, and which jobs did not succeed."""
    comparison = suite.comparison
    assert comparison is not None  # it was asked for
    if comparison.rows:
        lines = [[*map(Figure, cells(comparison, row))] for row in comparison.rows]
        words = head(comparison).index("layers")
        plain = [[*map(str, line[:words]), *line[words:]] for line in lines]
        show(table([*map(_folded, head(comparison))], plain))
    if gained := gains_rows(comparison):
        show(table(gains_head(comparison), gained))
    for remark in remarks(comparison):
        say(remark)
    if comparison.chosen:
        chosen = [chosen_cells(comparison, one) for one in comparison.chosen]
        show(table(chosen_head(comparison), [_aligned(comparison, line) for line in chosen]))
    if comparison.passes:
        passes = ", ".join(f"{_read(one, comparison)} {one.passes:g}" for one in comparison.passes)
        say(f"teacher passes over the training examples: {passes}")
    for why, jobs in _ended_badly(suite).items():
        say(f"{'; '.join(place(job.cell) for job in jobs)}: {why}")
        say(f"  see alambique jobs logs {jobs[0].id}")


def _folded(title: str) -> str:
    r"""A title on lines of its own: a data set has a narrow column, whatever its scores are called.

    >>> _folded("pos seqeval-f1 / accuracy")
    'pos\nseqeval-f1 /\naccuracy'
    """
    return title.replace(" / ", " /\n").replace(" ", "\n", 1)


def _aligned(comparison: Comparison, line: list[str]) -> list[str | Figure]:
    """The line of a teacher that was chosen, its figures to the right."""
    words = chosen_head(comparison).index("model") + 1
    return [*line[:words], *map(Figure, line[words:])]


def _ended_badly(suite: SuiteView) -> dict[str, list[SuiteJob]]:
    """The jobs that did not succeed, by how they ended: several may have one teacher to blame."""
    found: dict[str, list[SuiteJob]] = {}
    for job in suite.jobs:
        if job.state in (State.FAILED, State.CANCELLED):
            found.setdefault(f"{job.state}: {job.message or job.reason}", []).append(job)
    return found


def print_table(suite: SuiteView, form: str) -> None:
    """Print the table alone, as it is; to a terminal as that may show it.

    Raises:
        BadSpec: it is not written in that form.
    """
    if form not in [*Form]:
        raise BadSpec(f"--format {form}: expected one of {', '.join(Form)}")
    assert suite.comparison is not None  # it was asked for
    text = table_text(suite.comparison, Form(form))
    print(printable(text) if sys.stdout.isatty() else text, end="")


def _read(one: Passes, comparison: Comparison) -> str:
    several = len({other.teacher for other in comparison.passes}) > 1
    return f"{one.task} by {one.teacher}" if several else one.task


def _at(job: SuiteJob) -> str | None:
    return f"{job.stage} {job.progress or 0:.0%}" if job.stage else job.message
