"""The table of a suite: compares its models over all of its data sets."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, geometric_mean, harmonic_mean, stdev
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from alambique.api.columns import column_metrics
from alambique.api.comparison_notes import busy_notes, gain_notes, no_interval_notes
from alambique.api.comparison_table import (
    BASELINES,
    Column,
    ColumnGain,
    ColumnScore,
    Comparison,
    ComparisonRow,
    Role,
    SelectedRun,
    Spread,
    TeacherPasses,
)
from alambique.api.gains import Gains, Pair
from alambique.registry.job_result import JobResult, ResultRow
from alambique.registry.records import ScoredStudent, SuiteRow
from alambique.spec.suite import Cell, Suite, suite_of
from alambique.tasks import calibration
from alambique.tasks.bootstrap import Interval

Results = Sequence[tuple[UUID, dict[str, Any], dict[str, Any]]]
"""The ids, cells and results of jobs that have succeeded."""


class FinishedJob(BaseModel):
    """A job of a suite that has succeeded."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    cell: Cell
    """Its cell in the matrix of the suite."""
    result: JobResult


def finished_job(
    id: UUID,  # noqa: A002
    cell: dict[str, Any],
    result: dict[str, Any],
) -> FinishedJob | None:
    """Return a job with its cell and result; None if another version of the program wrote them."""
    try:
        return FinishedJob(
            id=id, cell=Cell.model_validate(cell), result=JobResult.model_validate(result)
        )
    except ValidationError:
        return None


class Measurement(NamedTuple):
    """A model as one job of the suite has measured it."""

    job: FinishedJob
    row: ResultRow
    """The row of the model in that job's table."""


Model = tuple[str, str | None, Role]
"""The teacher, the student and the role of a row."""
CellKey = tuple[str, str, str]
"""The task, teacher and student of a cell."""


def suite_comparison(row: SuiteRow, results: Results, gains: Gains) -> Comparison:
    """Return the table of a suite, without results that another version of the program wrote."""
    known = (finished_job(*one) for one in results)
    return compare(suite_of(row.spec), [one for one in known if one is not None], gains)


def compare(suite: Suite, finished: Sequence[FinishedJob], gains: Gains) -> Comparison:
    """Return the table of the models of a suite whose jobs have succeeded so far.

    For each seed, the point of the grid with the lowest validation loss is taken; a score is the
    mean over seeds.

    Args:
        suite: the suite, with all of its models.
        finished: its jobs that have succeeded.
        gains: computes the intervals of gains.
    """
    jobs: dict[CellKey, list[FinishedJob]] = defaultdict(list)
    for job in finished:
        jobs[job.cell.task, job.cell.teacher, job.cell.student].append(job)
    models = [(model, _measurements(suite, jobs, *model)) for model in _models(suite)]
    models = [(model, measured) for model, measured in models if any(measured.values())]
    common = [task for task in suite.tasks if models and all(m[task] for _, m in models)]
    columns = tuple(_column(suite, name, finished) for name in suite.tasks)
    rows = [_row(suite, columns, *model, measured, common) for model, measured in models]
    primary = {job.cell.task: job.result.primary for job in finished}
    paired = {column.name for column in columns if column.metric == primary.get(column.name)}
    differences = _differences(rows, dict(models), paired)
    intervals = gains([one.pair for one in differences.values() if one.pair.ours])
    rows = [_with_gains(row, differences, intervals) for row in rows]
    return Comparison(
        columns=columns,
        rows=tuple(rows),
        reference=next((job.result.reference.name for job in finished), None),
        passes=tuple(_passes(suite, jobs)),
        chosen=tuple(_chosen(suite, jobs)),
        notes=(
            *gain_notes(rows),
            *no_interval_notes(columns, rows, primary),
            *_teacher_notes(suite, jobs),
            *busy_notes(rows),
        ),
    )


def _models(suite: Suite) -> Iterable[Model]:
    for teacher in suite.teachers:
        yield teacher, None, "teacher"
        for student in suite.students:
            yield teacher, student, "gold-only"
            yield teacher, student, "same-start"
            yield teacher, student, "distilled"


def _measurements(
    suite: Suite,
    jobs: Mapping[CellKey, Sequence[FinishedJob]],
    teacher: str,
    student: str | None,
    role: Role,
) -> dict[str, list[Measurement]]:
    """Return all measurements of a model by task."""
    students = suite.students if student is None else [student]
    return {
        task: [
            Measurement(job, row)
            for name in students
            for job in jobs.get((task, teacher, name), ())
            for row in _rows_of_role(job, role)
        ]
        for task in suite.tasks
    }


