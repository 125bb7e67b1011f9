"""YAML and JSON as plain values, within limits; counted, and never timed."""

import cProfile
import json
import pstats
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.documents import DEPTH, DIGITS, LOADERS, NODES, Unreadable, from_json, from_yaml

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("recipes/*.yaml"))
HALF = r"\ud800"
"""Half a character, as an escape."""

each_loader = pytest.mark.parametrize("loader", LOADERS)


def read(content: str, kind: str) -> Any:
    return from_json(content.encode()) if kind == "json" else from_yaml(content, aliases=False)


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_as_many_names_and_values_as_the_limit_are_read_and_no_more(kind: str) -> None:
    # the list itself is one too
    assert len(read(json.dumps([1] * (NODES - 1)), kind)) == NODES - 1
    with pytest.raises(Unreadable, match=f"more than {NODES:,} names and values"):
        read(json.dumps([1] * NODES), kind)
    names = {f"k{number}": 1 for number in range(NODES // 2)}
    with pytest.raises(Unreadable, match=rf"\b{NODES:,}\b"):
        read(json.dumps(names), kind)


def test_what_is_beyond_the_limit_is_not_read_to_its_end() -> None:
    """A syntax error behind it is never met."""
    with pytest.raises(Unreadable, match=rf"\b{NODES:,}\b"):
        from_yaml("[" + "1," * NODES + "}")


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_as_deep_as_the_limit_is_read_and_no_deeper(kind: str) -> None:
    assert read("[" * DEPTH + "]" * DEPTH, kind)
    for depth in (DEPTH + 1, 100_000):
        with pytest.raises(Unreadable, match="nested too deeply"):
            read("[" * depth + "]" * depth, kind)


@pytest.mark.parametrize("kind", ["json", "yaml"])
@pytest.mark.parametrize("digits", [DIGITS + 1, 4000, 5000])
def test_a_number_of_very_many_digits_is_refused(kind: str, digits: int) -> None:
    longest = "1" * DIGITS
    assert read(f"[{longest}]", kind) == [int(longest)]
    with pytest.raises(Unreadable, match=f"a number of {digits:,} characters"):
        read(f"[{'9' * digits}]", kind)
    text = "9" * digits
    assert read(f'["{text}"]', kind) == [text]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"a": 1, "b": {"x": 1, "y": 2, "x": 3}}', "x is given twice"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (f'{{"{HALF}": 1}}'.encode(), "half a character"),
        (f'["{HALF}"]'.encode(), "half a character"),
        (b'"\xff"', "utf-8"),
        (b'{"a": 1', "delimiter"),
    ],
)
def test_a_json_text_that_cannot_be_read(content: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        from_json(content)


@each_loader
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: a is given a second time"),
        ("a:\n  b: 1\n  b: 2", "line 3: b is given"),
        ("a: 1\nb: [1", "line 2"),
        ("a: 1\nb: !!bool x", "line 2: 'x' is no 'bool'"),
        ("a: !!int ''", "line 1: '' is no 'int'"),
        ("a: !!float x", "line 1: 'x' is no 'float'"),
        ("a: !!timestamp x", "line 1: the tag !!timestamp is not taken"),
        ("a: !!binary aGk=", "line 1: the tag !!binary"),
        ("a: !!set {a: 1}", "line 1: the tag !!set"),
        ("a: !!omap [a: 1]", "line 1: the tag !!omap"),
        ("a: !!python/name:os.system x", "line 1: the tag !!python/name:os.system"),
        ("a: !!map x", "line 1"),
        ("? [a]\n: 1", "line 1"),
        (f"a: 0x{'f' * 5000}", "line 1: a number of 5,002 characters"),
        (f'a: "{HALF}"', "line 1"),
        ("%TAG !a! b\n" * 9 + "---\na: 1", "%"),
        ("%TAG !a! b\r" * 9 + "---\na: 1", "%"),
        ("%TAG !a! b\u2028" * 9 + "---\na: 1", "%"),
        ("--- 1\n--- 2", "line 2"),
    ],
)
def test_a_yaml_text_that_cannot_be_read(loader: type[Any], text: str, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        from_yaml(text, loader=loader)


@each_loader
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"),
        ("1:30:00", "1:30:00"),
        ("1:30.5", "1:30.5"),
        ("010", "010"),
        ("0o17", "0o17"),
        ("2001-01-01", "2001-01-01"),
        ("2001-99-99", "2001-99-99"),
        ("2001-01-01 10:00:00", "2001-01-01 10:00:00"),
        ("=", "="),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1_000", 1000),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0x1F", 31),
        ("0b11", 3),
        ("1.5", 1.5),
        ("1.0e-5", 1e-5),
        (".5", 0.5),
        ("yes", True),
        ("~", None),
        ("{<<: {a: 1, b: 1}, a: 2}", {"a": 2, "b": 1}),
    ],
)
def test_a_scalar_is_what_it_looks_like(loader: type[Any], text: str, value: object) -> None:
    """Numbers to the base 60, octal ones and dates of YAML 1.1 are texts."""
    found = from_yaml(text, loader=loader)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_all_loaders_read_the_same_of_the_recipes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first, *others = (from_yaml(text, loader=loader) for loader in LOADERS)
    assert first
    assert all(other == first for other in others)


