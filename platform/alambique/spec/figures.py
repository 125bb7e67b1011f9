"""How figures are written for people: scores in percent, counts in three digits."""


class Figure(str):
    """A number that is already written out."""

    __slots__ = ()


def count(number: float | None) -> Figure | None:
    """Return a number of parameters or operations, in three digits.

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
    """Return a score of 0 to 1 in percent.

    >>> share(0.7135)
    '71.35'
    """
    return None if fraction is None else Figure(f"{100 * fraction:.2f}")


def decimal(number: float | None) -> Figure | None:
    """Return a measured number, with as many decimals as its size allows.

    >>> decimal(3.14159), decimal(271.828)
    ('3.14', '272')
    """
    return None if number is None else Figure(f"{number:.2f}" if number < 100 else f"{number:.0f}")


def spread(mean: float | None, deviation: float | None) -> Figure | None:
    """Return a score in percent, of several seeds with its standard deviation.

    >>> spread(0.7135, None), spread(0.7135, 0.0121)
    ('71.35', '71.35 ± 1.21')
    """
    if mean is None or deviation is None:
        return share(mean)
    return Figure(f"{share(mean)} ± {share(deviation)}")


def interval(value: float, low: float, high: float) -> Figure:
    """Return a difference of scores in points of percent, with its interval.

    >>> interval(0.021, -0.004, 0.036)
    '+2.10 [-0.40, +3.60]'
    """
    middle, lower, upper = (f"{100 * part:+.2f}" for part in (value, low, high))
    return Figure(f"{middle} [{lower}, {upper}]")
