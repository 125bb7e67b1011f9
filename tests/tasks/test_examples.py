import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks import arrow
from alambique.tasks.arrow import Form
from alambique.tasks.examples import (
    Answer,
    Example,
    Labelled,
    Question,
    Sentence,
    Text,
    content_hash,
    intact,
    read,
    write,
)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
answers = st.builds(Answer, texts, st.integers(0, 99))
several = st.lists(texts, max_size=3).map(tuple)
kinds: list[st.SearchStrategy[Example]] = [
    st.builds(Question, texts, texts, texts, st.lists(answers, max_size=2).map(tuple)),
    st.builds(Sentence, texts, several, several),
    st.builds(Labelled, texts, several, texts),
    st.builds(Text, texts, texts),
]


@settings(deadline=None)  # the first file imports pyarrow
@given(data=st.data())
@pytest.mark.parametrize("kind", kinds)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    kind: st.SearchStrategy[Example],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("examples") / "rows.arrow"
    rows = data.draw(st.lists(kind, max_size=5))
    assert write(path, rows) == content_hash(rows)
    assert read(path) == rows


def test_more_than_a_batch_is_read_back(tmp_path: Path) -> None:
    rows = [Labelled(str(n), ("a",) * (n % 3), "b") for n in range(20_001)]
    write(tmp_path / "rows.arrow", rows)
    assert read(tmp_path / "rows.arrow") == rows


def test_the_hash_is_that_of_the_rows_as_json_lines() -> None:
    """Whatever the file is: keys of stages hold it."""
    rows = [Labelled("1", ("añ", "b"), "c"), Labelled("2", (), "")]
    lines = [json.dumps(asdict(row), ensure_ascii=False, sort_keys=True) for row in rows]
    expected = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert content_hash(rows) == expected


def test_the_hash_sees_every_field_and_the_order() -> None:
    one = Question("1", "q", "c", (Answer("c", 0),))
    rows: list[list[Example]] = [
        [one],
        [Question("1", "q", "c")],
        [Question("2", "q", "c", one.answers)],
        [one, Sentence("1", ("a",), ("O",))],
        [Sentence("1", ("a",), ("O",)), one],
        [Sentence("1", ("a",), ("B-PER",)), one],
    ]
    assert len({content_hash(row) for row in rows}) == len(rows)


def test_a_file_holds_one_kind(tmp_path: Path) -> None:
    mixed: list[Example] = [Sentence("1", ("a",), ("O",)), Labelled("1", ("a",), "O")]
    with pytest.raises(TypeError, match="examples of Labelled and Sentence: expected one kind"):
        write(tmp_path / "rows.arrow", mixed)


ROWS = [Question(str(n), "¿Dónde?", "Nació en Jaén.", (Answer("Jaén", 9),)) for n in range(50)]


@pytest.mark.parametrize("content", [b"", b"{}\n", b"ARROW1\0\0", b"ARROW1\0\0ARROW1"])
def test_what_is_no_file_of_examples_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.arrow"
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"rows\.arrow: no whole file of examples .*retry the job"):
        read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"rows\.arrow: "):
        read(tmp_path / "rows.arrow")


def test_a_cut_or_longer_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    write(path, ROWS)
    whole = path.read_bytes()
    for changed in (*(whole[:length] for length in range(0, len(whole), 97)), whole + b"\0"):
        path.write_bytes(changed)
        with pytest.raises(BadData):
            read(path)


def test_a_flipped_bit_is_named(tmp_path: Path) -> None:
    """Arrow would give other texts, or lists cut elsewhere, and say nothing."""
    path = tmp_path / "rows.arrow"
    write(path, ROWS)
    whole, random = path.read_bytes(), Random(1)
    for _ in range(300):
        at = random.randrange(len(whole))
        changed = whole[at] ^ 1 << random.randrange(8)
        path.write_bytes(whole[:at] + bytes([changed]) + whole[at + 1 :])
        with pytest.raises(BadData):
            read(path)
        assert not intact(path)


def test_a_file_is_intact_where_it_was_written_and_only_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    assert not intact(path)
    path.write_bytes(b"")
    assert not intact(path)
    write(path, ROWS)
    assert intact(path)
    assert [found.name for found in tmp_path.iterdir()] == ["rows.arrow"]


def test_columns_of_another_program_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    arrow.save(path, {"id": Form.TEXT, "label": Form.TEXT}, [{"id": "1", "label": "a"}])
    with pytest.raises(BadData, match=r"it has columns .*id: string.*label: string"):
        read(path)