def _rows_of_role(job: FinishedJob, role: Role) -> Sequence[ResultRow]:
    """Return the row of the job's model of that role, if it has one.

    Of the trials of a search, it is the one whose distilled student has the lowest loss; the
    baselines of a trial are compared with its own student.
    """
    distilled = [row for row in job.result.rows if row.name == "distilled"]
    rows = [row for row in job.result.rows if row.name == role]
    if role in BASELINES and distilled:
        trial = min(distilled, key=lambda row: _loss(Measurement(job, row))).trial
        rows = [row for row in rows if row.trial == trial]
    return [min(rows, key=lambda row: _loss(Measurement(job, row)))] if rows else []


def _best_by_seed(measured: Sequence[Measurement], role: Role) -> list[Measurement]:
    """Return the model of each seed with the lowest validation loss; seeds share their teacher."""
    if role == "teacher":
        return list(measured[:1])
    seeds = dict.fromkeys(job.cell.seed for job, _ in measured)
    return [min((m for m in measured if m.job.cell.seed == seed), key=_loss) for seed in seeds]


def _loss(measured: Measurement) -> float:
    loss = measured.row.validation.loss
    return float("inf") if loss is None else loss


def _row(
    suite: Suite,
    columns: Sequence[Column],
    teacher: str,
    student: str | None,
    role: Role,
    measured: Mapping[str, Sequence[Measurement]],
    common: Sequence[str],
) -> ComparisonRow:
    best = {task: _best_by_seed(each, role) for task, each in measured.items()}
    rows = [each[0].row for each in best.values() if each]
    scores = {}
    for column in columns:
        complete = role == "teacher" or len(measured[column.name]) == suite.runs_of(role)
        scores[column.name] = _score(column, best[column.name], complete=complete)
    means = [score.mean for score in scores.values() if score is not None]
    shared = [best[task][0] for task in common]
    return ComparisonRow(
        role=role,
        teacher=teacher,
        student=student,
        layers=rows[0].layers if len({row.layers for row in rows}) == 1 else None,
        scores=scores,
        score=fmean(means) if len(means) == len(scores) else None,
        speed_up=_speed_up(shared),
        parameters=max((row.parameters for _, row in shared), default=None),
        latency_ms=fmean(row.latency_ms for _, row in shared) if shared else None,
        times_teacher=_times_teacher(shared),
        inferences_per_second=_harmonic([row.inferences_per_second for _, row in shared]),
        throughput=_harmonic([row.throughput for _, row in shared]),
    )


def _score(
    column: Column, measured: Sequence[Measurement], *, complete: bool
) -> ColumnScore | None:
    if not measured or column.metric is None:
        return None
    primary = _spread(measured, column.metric)
    if primary is None:
        return None
    spreads = {name: _spread(measured, name) for name in column.beside}
    # batches of so many tokens: seeds differ by a few steps
    steps = [row.steps for _, row in measured if row.steps is not None]
    return ColumnScore(
        mean=primary.mean,
        deviation=primary.deviation,
        beside={name: spread for name, spread in spreads.items() if spread is not None},
        complete=complete,
        steps=round(fmean(steps)) if steps else None,
        version=min(measured, key=_loss).row.version,
    )


def _spread(measured: Sequence[Measurement], metric: str) -> Spread | None:
    """Return a score over the seeds; None if it was not measured, as by an earlier version."""
    values = [row.metrics[metric] for _, row in measured if metric in row.metrics]
    if len(values) < len(measured):
        return None
    return Spread(mean=fmean(values), deviation=stdev(values) if len(values) > 1 else None)


def _speed_up(measured: Sequence[Measurement]) -> float | None:
    if not measured:
        return None
    reference = sum(job.result.reference.macs.linear for job, _ in measured)
    return reference / sum(row.macs.linear for _, row in measured)


def _times_teacher(measured: Sequence[Measurement]) -> float | None:
    """Return how many times as fast as its teacher each is, by the times of its own job."""
    times = [
        teacher.latency_ms / row.latency_ms
        for job, row in measured
        for teacher in job.result.rows
        if teacher.name == "teacher"
    ]
    return geometric_mean(times) if times else None


def _harmonic(rates: Sequence[float | None]) -> float | None:
    """Return the harmonic mean; None if there is no rate, or one was not measured."""
    known = [rate for rate in rates if rate is not None]
    return harmonic_mean(known) if known and len(known) == len(rates) else None


def _column(suite: Suite, name: str, finished: Sequence[FinishedJob]) -> Column:
    primary = next((job.result.primary for job in finished if job.cell.task == name), None)
    if primary is None:
        return Column(name=name, metric=None, beside=())
    metric, *beside = column_metrics(suite, name, primary)
    rows = [row for job in finished if job.cell.task == name for row in job.result.rows]
    if name not in suite.metrics and any(calibration.NAME in row.metrics for row in rows):
        beside.append(calibration.NAME)  # distilling changes it
    return Column(name=name, metric=metric, beside=tuple(beside))


