"""The table of a suite as text: Markdown, CSV, LaTeX."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import TypeVar

from alambique.api.comparison_table import (
    Column,
    ColumnGain,
    ColumnScore,
    Comparison,
    ComparisonRow,
    SelectedRun,
    Spread,
)

T = TypeVar("T")

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}


class Form(StrEnum):
    """What a table is written as."""

    MARKDOWN = "markdown"
    CSV = "csv"
    LATEX = "latex"


def table_text(table: Comparison, form: Form) -> str:
    """Return the table as text that ends with a line break."""
    return _FORMS[form](table)


def head(table: Comparison) -> list[str]:
    """Return the titles of the columns; scores are in percent."""
    several = ["teacher"] if _has_several_teachers(table) else []
    sets = [f"{column.name} {' / '.join(_metrics(column))}".strip() for column in table.columns]
    costs = ["speed-up", "parameters", "ms", "times teacher", "inferences/s", "texts/s"]
    return ["model", *several, "layers", *sets, "score", *costs]


def _metrics(column: Column) -> tuple[str, ...]:
    """Return the scores of a column, the one that counts first; none while no job has succeeded."""
    return () if column.metric is None else (column.metric, *column.beside)


def cells(table: Comparison, row: ComparisonRow, missing: str = "-") -> list[str]:
    """Return a model's line, as people read it."""
    several = [row.teacher] if _has_several_teachers(table) else []
    return [
        title(row),
        *several,
        _or_missing(missing, row.layers, str),
        *(
            _or_missing(missing, row.scores[column.name], partial(_scores, column, missing))
            for column in table.columns
        ),
        _or_missing(
            missing, row.score, lambda score: f"{100 * score:.2f}{_mark(*row.scores.values())}"
        ),
        _or_missing(missing, row.speed_up, lambda times: f"{times:.2f}"),
        _or_missing(missing, row.parameters, _count),
        _or_missing(missing, row.latency_ms, lambda took: f"{took:.1f}"),
        _or_missing(missing, row.times_teacher, lambda times: f"{times:.2f}"),
        _or_missing(missing, row.inferences_per_second, lambda rate: f"{rate:.0f}"),
        _or_missing(missing, row.throughput, lambda rate: f"{rate:.0f}"),
    ]


def gains_head(table: Comparison) -> list[str]:
    """Return the titles of the table of gains, which are in points over the better baseline."""
    several = ["teacher"] if _has_several_teachers(table) else []
    sets = [f"{column.name} {column.metric or ''}".strip() for column in table.columns]
    return ["gain (95 %)", *several, *sets]


def gains_rows(table: Comparison, missing: str = "-") -> list[list[str]]:
    """Return the lines of the table of gains, one for each distilled student with a baseline."""
    by_model = {(row.teacher, row.student, row.role): row for row in table.rows}
    rows = [row for row in table.rows if any(one and one.gain for one in row.scores.values())]
    lines = []
    for row in rows:
        several = [row.teacher] if _has_several_teachers(table) else []
        gains = []
        for column in table.columns:
            ours = row.scores[column.name]
            if ours is None or ours.gain is None:
                gains.append(missing)
                continue
            theirs = by_model[row.teacher, row.student, ours.gain.over].scores[column.name]
            steps = ours.steps, theirs.steps if theirs else None
            gains.append(_gain(ours.gain, *steps) + _mark(ours, theirs))
        lines.append([str(row.student), *several, *gains])
    return lines


def _gain(gain: ColumnGain, ours: int | None, theirs: int | None) -> str:
    """Return what was gained over which baseline in how many steps; an interval with 0 is marked.

    >>> _gain(ColumnGain(over="same-start", value=0.021, low=-0.004, high=0.05, seeds=1), 90, 90)
    '+2.10 [-0.40, +5.00] holds 0, over same-start, 90 steps'
    >>> _gain(ColumnGain(over="gold-only", value=0.021, low=None, high=None, seeds=1), 90, 30)
    '+2.10, over gold-only, 90 steps against 30'
    """
    text = f"{100 * gain.value:+.2f}"
    if gain.low is not None and gain.high is not None:
        text += f" [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
        text += " holds 0" if gain.low <= 0 <= gain.high else ""
    text += f", over {gain.over}"
    if ours is None:
        return text
    return f"{text}, {ours} steps" + ("" if theirs in (None, ours) else f" against {theirs}")


