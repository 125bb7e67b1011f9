"""The table of a suite as text: Markdown, CSV, LaTeX."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from alambique.api.comparison import Compared, Comparison, Measured

T = TypeVar("T")

_ROLES = {"teacher": "teacher", "gold-only": "gold only", "distilled": "distilled"}
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


def exported(table: Comparison, form: Form) -> str:
    """The table as text that ends with a line break."""
    return _FORMS[form](table)


def head(table: Comparison) -> list[str]:
    """The titles of the columns; scores are in percent."""
    several = ["teacher"] if _several_teachers(table) else []
    sets = [f"{column.name} {column.metric or ''}".strip() for column in table.columns]
    return ["model", *several, "layers", *sets, "score", "speed-up", "parameters", "inferences/s"]


def cells(table: Comparison, row: Compared, missing: str = "-") -> list[str]:
    """A model's line, as people read it."""
    several = [row.teacher] if _several_teachers(table) else []
    return [
        title(row),
        *several,
        _or(missing, row.layers, str),
        *(_or(missing, row.scores[column.name], _score) for column in table.columns),
        _or(missing, row.score, lambda score: f"{100 * score:.2f}{_mark(*row.scores.values())}"),
        _or(missing, row.speed_up, lambda times: f"{times:.2f}"),
        _or(missing, row.parameters, _count),
        _or(missing, row.inferences_per_second, lambda rate: f"{rate:.0f}"),
    ]


def title(row: Compared) -> str:
    """What a model is called in the table."""
    return f"{row.student}, {_ROLES[row.role]}" if row.student else row.teacher


def _or(missing: str, value: T | None, written: Callable[[T], str]) -> str:
    return missing if value is None else written(value)


def _score(found: Measured) -> str:
    spread = "" if found.deviation is None else f" ± {100 * found.deviation:.2f}"
    return f"{100 * found.mean:.2f}{spread}{_mark(found)}"


def _mark(*found: Measured | None) -> str:
    return "" if all(one is None or one.complete for one in found) else " *"


def remarks(table: Comparison) -> list[str]:
    """What stands below the table, a sentence each."""
    incomplete = any(_mark(*row.scores.values()) for row in table.rows)
    return [
        *([f"speed-up: MACs of {table.reference} over the model's"] if table.reference else []),
        *(["* of seeds or points of the grid that are not all there"] if incomplete else []),
        *table.notes,
    ]


def _count(parameters: int) -> str:
    """In three digits.

    >>> _count(739_842), _count(8_107_529)
    ('740 k', '8.11 M')
    """
    millions = parameters >= 999_500
    return f"{parameters / (1e6 if millions else 1e3):.3g} {'M' if millions else 'k'}"


def _several_teachers(table: Comparison) -> bool:
    return len({row.teacher for row in table.rows}) > 1


def _markdown(table: Comparison) -> str:
    titles = head(table)
    lines = [titles, ["---"] * len(titles), *(cells(table, row) for row in table.rows)]
    drawn = [f"| {' | '.join(_in_markdown(cell) for cell in line)} |" for line in lines]
    return "\n".join([*drawn, "", *(f"- {_in_markdown(remark)}" for remark in remarks(table)), ""])


def _in_markdown(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


def _csv(table: Comparison) -> str:
    """One line a model with plain numbers: scores from 0 to 1, nothing where one is missing."""
    out = io.StringIO()
    names = [column.name for column in table.columns]
    writer = csv.writer(out, lineterminator="\n")
    titles = [f"{column.name} {column.metric or ''}".strip() for column in table.columns]
    beside = [f"{title} {what}" for what in ("deviation", "complete") for title in titles]
    writer.writerow([*_PLAIN, *titles, *beside])
    for row in table.rows:
        found = [row.scores[name] for name in names]
        writer.writerow([*_plain(row), *_each(found, "mean", "deviation", "complete")])
    return out.getvalue()


_PLAIN = (
    "role",
    "teacher",
    "student",
    "layers",
    "score",
    "speed_up",
    "parameters",
    "inferences_per_second",
)


def _plain(row: Compared) -> Iterable[object]:
    return (getattr(row, name) for name in _PLAIN)


def _each(found: Sequence[Measured | None], *fields: str) -> Iterable[object]:
    """A field of all of them, then the next."""
    return (one and getattr(one, field) for field in fields for one in found)


def _latex(table: Comparison) -> str:
    titles = head(table)
    words = 2 if _several_teachers(table) else 1
    body = [_latex_line(cells(table, row, missing="--")) for row in table.rows]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(titles) - words)}}}",
            r"\hline",
            _latex_line(titles),
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
            *(f"% {remark}" for remark in remarks(table)),
            "",
        ]
    )


def _latex_line(line: Sequence[str]) -> str:
    return " & ".join(_in_latex(cell) for cell in line) + r" \\"


def _in_latex(text: str) -> str:
    """The text with what LaTeX reads as commands written out."""
    return "".join(_LATEX.get(sign, sign) for sign in text).replace("±", r"$\pm$")


_FORMS: Mapping[Form, Callable[[Comparison], str]] = {
    Form.MARKDOWN: _markdown,
    Form.CSV: _csv,
    Form.LATEX: _latex,
}
