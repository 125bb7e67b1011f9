"""Pictures of a card as SVG: the scores of networks over what they cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from alambique.registry.job_result import ResultRow
from alambique.spec.figures import count, decimal
from alambique.workers.publishing.card_tables import form_name, row_name
from alambique.workers.publishing.release import Release

WIDTH, HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 40, 56
_LETTER = 6.6
"""Pixels that a letter of 12 pixels takes at most, on the average."""
_LINE = 15
"""Pixels from one line of text to the next."""
_STEPS: tuple[tuple[float, ...], ...] = (
    (1,),
    (1, 2, 5),
    (1, 2, 3, 4, 5, 6, 7, 8, 9),
    tuple(step / 10 for step in range(10, 100, 2)),
)
"""Ticks within a decade, of which the first are taken that suffice."""
_FEWEST_TICKS = 3
_INK, _PALE, _PUBLISHED, _OTHER, _TEACHER = "#222222", "#dddddd", "#b3371b", "#4c6a92", "#222222"


@dataclass(frozen=True, slots=True)
class Point:
    """A network in a picture."""

    name: str
    x: float
    """What it costs; above 0."""
    y: float
    """Its score in percent."""
    color: str
    deviation: float = 0.0
    """Of the score over seeds, in percent; drawn as a line through the dot."""


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to pixels, with the values that are written beside it."""

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        values = (self.low, self.high, value)
        low, high, its = map(log10, values) if self.is_log else values
        return self.begin + (its - low) / (high - low) * (self.end - self.begin)


def pictures(release: Release, word: Callable[[str], str], language: str = "") -> dict[str, bytes]:
    """Return the pictures that the registry can support, as SVG by the path of the file.

    Args:
        release: what is published.
        word: gives the name of a network in a language.
        language: stands at the end of the files' names.

    Returns:
        One has the networks of the job's table over their MACs. Where the job has raced engines,
        one has the files of the published network over the milliseconds of the race.
    """
    primary = release.result.primary
    costs = [
        Point(
            word(row_name(row)),
            row.macs.full,
            100 * row.metrics[primary],
            _color(row, release),
            100 * row.deviations.get(primary, 0.0),
        )
        for row in release.result.rows
        if primary in row.metrics
    ]
    found = {}
    if len(costs) > 1:
        found[f"pictures/front{language}.svg"] = draw(costs, "MACs", f"{primary} %", count)
    raced = [
        Point(
            f"{word(row.model)}, {word(form_name(row))}",
            row.p50_ms,
            100 * row.metric,
            _PUBLISHED if row.model == release.row.role else _TEACHER,
        )
        for row in release.result.engines
        if row.p50_ms is not None and row.metric is not None
        if row.metric_name in (None, primary)
        if row.model == release.row.role or row.model.startswith("teacher")
    ]
    if len(raced) > 1:
        found[f"pictures/formats{language}.svg"] = draw(raced, "ms", f"{primary} %", decimal)
    return found


def _color(row: ResultRow, release: Release) -> str:
    if row.version == release.row.version:
        return _PUBLISHED
    return _TEACHER if row.name.startswith("teacher") else _OTHER


def draw(
    points: Sequence[Point], x_title: str, y_title: str, written: Callable[[float], str | None]
) -> bytes:
    """Return a picture of scores over costs, whose axis of costs is logarithmic."""
    x = _cost_axis([point.x for point in points])
    ends = [point.y + sign * point.deviation for point in points for sign in (-1, 1)]
    y = _score_axis(ends)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{escape(y_title)} / {escape(x_title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_axes(x, y, x_title, y_title, written),
        *_dots(points, x, y),
        "</svg>",
    ]
    return ("\n".join(parts) + "\n").encode()


def _cost_axis(values: Sequence[float]) -> Axis:
    """Return a logarithmic axis with room at both ends, with three ticks at least."""
    low, high = min(values) / 1.25, max(values) * 1.25
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in _STEPS:
        every = (step * 10.0**power for power in decades for step in steps)
        ticks = tuple(tick for tick in every if low <= tick <= high)
        if len(ticks) >= _FEWEST_TICKS:
            break
    return Axis(low, high, _LEFT, WIDTH - _RIGHT, ticks, is_log=True)


def _score_axis(values: Sequence[float]) -> Axis:
    """Return an axis of percent that need not begin at 0, with a tick at each round number."""
    spread = max(max(values) - min(values), 1.0)
    step = next(step for step in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if spread / step <= 6)
    low = floor((min(values) - spread / 8) / step) * step
    high = ceil((max(values) + spread / 8) / step) * step
    ticks = tuple(low + step * number for number in range(round((high - low) / step) + 1))
    return Axis(low, high, HEIGHT - _BOTTOM, _TOP, ticks)


def _axes(
    x: Axis, y: Axis, x_title: str, y_title: str, written: Callable[[float], str | None]
) -> Iterator[str]:
    for tick in y.ticks:
        at = y.at(tick)
        yield (
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" '
            f'stroke="{_PALE}"/>'
        )
        yield _label(_LEFT - 8, at + 4, f"{tick:g}", "end")
    for tick in x.ticks:
        at = x.at(tick)
        yield (
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{HEIGHT - _BOTTOM}" '
            f'y2="{HEIGHT - _BOTTOM + 5}" stroke="{_INK}"/>'
        )
        yield _label(at, HEIGHT - _BOTTOM + 20, str(written(tick)), "middle")
    yield (
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{HEIGHT - _BOTTOM}" '
        f'y2="{HEIGHT - _BOTTOM}" stroke="{_INK}"/>'
    )
    yield _label((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 14, x_title, "middle")
    yield _label(12, 20, y_title, "start")


def _dots(points: Sequence[Point], x: Axis, y: Axis) -> Iterator[str]:
    """Yield a dot for each point, and its name beside it where no other name stands."""
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda point: (-point.y, point.x, point.name)):
        at_x, at_y = x.at(point.x), y.at(point.y)
        width = _LETTER * len(point.name)
        is_right = at_x + 10 + width <= WIDTH - _RIGHT
        left = at_x + 10 if is_right else at_x - 10 - width
        line = at_y + 4
        while any(
            abs(line - other) < _LINE and left < end and begin < left + width
            for other, begin, end in taken
        ):
            line += _LINE
        taken.append((line, left, left + width))
        if point.deviation:
            ends = [y.at(point.y + sign * point.deviation) for sign in (-1, 1)]
            yield (
                f'<line x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{ends[0]:.1f}" y2="{ends[1]:.1f}" '
                f'stroke="{point.color}"/>'
            )
        yield f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="5" fill="{point.color}"/>'
        yield _label(
            at_x + 10 if is_right else at_x - 10,
            line,
            point.name,
            "start" if is_right else "end",
            point.color,
        )


def _label(x: float, y: float, text: str, anchor: str, color: str = _INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'
    )