def test_the_quick_loader_is_there() -> None:
    """Its wheel brings libyaml on every platform that is supported."""
    assert len(LOADERS) == 2


def test_aliases_are_taken_where_they_are_asked_for() -> None:
    text = "a: &x [1]\nb: *x"
    assert from_yaml(text) == {"a": [1], "b": [1]}
    with pytest.raises(Unreadable, match="line 2: aliases"):
        from_yaml(text, aliases=False)


def nested(steps: int, step: str) -> str:
    """A document each of whose mappings or lists has the one before it nine times."""
    lines = [step.format(one=n, before=", ".join([f"*x{n - 1}"] * 9)) for n in range(1, steps)]
    return "\n".join(["x0: &x0 {a: 1, b: 2}", *lines])


def test_aliases_count_as_what_they_describe() -> None:
    step = "x{one}: &x{one} [{before}]"
    assert len(from_yaml(nested(4, step))) == 4
    for text in (nested(6, step), "a: &x [*x]"):
        with pytest.raises(Unreadable, match="with its aliases written out it has more than"):
            from_yaml(text)


@pytest.mark.parametrize("loader", LOADERS)
def test_merges_of_merges_are_no_more_than_the_names_that_they_have(loader: type[Any]) -> None:
    text = nested(5, "x{one}: &x{one} {{<<: [{before}], b: {one}}}")
    profile = cProfile.Profile()
    with profile:
        found = from_yaml(text, loader=loader)
    assert [found[f"x{n}"] for n in (0, 1, 4)] == [{"a": 1, "b": n or 2} for n in (0, 1, 4)]
    stats: Any = pstats.Stats(profile)
    assert stats.total_calls < 20_000


SCALARS = st.one_of(
    st.text(),
    st.from_regex(r"[-+]?[0-9._:xXobeE]{1,12}", fullmatch=True),
    st.from_regex(r"!!?[a-z]{0,10} ?[-+0-9a-z.:'\"]{0,8}", fullmatch=True),
    st.from_regex(r"[\[{\]}&*!|>%@`?:,#'\"\\a0 \n-]{1,16}", fullmatch=True),
)


@given(SCALARS)
def test_a_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    for loader in LOADERS:
        with suppress(Unreadable):
            from_yaml(f"a: {text}", aliases=False, loader=loader)


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_bytes_are_read_as_json_or_refused_and_nothing_else(content: bytes) -> None:
    with suppress(Unreadable):
        from_json(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**98), 10**98) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_json_can_say_reads_back(value: object) -> None:
    text = json.dumps(value)
    assert from_json(text.encode()) == value
