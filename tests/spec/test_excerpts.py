"""Excerpts: never longer than asked for, the beginning of the text, and the same twice."""

from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.excerpts import excerpt, listed, named, short

LIMITS = st.integers(0, 200)


@given(st.text(max_size=400), LIMITS)
def test_an_excerpt_is_a_beginning_that_fits(text: str, most: int) -> None:
    found = excerpt(text, most)
    assert len(found) <= most
    assert excerpt(found, most) == found
    kept, mark, _ = found.partition("… [")
    assert text.startswith(kept if mark else found)
    if len(text) <= most:
        assert found == text


@given(st.text(alphabet="añ🜔", min_size=101, max_size=400))
def test_an_excerpt_says_how_much_is_left_out(text: str) -> None:
    kept, _, rest = excerpt(text, 100).partition("… [")
    assert len(kept) + int(rest.split()[0]) == len(text)


@given(st.lists(st.text(max_size=200), max_size=100))
def test_lists_are_told_within_bounds(values: list[str]) -> None:
    for found in (listed(values, 5), named(values, 5)):
        assert len(found) < 5 * 110 + 40
    if len(values) > 5:
        assert f"… and {len(values) - 5} more" in listed(values, 5)
        assert f"… and {len(values) - 5} more" in named(values, 5)


def test_a_number_that_python_does_not_write_is_told_too() -> None:
    assert short(16**5000) == "a number of thousands of digits"