def _jobs_by_teacher(
    suite: Suite, jobs: Mapping[CellKey, Sequence[FinishedJob]]
) -> Iterable[tuple[str, str, list[FinishedJob]]]:
    """Yield each task, each of its teachers, and the jobs of all students of that teacher."""
    for task in suite.tasks:
        for teacher in suite.teachers:
            keys = [(task, teacher, student) for student in suite.students]
            yield task, teacher, [job for key in keys for job in jobs.get(key, ())]


def _chosen(suite: Suite, jobs: Mapping[CellKey, Sequence[FinishedJob]]) -> Iterable[SelectedRun]:
    for task, teacher, taught in _jobs_by_teacher(suite, jobs):
        # all students have one teacher
        runs = next((job.result.candidates for job in taught if job.result.candidates), ())
        for run in runs:
            if run.taught:
                yield SelectedRun(
                    task=task,
                    teacher=teacher,
                    model=run.model,
                    train=run.train,
                    loss=run.loss,
                    runs=len(runs),
                )


def _passes(suite: Suite, jobs: Mapping[CellKey, Sequence[FinishedJob]]) -> Iterable[TeacherPasses]:
    for task, teacher, taught in _jobs_by_teacher(suite, jobs):
        outputs = [job.result.outputs for job in taught if job.result.outputs is not None]
        if outputs:
            computed = sum(each.computed for each in outputs)
            yield TeacherPasses(task=task, teacher=teacher, passes=computed / outputs[0].examples)


@dataclass(frozen=True, slots=True)
class _Difference:
    """The difference of a distilled student and the better of its baselines on one data set."""

    over: Role
    value: float
    pair: Pair


def _differences(
    rows: Sequence[ComparisonRow],
    models: Mapping[Model, Mapping[str, Sequence[Measurement]]],
    primary: Collection[str],
) -> dict[tuple[Model, str], _Difference]:
    """Return the differences by model and column.

    Students are paired in the columns of `primary`: only of these is the score of each example
    stored.
    """
    by_model = {_model_of(row): row for row in rows}
    differences = {}
    for model, row in by_model.items():
        for column, ours in row.scores.items() if row.role == "distilled" else ():
            baselines = [
                (theirs.mean, role)
                for role in BASELINES
                if (baseline := by_model.get((row.teacher, row.student, role)))
                and (theirs := baseline.scores[column])
            ]
            if ours is None or not baselines:
                continue
            mean, over = max(baselines)
            mine = models[model][column] if column in primary else ()
            pair = _pair(mine, models[row.teacher, row.student, over][column])
            differences[model, column] = _Difference(over, ours.mean - mean, pair)
    return differences


def _with_gains(
    row: ComparisonRow,
    differences: Mapping[tuple[Model, str], _Difference],
    intervals: Mapping[Pair, Interval],
) -> ComparisonRow:
    scores = dict(row.scores)
    for column, score in row.scores.items():
        if score is not None and (difference := differences.get((_model_of(row), column))):
            gain = _gain(difference, intervals.get(difference.pair))
            scores[column] = score.model_copy(update={"gain": gain})
    return row.model_copy(update={"scores": scores})


def _model_of(row: ComparisonRow) -> Model:
    return row.teacher, row.student, row.role


def _pair(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> Pair:
    """Return the best models of both, of each seed that both have."""
    mine, others = _students_by_seed(ours), _students_by_seed(theirs)
    seeds = [seed for seed in sorted(mine) if seed in others]
    return Pair(tuple(mine[seed] for seed in seeds), tuple(others[seed] for seed in seeds))


def _students_by_seed(measured: Sequence[Measurement]) -> dict[int, ScoredStudent]:
    students = map(_scored_student, _best_by_seed(measured, "distilled"))
    return {student.seed: student for student in students if student is not None}


def _scored_student(measured: Measurement) -> ScoredStudent | None:
    """Return the student as the registry keys its example scores; None if it has none."""
    job, row = measured
    seed = row.seeds[0].seed if row.seeds else None
    return None if seed is None else ScoredStudent(job.id, row.role, seed)


def _gain(difference: _Difference, interval: Interval | None) -> ColumnGain:
    if interval is None:
        seeds = len(difference.pair.ours)
        value = difference.value
        return ColumnGain(over=difference.over, value=value, low=None, high=None, seeds=seeds)
    # over the seeds that both have: once all jobs have ended it is the difference of the means
    return ColumnGain(over=difference.over, **asdict(interval))


def _teacher_notes(suite: Suite, jobs: Mapping[CellKey, Sequence[FinishedJob]]) -> Iterable[str]:
    """Yield what jobs note of the choice of their teacher, once for each data set and teacher."""
    several = len(suite.teachers) > 1
    for task, teacher, taught in _jobs_by_teacher(suite, jobs):
        whose = f"{task}, {teacher}" if several else task
        for note in dict.fromkeys(note for job in taught for note in job.result.teacher_notes):
            yield f"{whose}: {note}"
