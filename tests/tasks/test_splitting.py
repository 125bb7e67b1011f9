"""One file becomes three splits: the laws of that."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.data import Split, SplitShares
from alambique.tasks.examples import Answer, Example, Labelled, Question, Sentence, Text
from alambique.tasks.splitting import split_examples

SHARES = SplitShares(dev=0.3, test=0.3)
WORDS = st.lists(st.text("abñ ", min_size=1, max_size=3), min_size=1, max_size=2).map(tuple)
ROWS = st.lists(st.tuples(WORDS, st.sampled_from("pq")), max_size=30)
SHARE = st.floats(0.01, 0.49)


def numbered(rows: Sequence[tuple[tuple[str, ...], str]]) -> list[Labelled]:
    return [Labelled(f"f:{n}", texts, label) for n, (texts, label) in enumerate(rows)]


def said(examples: Sequence[Labelled]) -> list[tuple[tuple[str, ...], str]]:
    return [(one.texts, one.label) for one in examples]


def split_of_texts(examples: Sequence[Labelled], shares: SplitShares = SHARES) -> dict[str, Split]:
    """The split of each first text."""
    splits = split_examples(examples, shares).items()
    return {one.texts[0]: split for split, some in splits for one in some}


@given(ROWS, SHARE, SHARE)
def test_each_example_is_in_one_split(
    rows: list[tuple[tuple[str, ...], str]], dev: float, test: float
) -> None:
    examples = numbered(rows)
    splits = split_examples(examples, SplitShares(dev=dev, test=test))
    assert sorted(one.id for some in splits.values() for one in some) == sorted(
        one.id for one in examples
    )


@given(ROWS, st.randoms())
def test_the_order_of_the_rows_changes_nothing(
    rows: list[tuple[tuple[str, ...], str]], random: Random
) -> None:
    mixed = rows.copy()
    random.shuffle(mixed)
    one, other = (split_examples(numbered(some), SHARES) for some in (rows, mixed))
    assert {s: said(some) for s, some in one.items()} == {s: said(o) for s, o in other.items()}


@given(ROWS, ROWS)
def test_rows_that_are_added_move_no_other(
    rows: list[tuple[tuple[str, ...], str]], more: list[tuple[tuple[str, ...], str]]
) -> None:
    before, after = split_of_texts(numbered(rows)), split_of_texts(numbered([*rows, *more]))
    assert {text: after[text] for text in before} == before


@given(ROWS)
def test_examples_of_one_text_stay_together(rows: list[tuple[tuple[str, ...], str]]) -> None:
    splits = split_examples(numbered(rows), SHARES)
    texts = [{" ".join(one.texts[0].split()) for one in some} for some in splits.values()]
    assert sum(map(len, texts)) == len(set().union(*texts))


def test_shares_are_kept() -> None:
    examples = [Text(f"f:{n}", f"texto {n}") for n in range(4000)]
    splits = split_examples(examples, SplitShares(dev=0.1, test=0.2))
    assert 330 < len(splits["dev"]) < 470
    assert 700 < len(splits["test"]) < 900
    without = split_examples(examples, SplitShares(dev=0.1))
    assert without["test"] == []
    assert 330 < len(without["dev"]) < 470


def test_a_split_stays_what_it_was() -> None:
    """By another hash, every file that somebody has split would be split anew."""
    examples = [Text("", f"texto {n}") for n in range(30)]
    splits = split_examples(examples, SHARES)
    assert [one.text for one in splits["test"]] == GOLDEN


GOLDEN = [
    "texto 9",
    "texto 28",
    "texto 1",
    "texto 3",
    "texto 15",
    "texto 10",
    "texto 16",
    "texto 14",
    "texto 2",
    "texto 26",
    "texto 12",
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            Question("1", "¿Dónde?", "Nació en Jaén.", (Answer("Jaén", 9),)),
            Question("2", "¿Quién?", "Nació en Jaén.", ()),
        ),
        (Labelled("1", ("Llueve.", "Hace sol."), "no"), Labelled("2", ("Llueve.", "Ñ"), "sí")),
        (Sentence("1", ("En", "Jaén"), ("O", "B-LOC")), Sentence("2", ("En", "Jaén"), ("O", "O"))),
    ],
)
def test_what_tells_of_another_is_with_it(one: Example, other: Example) -> None:
    for n in range(1, 50):
        splits = split_examples([one, other], SplitShares(dev=n / 100, test=n / 100))
        assert sorted(map(len, splits.values())) == [0, 0, 2]
