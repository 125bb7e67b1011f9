"""The notes below the table of a suite that follow from the table itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from alambique.api.comparison_table import BASELINES, Column, ColumnScore, ComparisonRow
from alambique.registry.job_result import busy_note


def gain_notes(rows: Sequence[ComparisonRow]) -> Iterable[str]:
    """Yield a note for each student and data set where distilling did not help, or only maybe."""
    several = len({row.teacher for row in rows}) > 1
    baselines = {(row.teacher, row.student, row.role): row for row in rows if row.role in BASELINES}
    for row in rows:
        model = f"{row.student} (from {row.teacher})" if several else row.student
        for name, score in row.scores.items():
            if not _is_final(score) or (gain := score.gain) is None:
                continue
            baseline = baselines[row.teacher, row.student, gain.over].scores[name]
            if not _is_final(baseline):
                continue
            scores = f"{100 * score.mean:.2f} against {100 * baseline.mean:.2f} of {gain.over}"
            if gain.value <= 0:
                yield f"distilling did not help {model} on {name}: {scores}"
            elif gain.low is not None and gain.low <= 0:
                yield f"the gain of {model} on {name} may be chance, its interval holds 0: {scores}"


def no_interval_notes(
    columns: Sequence[Column], rows: Sequence[ComparisonRow], primary: Mapping[str, str]
) -> Iterable[str]:
    """Yield a note for each column whose gains have no interval.

    Theirs is a score that is not stored by example.
    """
    for column in columns:
        scores = [row.scores[column.name] for row in rows]
        kept = primary.get(column.name)
        if column.metric != kept and any(score and score.gain for score in scores):
            yield (
                f"the gain of {column.name} in {column.metric} has no interval: of single examples "
                f"only {kept} is kept"
            )


def busy_notes(rows: Sequence[ComparisonRow]) -> Iterable[str]:
    """Yield notes on rows of one shape that differ in speed: their jobs ran at different times."""
    by_shape: dict[object, list[tuple[float, str]]] = defaultdict(list)
    for row in rows:
        if row.latency_ms is not None:
            name = f"{row.student}, {row.role}" if row.student else row.teacher
            shape = row.layers, row.parameters, row.speed_up
            by_shape[shape].append((row.latency_ms, name))
    yield from filter(None, map(busy_note, by_shape.values()))


def _is_final(score: ColumnScore | None) -> TypeGuard[ColumnScore]:
    return score is not None and score.complete
