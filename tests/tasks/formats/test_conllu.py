import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks.examples import Sentence
from alambique.tasks.formats import conllu
from alambique.tasks.formats.conllu import NOTHING, UPOS, Kind, Row, Words

Written = Callable[[str, str | bytes], Path]


def line(name: str, form: str, upos: str = "_") -> str:
    return Row(name, form, upos=upos).text


AL_SUR = (
    "# sent_id = s-1\n# text = Fue al sur\n"
    + line("1", "Fue", "VERB")
    + line("1.1", "él", "PRON")
    + line("2-3", "al")
    + line("2", "a", "ADP")
    + line("3", "el", "DET")
    + line("4", "sur", "NOUN")
    + "\n"
)


def test_a_contraction_is_its_words_or_stands_before_them(written: Written) -> None:
    path = written("train.conllu", AL_SUR)
    assert conllu.read(path, words=Words.SYNTACTIC) == [
        Sentence("s-1", ("Fue", "a", "el", "sur"), ("VERB", "ADP", "DET", "NOUN"))
    ]
    assert conllu.read(path, words=Words.CONTRACTED) == [
        Sentence("s-1", ("Fue", "al", "a", "el", "sur"), ("VERB", "_", "ADP", "DET", "NOUN"))
    ]


def test_a_sentence_without_a_name_is_called_by_its_line(written: Written) -> None:
    path = written("train.conllu", AL_SUR + "# text = Sí\n" + line("1", "Sí", "INTJ"))
    assert [found.id for found in conllu.read(path, words=Words.SYNTACTIC)] == [
        "s-1",
        "train.conllu:10",
    ]


def test_comments_ranges_and_empty_nodes_are_kept(written: Written) -> None:
    (tree,) = conllu.parse(written("train.conllu", AL_SUR)).trees
    assert tree.comments == ("# sent_id = s-1\n", "# text = Fue al sur\n")
    kinds = [row.kind for row in tree.rows]
    assert kinds == [Kind.WORD, Kind.EMPTY, Kind.RANGE, Kind.WORD, Kind.WORD, Kind.WORD]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), min_size=1, max_size=5)
