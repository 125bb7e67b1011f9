"""The table that a suite ends with: its models side by side over all of its data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, harmonic_mean, stdev
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from alambique.spec.suite import Cell, Suite

Role = Literal["teacher", "gold-only", "distilled"]
Row = Mapping[str, Any]
"""A model in the result of a job."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Finished(_Record):
    """A job that has succeeded: its place in the suite, and its result."""

    cell: Cell
    result: dict[str, Any]


class Measured(_Record):
    """A model's score on one data set."""

    mean: float
    """Of the primary metric on the test split, over the seeds; 0 to 1."""
    deviation: float | None
    """The standard deviation over the seeds; null where there is one."""
    version: str
    """The model, as name@number; of several seeds the first."""


class Compared(_Record):
    """A model over all data sets: the teacher, or one student by one role."""

    role: Role
    teacher: str
    """The names that the suite gives."""
    student: str | None
    """null: of the teacher itself."""
    layers: int | None
    """null: not the same everywhere."""
    scores: dict[str, Measured | None]
    """By data set; null where no job has ended well."""
    score: float | None
    """The mean over all data sets; null while one is missing."""
    speed_up: float | None
    """The reference's MACs (linear) over the model's, summed over the data sets that are there."""
    parameters: int | None
    """The most over the data sets: heads differ."""
    inferences_per_second: float | None
    """The harmonic mean over the data sets that are there: of equal shares of each."""


class Column(_Record):
    """A data set of the suite."""

    name: str
    metric: str | None
    """The metric that stands in the table; null while no job has ended well."""
    passes: float | None
    """How often a teacher has read the training examples: the outputs that the jobs computed over
    those that one job needs. null while no job has ended well, or where none needs outputs."""


class Comparison(_Record):
    """The table of a suite."""

    columns: tuple[Column, ...]
    rows: tuple[Compared, ...]
    reference: str | None
    """What speed-ups are told against; null while no job has ended well."""
    notes: tuple[str, ...]
    """Where distilling did not help."""


def compare(suite: Suite, finished: Sequence[Finished]) -> Comparison:
    """The models of a suite, as far as its jobs have succeeded.

    Of the points of a grid the model with the lowest validation loss counts, for each seed; of
    seeds the mean.
    """
    rows = [
        found
        for teacher, student, role in _models(suite)
        if (found := _compared(suite, finished, teacher, student, role)) is not None
    ]
    return Comparison(
        columns=tuple(_column(name, finished) for name in suite.tasks),
        rows=tuple(rows),
        reference=next((one.result["reference"]["name"] for one in finished), None),
        notes=tuple(_notes(rows)),
    )


def _models(suite: Suite) -> Iterable[tuple[str, str | None, Role]]:
    for teacher in suite.teachers:
        yield teacher, None, "teacher"
        for student in suite.students:
            yield teacher, student, "gold-only"
            yield teacher, student, "distilled"


def _compared(
    suite: Suite, finished: Sequence[Finished], teacher: str, student: str | None, role: Role
) -> Compared | None:
    """A model over all data sets; None where no job has one of that role."""
    jobs = [one for one in finished if one.cell.teacher == teacher]
    if student is not None:
        jobs = [one for one in jobs if one.cell.student == student]
    chosen = {name: _chosen([o for o in jobs if o.cell.task == name], role) for name in suite.tasks}
    runs = [run for found in chosen.values() for run in found]
    if not runs:
        return None
    scores = {name: _measured(found) for name, found in chosen.items()}
    means = [one.mean for one in scores.values() if one is not None]
    firsts = [found[0] for found in chosen.values() if found]
    rows = [row for _, row in firsts]
    return Compared(
        role=role,
        teacher=teacher,
        student=student,
        layers=_same([row["layers"] for row in rows]),
        scores=scores,
        score=fmean(means) if len(means) == len(scores) else None,
        speed_up=_speed_up(firsts),
        parameters=max(row["parameters"] for row in rows),
        inferences_per_second=harmonic_mean([row["inferences_per_second"] for row in rows]),
    )


Run = tuple[Finished, Row]


def _chosen(jobs: Sequence[Finished], role: Role) -> list[Run]:
    """For each seed the run whose model had the lowest validation loss; the teacher's is one."""
    runs = [(one, row) for one in jobs for row in one.result["rows"] if row["name"] == role]
    if role == "teacher":
        return runs[:1]  # all jobs of a teacher and a data set have the same one
    seeds = dict.fromkeys(one.cell.seed for one, _ in runs)
    return [min((run for run in runs if run[0].cell.seed == seed), key=_loss) for seed in seeds]


def _loss(run: Run) -> float:
    return float(run[1]["validation"]["loss"])


def _measured(runs: Sequence[Run]) -> Measured | None:
    if not runs:
        return None
    values = [float(row["metrics"][job.result["primary"]]) for job, row in runs]
    return Measured(
        mean=fmean(values),
        deviation=stdev(values) if len(values) > 1 else None,
        version=runs[0][1]["version"],
    )


def _speed_up(runs: Sequence[Run]) -> float:
    reference = sum(job.result["reference"]["macs"]["linear"] for job, _ in runs)
    return float(reference / sum(row["macs"]["linear"] for _, row in runs))


def _same(values: Sequence[int]) -> int | None:
    return values[0] if len(set(values)) == 1 else None


def _column(name: str, finished: Sequence[Finished]) -> Column:
    results = [one.result for one in finished if one.cell.task == name]
    outputs = [result["outputs"] for result in results if result["outputs"] is not None]
    return Column(
        name=name,
        metric=results[0]["primary"] if results else None,
        passes=_passes(outputs) if outputs else None,
    )


def _passes(outputs: Sequence[Mapping[str, int]]) -> float:
    return sum(each["computed"] for each in outputs) / outputs[0]["examples"]


def _notes(rows: Sequence[Compared]) -> Iterable[str]:
    gold = {(row.teacher, row.student): row for row in rows if row.role == "gold-only"}
    for row in rows:
        beside = gold.get((row.teacher, row.student))
        if row.role != "distilled" or beside is None:
            continue
        for name, found in row.scores.items():
            other = beside.scores[name]
            if found is not None and other is not None and found.mean <= other.mean:
                yield (
                    f"distilling did not help {row.student} on {name}: {100 * found.mean:.2f} "
                    f"against {100 * other.mean:.2f} on gold labels alone"
                )