def chosen_head(table: Comparison) -> list[str]:
    """Return the titles of the table of teachers that were chosen."""
    several = ["teacher"] if _has_several_teachers(table) else []
    return ["taught", *several, "model", *chosen_fields(table), "validation loss", "of"]


def chosen_fields(table: Comparison) -> list[str]:
    """Return the fields of the training that a grid of teachers sets, in their order."""
    return list(dict.fromkeys(field for one in table.chosen for field in one.train))


def chosen_cells(table: Comparison, one: SelectedRun, missing: str = "-") -> list[str]:
    """Return the line of a teacher that was chosen."""
    several = [one.teacher] if _has_several_teachers(table) else []
    return [
        one.task,
        *several,
        one.model,
        *(_or_missing(missing, one.train.get(field), str) for field in chosen_fields(table)),
        _or_missing(missing, one.loss, lambda loss: f"{loss:.4f}"),
        f"{one.runs} runs",
    ]


def title(row: ComparisonRow) -> str:
    """Return what a model is called in the table."""
    return f"{row.student}, {row.role}" if row.student else row.teacher


def _or_missing(missing: str, value: T | None, write: Callable[[T], str]) -> str:
    return missing if value is None else write(value)


def _scores(column: Column, missing: str, score: ColumnScore) -> str:
    """Return all scores of a column."""
    others = (_or_missing(missing, score.beside.get(name), _score) for name in column.beside)
    return " / ".join([_score(score), *others]) + _mark(score)


def _score(score: Spread) -> str:
    spread = "" if score.deviation is None else f" ± {100 * score.deviation:.2f}"
    return f"{100 * score.mean:.2f}{spread}"


def _mark(*scores: ColumnScore | None) -> str:
    return "" if all(one is None or one.complete for one in scores) else " *"


def remarks(table: Comparison) -> list[str]:
    """Return what stands below the table, a sentence each."""
    incomplete = any(_mark(*row.scores.values()) for row in table.rows)
    return [
        *([f"speed-up: MACs of {table.reference} over the model's"] if table.reference else []),
        *(
            ["gains of one seed: their intervals are over examples alone"]
            if _has_one_seed(table)
            else []
        ),
        *(
            [
                "ms are of different jobs, not taken in turns; times teacher: the teacher's ms "
                "over the model's, taken in turns in one job"
            ]
            if any(row.times_teacher is not None for row in table.rows)
            else []
        ),
        *(["* of seeds or points of the grid that are not all there"] if incomplete else []),
        *table.notes,
    ]


def _has_one_seed(table: Comparison) -> bool:
    """Return whether there is an interval that says nothing of how much trainings vary."""
    gains = [one.gain for row in table.rows for one in row.scores.values() if one and one.gain]
    return any(gain.seeds == 1 and gain.low is not None for gain in gains)


def _count(parameters: int) -> str:
    """Return the number of parameters in three digits.

    >>> _count(739_842), _count(8_107_529)
    ('740 k', '8.11 M')
    """
    millions = parameters >= 999_500
    return f"{parameters / (1e6 if millions else 1e3):.3g} {'M' if millions else 'k'}"


def _has_several_teachers(table: Comparison) -> bool:
    return len({row.teacher for row in table.rows}) > 1


def _markdown(table: Comparison) -> str:
    drawn = _markdown_table(head(table), [cells(table, row) for row in table.rows])
    notes = [f"- {_in_markdown(remark)}" for remark in remarks(table)]
    gained = gains_rows(table)
    gains = [*_markdown_table(gains_head(table), gained), ""] if gained else []
    chosen = [chosen_cells(table, one) for one in table.chosen]
    teachers = ["", *_markdown_table(chosen_head(table), chosen)] if chosen else []
    return "\n".join([*drawn, "", *gains, *notes, *teachers, ""])


def _markdown_table(titles: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *body]
    return [f"| {' | '.join(_in_markdown(cell) for cell in line)} |" for line in lines]