ends = st.sampled_from(["\n", "\r\n"])
comments = st.lists(cells.map(lambda said: f"# {said}\n"), max_size=2)
blanks = st.lists(ends, min_size=1, max_size=2).map("".join)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Words from 1, with ranges before some and empty nodes behind some."""
    found: list[Row] = []
    closed = 0
    size = draw(st.integers(1, 5))

    def row(name: str, upos: str) -> Row:
        rest = [draw(cells) for _ in range(6)]
        return replace(Row(name, draw(cells), draw(cells), upos, *rest), end=draw(ends))

    for word in range(1, size + 1):
        if word > closed and draw(st.booleans()):
            closed = draw(st.integers(word, size))
            found.append(row(f"{word}-{closed}", NOTHING))
        found.append(row(str(word), draw(st.sampled_from(UPOS))))
        nodes = range(draw(st.integers(0, 2)))
        found += [row(f"{word}.{node + 1}", draw(cells)) for node in nodes]
    return found


@st.composite
def files(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["", "\ufeff", "\n", "\ufeff\r\n"]))
    for _ in range(draw(st.integers(0, 3))):
        text += "".join(draw(comments)) + "".join(row.text for row in draw(rows())) + draw(blanks)
    return text.rstrip("\r\n") if draw(st.booleans()) else text


@given(files())
def test_what_was_parsed_is_the_file_again(written: Written, content: str) -> None:
    assert conllu.parse(written("any.conllu", content)).text == content


@given(files())
def test_contracted_words_are_the_syntactic_ones_and_the_ranges(
    written: Written, content: str
) -> None:
    path = written("any.conllu", content)
    both = zip(
        conllu.read(path, words=Words.SYNTACTIC),
        conllu.read(path, words=Words.CONTRACTED),
        strict=True,
    )
    for syntactic, contracted in both:
        pairs = zip(contracted.words, contracted.tags, strict=True)
        words = tuple(word for word, tag in pairs if tag != NOTHING)
        assert words == syntactic.words
        assert set(syntactic.tags) <= set(Words.SYNTACTIC.tags)
        assert set(contracted.tags) <= set(Words.CONTRACTED.tags)


sentences = st.lists(
    st.lists(st.tuples(cells, st.sampled_from(UPOS)), min_size=1, max_size=5).map(
        lambda pairs: Sentence("s", *map(tuple, zip(*pairs, strict=True)))
    ),
    max_size=4,
)


@given(sentences)
def test_what_is_written_is_read_back(written: Written, some: list[Sentence]) -> None:
    path = written("all.conllu", "")
    conllu.write(path, some)
    assert conllu.read(path, words=Words.SYNTACTIC) == some


def test_a_contraction_without_its_range_is_not_written(tmp_path: Path) -> None:
    contracted = Sentence("s-1", ("al", "a", "el"), ("_", "ADP", "DET"))
    with pytest.raises(BadData, match=r"s-1, word 1 \(al\): .*'_'"):
        conllu.write(tmp_path / "all.conllu", [contracted])


@pytest.mark.parametrize(
    ("broken", "number", "message"),
    [
        ("1\tSí\n", 2, "2 columns in '1.tSí': expected 10, with a tab between them: id form"),
        (line("1", "Sí", "INTJ").replace("_", "", 1), 2, "column lemma is empty: write _"),
        (line("uno", "Sí", "INTJ"), 2, "unknown id 'uno': expected a number as 8, a range"),
        (line("1", "Sí", "NP"), 2, "unknown UPOS 'NP': expected one of ADJ, ADP,"),
        (line("1", "Sí"), 2, "unknown UPOS '_'"),
        (line("2", "Sí", "INTJ"), 2, "id 2 out of order: expected word 1; number the"),
        (line("1", "a", "ADP") + line("1", "a", "ADP"), 3, "id 1 out of order: expected word 2"),
        (line("1", "a", "ADP") + line("1.2", "a"), 3, "id 1.2 out of.* expected empty node 1.1"),
        (line("1-2", "al") + line("1", "a", "ADP"), 2, r"range 1-2 \(al\) without its words: the"),
        (
            line("1-2", "al") + line("1", "a", "ADP") + line("3", "sur", "NOUN"),
            2,
            r"range 1-2 \(al\) without its words: expected word 2 in line 4, found 3; add the",
        ),
        (
            line("1-2", "al") + line("1", "a", "ADP") + line("2-3", "el") + line("2", "e", "DET"),
            4,
            "id 2-3 out of order: expected a range that begins with 2 and overlaps no other",
        ),
        (line("2-1", "al"), 2, "id 2-1 out of order: expected a range that begins with 1"),
        (line("1", "a", "ADP") + "# text = a\n", 3, "a comment among the words"),
        ("# text = a\n", 2, "a sentence of comments only: expected words behind them"),
    ],
)
def test_what_is_broken_is_named(written: Written, broken: str, number: int, message: str) -> None:
    with pytest.raises(BadData, match=rf"train\.conllu:{number}: {message}"):
        conllu.read(written("train.conllu", f"\n{broken}\n"), words=Words.SYNTACTIC)


def test_another_encoding_is_named_with_line_and_byte(written: Written) -> None:
    path = written("train.conllu", b"# text = S\xed\n")
    with pytest.raises(BadData, match=r"train\.conllu:1: byte 0xed"):
        conllu.parse(path)


@pytest.mark.parametrize(("split", "size"), [("train", 1200), ("dev", 200), ("test", 427)])
def test_the_real_files_come_back_to_the_byte(shared: Path, split: str, size: int) -> None:
    path = shared / "data" / "ud-gsd" / f"{split}.conllu"
    content = path.read_bytes()
    assert conllu.parse(path).text.encode() == content
    syntactic, contracted = (conllu.read(path, words=words) for words in Words)
    assert len(syntactic) == len(contracted) == size
    ranges = len(re.findall(rb"^\d+-", content, re.MULTILINE))
    assert Counter(tag for found in contracted for tag in found.tags)[NOTHING] == ranges
