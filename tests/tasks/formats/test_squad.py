import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks.examples import Answer, Question
from alambique.tasks.formats import squad


def _file(tmp_path: Path, qas: Any, context: Any = "Nació en Jaén.", **article: Any) -> Path:
    article = {"title": "Jaén", "paragraphs": [{"context": context, "qas": qas}]} | article
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"version": "1.1", "data": [article]}), "utf-8")
    return path


def _qa(*answers: tuple[str, int], **more: Any) -> dict[str, Any]:
    given = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": "q1", "question": "¿Dónde?", "answers": given} | more


def test_empty_answers_do_not_count(tmp_path: Path) -> None:
    path = _file(tmp_path, [_qa(("", -1), ("Jaén", 9), (" ", 5), ("en Jaén", 6))])
    (question,) = squad.read(path)
    assert question.answers == (Answer("Jaén", 9), Answer("en Jaén", 6))


def test_an_impossible_question_has_no_answers(tmp_path: Path) -> None:
    plausible = {"plausible_answers": [{"text": "Jaén", "answer_start": 9}]}
    path = _file(tmp_path, [_qa(is_impossible=True, **plausible)])
    assert squad.read(path) == [Question("q1", "¿Dónde?", "Nació en Jaén.")]


def test_articles_are_kept_apart(tmp_path: Path) -> None:
    one = json.loads(_file(tmp_path, [_qa(("Jaén", 9))]).read_text("utf-8"))
    path = tmp_path / "two.json"
    path.write_text(json.dumps(one | {"data": one["data"] * 2}), "utf-8")
    assert [len(article) for article in squad.read_articles(path)] == [1, 1]


@st.composite
def _questions(draw: st.DrawFn) -> Question:
    context = draw(st.text(st.sampled_from("río € \n\u2028ñ"), min_size=1, max_size=30))
    cuts = st.tuples(st.integers(0, len(context)), st.integers(0, len(context)))
    spans = [sorted(cut) for cut in draw(st.lists(cuts, max_size=3))]
    answers = tuple(Answer(context[a:b], a) for a, b in spans if context[a:b].strip())
    return Question(draw(st.text("0123", max_size=3)), draw(st.text("¿q?")), context, answers)


@given(st.lists(_questions(), max_size=5))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, questions: list[Question]
) -> None:
    path = tmp_path_factory.mktemp("squad") / "all.json"
    squad.write(path, questions)
    content = path.read_bytes()
    assert squad.read(path) == questions
    squad.write(path, squad.read(path))
    assert path.read_bytes() == content


@given(_questions(), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_another_program_s_file_comes_back_in_its_questions(
    tmp_path_factory: pytest.TempPathFactory, question: Question, ascii_only: bool, indent: Any
) -> None:
    """Not to the byte: titles, the order of keys, spaces and escapes are not kept."""
    path = tmp_path_factory.mktemp("squad") / "all.json"
    answers = [{"answer_start": a.start, "text": a.text} for a in question.answers]
    row = {"question": question.question, "id": question.id, "answers": answers}
    qas = [row | {"is_impossible": not answers, "plausible_answers": []}]
    paragraphs = [{"qas": qas, "context": question.context}]
    content = {"data": [{"title": "Jaén", "paragraphs": paragraphs}] * 2}
    path.write_text(json.dumps(content, ensure_ascii=ascii_only, indent=indent), "utf-8")
    found = squad.read(path)
    assert found == [question] * 2
    squad.write(path, found)
    assert squad.read(path) == found


def test_a_span_that_is_not_at_its_offset_is_named_with_its_place(tmp_path: Path) -> None:
    path = _file(tmp_path, [_qa(("Nació", 0), id="q0"), _qa(("Jaén", 8))])
    with pytest.raises(BadData) as raised:
        squad.read(path)
    assert str(raised.value) == (
        f"{path}: article 1 (Jaén), paragraph 1, question 2 (id q1): the answer 'Jaén' is not at "
        "answer_start 8, ' Jaé' is; it is at 9 (offsets count characters, not bytes)"
    )


@pytest.mark.parametrize(
    ("qas", "message"),
    [
        ([_qa(("Jaén", -5))], "is not at answer_start -5, '' is"),
        ([_qa(("Cádiz", 9))], "it is nowhere in the context"),
        ([_qa(("", 0))], "1 answers, none with a text: give one, or mark the question"),
        ([_qa(answers=3)], "'answers' should be of type list, found int"),
        ([_qa(answers=[3])], "expected an object with 'text', found int"),
        ([_qa(answers=[{"text": "Jaén", "answer_start": True}])], "of type int, found bool"),
        ([_qa(question="\ud83d")], "'question' holds half of a surrogate pair"),
        ([_qa() | {"is_impossible": "false"}], "'is_impossible' should be true or false"),
        ([_qa() | {"is_impossible": False}], "0 answers, none with a text"),
        ([{"id": "q1"}], "has no 'question', only 'id'"),
        ([["q1"]], "question 1: expected an object with 'id', found list"),
        (3, "paragraph 1: 'qas' should be of type list, found int"),
    ],
)
def test_what_is_not_of_the_form_is_named(tmp_path: Path, qas: Any, message: str) -> None:
    with pytest.raises(BadData, match=message) as raised:
        squad.read(_file(tmp_path, qas))
    assert "train.json: article 1 (Jaén), paragraph 1" in str(raised.value)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"data": ' + "9" * 5000 + "}"])
def test_json_that_python_does_not_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.json").write_text(content)
    with pytest.raises(BadData, match=r"odd\.json: no SQuAD file"):
        squad.read(tmp_path / "odd.json")


def test_a_title_that_cannot_be_printed_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"article 1 \(\\ud83d\)"):
        squad.read(_file(tmp_path, 3, title="\ud83d"))


def test_broken_json_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('{"data":\n  [}', "utf-8")
    with pytest.raises(BadData, match=r"train\.json:2:4: broken JSON: Expecting value"):
        squad.read(path)


def test_another_encoding_is_named_with_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_bytes('{"data": "Jaén"}'.encode("latin-1"))
    with pytest.raises(BadData, match=r"\bbyte 12\b"):
        squad.read(path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"data": {}}'])
def test_another_kind_of_json_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(content, "utf-8")
    with pytest.raises(BadData, match="'data'"):
        squad.read(path)
