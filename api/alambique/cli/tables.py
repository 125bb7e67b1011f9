"""How things look in a terminal: lists as tables, figures with their units."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All control characters but tab and line feed, and those that turn the direction of a text."""


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    only_if_several: str | None = None,
) -> Table:
    """A table whose numbers stand at the right; None is left empty.

    Args:
        columns: their titles. The first is never folded: it is what other commands are given.
        rows: a cell for each column.
        only_if_several: the title of a column that is left out where it says one thing only.
    """
    lines = [list(row) for row in rows]
    if only_if_several and len({line[columns.index(only_if_several)] for line in lines}) < 2:
        index = columns.index(only_if_several)
        columns = _without(columns, index)
        lines = [_without(line, index) for line in lines]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numbers = any(isinstance(line[index], int | float | Figure) for line in lines)
        justify: Literal["right", "left"] = "right" if numbers else "left"
        drawn.add_column(column, justify=justify, overflow="fold", no_wrap=index == 0)
    for line in lines:
        # as Text: what users wrote is no markup
        drawn.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in line))
    return drawn


def _without(cells: Sequence[T], index: int) -> list[T]:
    return [*cells[:index], *cells[index + 1 :]]


def show(drawn: object) -> None:
    """Print to stdout, as wide as the terminal (in a pipe: wide enough for any table)."""
    plain = Console()
    Console(width=plain.width if plain.is_terminal else 240, highlight=False).print(drawn)


def show_json(content: object) -> None:
    """Print for another program to read."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def printable(text: str) -> str:
    r"""Return a text of somebody else's as a terminal may show it: what would steer it is escaped.

    >>> print(printable("año" + chr(27) + "]0;title" + chr(7)))
    año\x1b]0;title\x07
    """
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def say(text: str, *, flush: bool = False) -> None:
    """Print a text for people that may hold what somebody else wrote."""
    print(printable(text), flush=flush)


class Figure(str):
    """A number that is already written out."""

    __slots__ = ()


def count(number: float | None) -> Figure | None:
    """A number of parameters or operations, in three digits.

    >>> count(4_386_178), count(312), count(1_910_000_000)
    ('4.39 M', '312', '1.91 G')
    """
    if number is None:
        return None
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return Figure(f"{number / size:.3g} {unit}")
    return Figure(f"{number:g}")


def share(fraction: float | None) -> Figure | None:
    """A score of 0 to 1 in percent.

    >>> share(0.7135)
    '71.35'
    """
    return None if fraction is None else Figure(f"{100 * fraction:.2f}")


def decimal(number: float | None) -> Figure | None:
    """A measured number, with as many decimals as its size allows.

    >>> decimal(3.14159), decimal(271.828)
    ('3.14', '272')
    """
    return None if number is None else Figure(f"{number:.2f}" if number < 100 else f"{number:.0f}")


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(7.4), duration(187), duration(7500)
    ('7 s', '3 min 07 s', '2 h 05 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


NAMES = {
    "teacher": "teacher",
    "gold-only": "student, gold-only",
    "same-start": "student, same-start",
    "distilled": "student, distilled",
}


_SPEED = ("ms", "inferences/s", "texts/s")


def score_table(result: Mapping[str, Any]) -> Table:
    """The scores of a job's models on the test split, and what distilling gained."""
    rows = result["rows"]
    primary = result["primary"]
    shown = [name for name in ("f1", "em") if any(name in row["metrics"] for row in rows)]
    metrics = list(dict.fromkeys([primary, *shown]))
    titles = [f"{metric.upper()} %" for metric in metrics]
    columns = ["", "layers", "steps", *titles, "gain (95 %)", "kept %", "ECE %"]
    return table(columns, ([*_scored(row, metrics)] for row in rows))


def cost_table(result: Mapping[str, Any]) -> Table:
    """The sizes of a job's models, and how fast they are, measured in turns."""
    rows = result["rows"]
    devices = dict.fromkeys(one["device"].upper() for row in rows for one in row.get("also", ()))
    also = (f"{device} {unit}" for device in devices for unit in _SPEED)
    columns = ["", "parameters", "MACs", *_SPEED, *also]
    return table(columns, ([*_costs(row)] for row in rows))


def candidate_table(result: Mapping[str, Any]) -> Table:
    """The runs that a teacher was chosen from, in the order in which they were done."""
    measured = ("loss", f"{result['primary'].upper()} %", "", "version")
    columns = ("teacher", "candidate", "grid", *measured)
    rows = [[*_tried(run)] for run in result["candidates"]]
    return table(columns, rows, only_if_several="teacher")


def _tried(run: Mapping[str, Any]) -> Iterable[object]:
    yield run.get("teacher", "teacher")
    yield run["model"]
    yield ", ".join(f"{field} {value}" for field, value in run["train"].items())
    yield None if run["loss"] is None else Figure(f"{run['loss']:.4f}")
    yield share(run["metric"])
    yield "taught" if run["taught"] else "collapsed" if run["collapsed"] else None
    yield run["version"]


def _scored(row: Mapping[str, Any], metrics: Sequence[str]) -> Iterable[object]:
    yield _name(row)
    yield row["layers"]
    yield row.get("steps")
    for metric in metrics:
        yield spread(row["metrics"].get(metric), row.get("deviations", {}).get(metric))
    yield gain(next(iter(row.get("gains", ())), None))
    yield share(row.get("retention"))
    yield share(row["metrics"].get("ece"))


def _costs(row: Mapping[str, Any]) -> Iterable[object]:
    yield _name(row)
    yield count(row["parameters"])
    yield count(row["macs"]["full"])
    for measured in (row, *row.get("also", ())):
        low, high = measured.get("latency_low_ms"), measured.get("latency_high_ms")
        around = "" if low is None else f" ({decimal(low)} to {decimal(high)})"
        yield Figure(f"{decimal(measured['latency_ms'])}{around}")
        yield decimal(measured["inferences_per_second"])
        yield decimal(measured.get("throughput"))


def _name(row: Mapping[str, Any]) -> str:
    trial = f", trial {row['trial']}" if "trial" in row else ""
    return f"{NAMES.get(row['name'], row['name'])}{trial}"


def spread(mean: float | None, deviation: float | None) -> Figure | None:
    """A score in percent, of several seeds with its standard deviation.

    >>> spread(0.7135, None), spread(0.7135, 0.0121)
    ('71.35', '71.35 ± 1.21')
    """
    if mean is None or deviation is None:
        return share(mean)
    return Figure(f"{share(mean)} ± {share(deviation)}")


def gain(found: Mapping[str, Any] | None) -> Figure | None:
    """What was gained, in points, with its interval; one that holds 0 is marked.

    >>> gain({"value": 0.021, "low": 0.004, "high": 0.036})
    '+2.10 [+0.40, +3.60]'
    >>> gain({"value": 0.001, "low": -0.004, "high": 0.006})
    '+0.10 [-0.40, +0.60] holds 0'
    """
    if found is None:
        return None
    value, low, high = (f"{100 * found[name]:+.2f}" for name in ("value", "low", "high"))
    unsure = " holds 0" if found["low"] <= 0 <= found["high"] else ""
    return Figure(f"{value} [{low}, {high}]{unsure}")