def _in_markdown(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


def _csv(table: Comparison) -> str:
    """Return a line for each model, with scores from 0 to 1 and nothing where one is missing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    titles = [f"{column.name} {column.metric or ''}".strip() for column in table.columns]
    about = [f"{title} {what}" for what in ("deviation", "complete", "steps") for title in titles]
    about += [f"{title} {what}" for what in _GAINED for title in titles]
    beside = [f"{column.name} {metric}" for column, metric in _other_scores(table)]
    beside += [f"{title} deviation" for title in beside]
    chosen = [f"{column.name} teacher" for column in table.columns] if table.chosen else []
    writer.writerow([*_PLAIN, *titles, *about, *beside, *chosen])
    for row in table.rows:
        scored = [row.scores[column.name] for column in table.columns]
        others = [
            one and one.beside.get(metric)
            for column, metric in _other_scores(table)
            for one in [row.scores[column.name]]
        ]
        scores = [*_each(scored, "mean", "deviation", "complete", "steps")]
        gains = [one and one.gain for one in scored]
        scores += [gain and getattr(gain, field) for field in _GAINED.values() for gain in gains]
        scores += [*_each(others, "mean", "deviation")]
        plain = [getattr(row, name) for name in _PLAIN]
        writer.writerow([*plain, *scores, *(_chosen_runs(table, row) if chosen else ())])
    return out.getvalue()


def _other_scores(table: Comparison) -> list[tuple[Column, str]]:
    """Return each score that does not count, with its column."""
    return [(column, metric) for column in table.columns for metric in column.beside]


def _chosen_runs(table: Comparison, row: ComparisonRow) -> list[str | None]:
    """Return the run that was chosen to teach each data set; in the row of a student None."""
    runs = {
        one.task: ", ".join(
            [one.model, *(f"{field} {value}" for field, value in one.train.items())]
        )
        for one in table.chosen
        if one.teacher == row.teacher and row.role == "teacher"
    }
    return [runs.get(column.name) for column in table.columns]


_GAINED = {
    "gain": "value",
    "gain low": "low",
    "gain high": "high",
    "gain over": "over",
    "gain seeds": "seeds",
}
"""Titles in CSV, and the fields that they are of."""
_PLAIN = (
    "role",
    "teacher",
    "student",
    "layers",
    "score",
    "speed_up",
    "parameters",
    "latency_ms",
    "times_teacher",
    "inferences_per_second",
    "throughput",
)


def _each(spreads: Sequence[Spread | None], *fields: str) -> Iterable[object]:
    """Yield the first field of all spreads, then the second, and so on."""
    return (one and getattr(one, field) for field in fields for one in spreads)


def _latex(table: Comparison) -> str:
    words = 2 if _has_several_teachers(table) else 1
    body = [cells(table, row, missing="--") for row in table.rows]
    chosen = [chosen_cells(table, one, missing="--") for one in table.chosen]
    teachers = _tabular(chosen_head(table), chosen, words=words + 1) if chosen else []
    notes = [f"% {remark}" for remark in remarks(table)]
    gained = gains_rows(table, missing="--")
    gains = _tabular(gains_head(table), gained, words=words) if gained else []
    drawn = _tabular(head(table), body, words=words)
    return "\n".join([*drawn, *gains, *notes, *teachers, ""])


def _tabular(titles: Sequence[str], body: Sequence[Sequence[str]], *, words: int) -> list[str]:
    """Return a table whose first columns, as many as `words`, are words and the others figures."""
    return [
        rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(titles) - words)}}}",
        r"\hline",
        _latex_line(titles),
        r"\hline",
        *map(_latex_line, body),
        r"\hline",
        r"\end{tabular}",
    ]


def _latex_line(line: Sequence[str]) -> str:
    return " & ".join(_in_latex(cell) for cell in line) + r" \\"


def _in_latex(text: str) -> str:
    """Return the text with what LaTeX reads as commands written out."""
    return "".join(_LATEX.get(sign, sign) for sign in text).replace("±", r"$\pm$")


_FORMS: Mapping[Form, Callable[[Comparison], str]] = {
    Form.MARKDOWN: _markdown,
    Form.CSV: _csv,
    Form.LATEX: _latex,
}
