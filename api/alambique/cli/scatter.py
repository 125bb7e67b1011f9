"""Points drawn with characters, where a terminal is all there is."""

from collections.abc import Sequence

_WIDTH, _HEIGHT = 56, 14


def scatter(points: Sequence[tuple[float, float]], *, x_name: str, y_name: str) -> list[str]:
    """Return the lines of a drawing in which each point is its number, from 1.

    A point that would lie on another one stands to its right.

    >>> scatter([(1, 1), (3, 2)], x_name="ms", y_name="F1 %")[-1].split()
    ['1.00', '3.00', 'ms']
    """
    xs, ys = ([point[axis] for point in points] for axis in (0, 1))
    cells = [[" "] * (_WIDTH + 2 * len(points)) for _ in range(_HEIGHT)]
    for number, (x, y) in enumerate(points, start=1):
        column, row = _place(x, xs, _WIDTH), _HEIGHT - 1 - _place(y, ys, _HEIGHT)
        text = str(number)
        while any(cell != " " for cell in cells[row][column : column + len(text)]):
            column += 1
        cells[row][column : column + len(text)] = text
    edges = {0: max(ys), _HEIGHT - 1: min(ys)}
    lines = [
        f"{f'{edges[row]:.2f}' if row in edges else '':>8} |{''.join(line)}".rstrip()
        for row, line in enumerate(cells)
    ]
    left, right = f"{min(xs):.2f}", f"{max(xs):.2f}"
    axis = f"{'':>9}{left}{right:>{_WIDTH - len(left)}} {x_name}"
    return [y_name, *lines, f"{'':>9}{'-' * _WIDTH}", axis]


def _place(value: float, values: Sequence[float], size: int) -> int:
    low, high = min(values), max(values)
    return 0 if high == low else round((value - low) / (high - low) * (size - 1))
