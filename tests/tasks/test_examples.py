from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks.examples import Answer, Example, Question, Sentence, content_hash, read, write

texts = st.text(st.characters(codec="utf-8"), max_size=20)
answers = st.builds(Answer, texts, st.integers(0, 99))
examples: st.SearchStrategy[list[Example]] = st.lists(
    st.builds(Question, texts, texts, texts, st.lists(answers, max_size=2).map(tuple))
    | st.builds(Sentence, texts, st.lists(texts).map(tuple), st.lists(texts).map(tuple)),
    max_size=5,
)


@given(rows=examples)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Example]
) -> None:
    path = tmp_path_factory.mktemp("examples") / "rows.jsonl"
    assert write(path, rows) == content_hash(rows)
    assert read(path) == rows


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


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"id": "1"}', '{"words": 3, "id": ""}'])
def test_a_line_that_is_no_example_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    write(path, [Sentence("1", ("a",), ("O",))])
    path.write_text(path.read_text("utf-8") + line, "utf-8")
    with pytest.raises(BadData, match=r"rows\.jsonl:2: no example"):
        read(path)
