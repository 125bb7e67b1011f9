"""The front of a search as a picture: `python benchmarks/front.py JOB [JOB …] > front.svg`.

Draws the first metric of every trial on the validation examples over its MACs, the front as a line,
and the baselines of all the jobs that are named beside it.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

from alambique.distill.front import front_of
from alambique.registry import jobs, trials
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Trial
from alambique.spec.reading import job_of
from alambique.spec.search import Goal
from alambique.spec.settings import Settings
from alambique.spec.states import TrialState

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 60, 20, 20, 90
COLOURS = ("#0969da", "#bf8700", "#8250df", "#1a7f37", "#cf222e", "#6e7781")
GREY = "#6e7781"
BASELINES = ("gold-only", "same-start")
APART = 8
"""Pixels between the values of the second dimension, which would lie on one another."""


@dataclass(frozen=True)
class Scale:
    """From MACs and percent to pixels."""

    macs: float
    low: float
    high: float

    def x(self, macs: float) -> float:
        """Of so many MACs, from 0."""
        return LEFT + macs / self.macs * (WIDTH - LEFT - RIGHT)

    def y(self, percent: float) -> float:
        """Of that score."""
        part = (percent - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def main() -> None:
    """Prints the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=UUID, nargs="+", metavar="JOB")
    said = parser.parse_args()
    database = Database(Settings().database)
    with database.read() as session:
        rows = [jobs.find(session, job) for job in said.jobs]
        tried = trials.of_job(session, said.jobs[0])
    finished = [one for one in tried if one.state is TrialState.FINISHED]
    print("\n".join(picture(rows, finished)))


def picture(rows: Sequence[JobRow], finished: Sequence[Trial]) -> Iterator[str]:
    """The lines of an SVG."""
    primary = _primary(rows[0])
    baselines = {name: [*_students(rows, name)] for name in BASELINES}
    teacher = next(iter(_students(rows[:1], "teacher")))
    points = [(one.metrics["macs"], 100 * one.metrics[primary]) for one in finished]
    every = [score for _, score in (*points, *chain(*baselines.values()), teacher)]
    scale = Scale(max(macs for macs, _ in points) * 1.12, min(every) // 1, max(every) // 1 + 1)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    yield 'font-family="sans-serif" font-size="12">'
    yield from _axes(scale, primary)
    yield from _level(scale, teacher[1])
    yield from _front(scale, rows[0], finished, primary)
    yield from _trials(scale, rows[0], finished, primary)
    for name, students in baselines.items():
        for macs, score in students:
            yield _mark(name, scale.x(macs), scale.y(score))
    yield "</svg>"


def _primary(row: JobRow) -> str:
    assert row.result is not None, f"the job is {row.state}"
    return str(row.result["primary"])


def _students(rows: Sequence[JobRow], name: str) -> Iterator[tuple[float, float]]:
    """MACs and percent on the validation examples of the networks of that name."""
    for row in rows:
        assert row.result is not None, f"the job is {row.state}"
        for line in row.result["rows"]:
            if line["name"] == name:
                yield line["macs"]["full"], 100 * line["validation"]["metric"]


def _axes(scale: Scale, primary: str) -> Iterator[str]:
    for percent in range(int(scale.low), int(scale.high) + 1):
        y = scale.y(percent)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GREY}" stroke-opacity=".2"/>'
        yield _text(LEFT - 8, y + 4, f"{percent}", "end")
    for macs in _ticks(scale.macs):
        yield _text(scale.x(macs), HEIGHT - BOTTOM + 18, f"{macs / 1e6:.0f} M", "middle")
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _text(middle, HEIGHT - BOTTOM + 38, f"{primary} % (validation) over MACs", "middle")


def _ticks(most: float) -> Iterator[float]:
    """Round numbers from 0, three to seven of them."""
    ten = 10 ** math.floor(math.log10(most))
    step = next(ten * part for part in (0.2, 0.5, 1.0) if most / (ten * part) < 7)
    return (step * n for n in range(int(most / step) + 1))


def _level(scale: Scale, percent: float) -> Iterator[str]:
    y = scale.y(percent)
    yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GREY}" stroke-dasharray="5 4"/>'
    yield _text(LEFT + 6, y - 5, "teacher", "start")


def _front(scale: Scale, row: JobRow, finished: Sequence[Trial], primary: str) -> Iterator[str]:
    goals = (Goal(primary, "max"), Goal("macs", "min"))
    by_number = {one.number: one for one in finished}
    front = [by_number[n] for n in front_of(goals, {n: by_number[n].metrics for n in by_number})]
    chosen = sorted(
        (one.metrics["macs"], 100 * one.metrics[primary], _shift(row, one)) for one in front
    )
    path = "L".join(f"{scale.x(m) + dx:.1f} {scale.y(score):.1f}" for m, score, dx in chosen)
    yield f'<path d="M{path}" fill="none" stroke="{COLOURS[0]}" stroke-width="2"/>'


def _trials(scale: Scale, row: JobRow, finished: Sequence[Trial], primary: str) -> Iterator[str]:
    for one in finished:
        x = scale.x(one.metrics["macs"]) + _shift(row, one)
        y, colour = scale.y(100 * one.metrics[primary]), COLOURS[_place(row, one)]
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    named = [*map(str, _values(row)), *BASELINES]
    for number, name in enumerate(named):
        x, y = LEFT + 20 + number * 110, HEIGHT - 22
        dot = f'<circle cx="{x}" cy="{y}" r="5" fill="{COLOURS[number]}"/>'
        yield _mark(name, x, y) if name in BASELINES else dot
        yield _text(x + 10, y + 4, name, "start")


def _values(row: JobRow) -> tuple[Any, ...]:
    """Of the last dimension, which is told by colours."""
    search = job_of(row.spec).search
    assert search is not None, "the first job has no search"
    return tuple(list(search.space.values())[-1])


def _place(row: JobRow, trial: Trial) -> int:
    return _values(row).index(list(trial.values.values())[-1])


def _shift(row: JobRow, trial: Trial) -> float:
    return APART * (_place(row, trial) - (len(_values(row)) - 1) / 2)


def _mark(baseline: str, x: float, y: float) -> str:
    """A square for gold-only, a square on its corner for same-start."""
    corner = f'x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if baseline == "same-start" else ""
    return f'<rect {corner}{turned} fill="none" stroke="{GREY}" stroke-width="2"/>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{GREY}">{said}</text>'


if __name__ == "__main__":
    main()
