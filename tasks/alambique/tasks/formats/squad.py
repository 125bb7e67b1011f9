"""SQuAD 1.1 and 2.0: JSON of articles, paragraphs and questions with spans of the paragraph."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from alambique.spec.errors import BadData
from alambique.tasks.examples import Answer, Question

T = TypeVar("T")

OfRow = Callable[[Any, str, str], Question]
"""From a row, its context and where it stands."""


def read(path: Path, *, labels: bool = True) -> list[Question]:
    """Return the questions of a file, without empty answers; an `is_impossible` one has none.

    Args:
        path: of the file.
        labels: False: answers are not looked at, and need not be there.

    Raises:
        BadData: the file is not UTF-8, no JSON, not of this form, or an answer is not at its
            offset; the message names the place.
    """
    return [question for article in read_articles(path, labels=labels) for question in article]


def read_articles(path: Path, *, labels: bool = True) -> list[list[Question]]:
    """Return the questions of each article of a file: JSON, or Parquet with a row an article.

    Raises:
        BadData: as `read`.
    """
    of_row = question_of if labels else unanswered_question
    content = {"data": _articles(path)} if path.suffix == ".parquet" else _json(path)
    articles = _field(content, "data", list, f"{path}")
    return [
        _article(article, f"{path}: article {n}", of_row) for n, article in enumerate(articles, 1)
    ]


def write(path: Path, questions: Iterable[Question]) -> None:
    """Write a file that reads back as these questions: 2.0 if one has no answers, else 1.1."""
    rows = list(questions)
    version = "1.1" if all(question.answers for question in rows) else "v2.0"
    paragraphs = [
        {"context": context, "qas": [_row(question, version) for question in group]}
        for context, group in groupby(rows, lambda question: question.context)
    ]
    content = {"version": version, "data": [{"title": path.stem, "paragraphs": paragraphs}]}
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def _row(question: Question, version: str) -> dict[str, Any]:
    answers = [{"text": answer.text, "answer_start": answer.start} for answer in question.answers]
    row = {"id": question.id, "question": question.question, "answers": answers}
    return row if version == "1.1" else row | {"is_impossible": not answers}


def _articles(path: Path) -> list[Any]:
    from alambique.tasks.formats import parquet  # which reads questions by this module

    return [dict(row.cells) for row in parquet.rows(path, ("title", "paragraphs"))]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise BadData(
            f"{path}:{error.lineno}:{error.colno}: broken JSON: {error.msg}; repair the file"
        ) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise BadData(
            f"{path}:{line}: byte {error.start} is not UTF-8: save the file as UTF-8"
        ) from error
    except (RecursionError, ValueError) as error:  # too deep; a number of thousands of digits
        raise BadData(
            f"{path}: no SQuAD file: {error}; repair the file, or download it again"
        ) from error


def _article(article: Any, where: str, of_row: OfRow) -> list[Question]:
    title = article.get("title") if isinstance(article, dict) else None
    if isinstance(title, str) and title:
        where += f" ({title.encode('utf-8', 'backslashreplace').decode()})"
    return [
        question
        for n, paragraph in enumerate(_field(article, "paragraphs", list, where), 1)
        for question in _paragraph(paragraph, f"{where}, paragraph {n}", of_row)
    ]


def _paragraph(paragraph: Any, where: str, of_row: OfRow) -> list[Question]:
    context = text_in(paragraph, "context", where)
    rows = _field(paragraph, "qas", list, where)
    return [of_row(row, context, f"{where}, question {n}") for n, row in enumerate(rows, 1)]


def unanswered_question(row: Any, context: str, where: str) -> Question:
    """Return the question of a row with id and question, whose answers are not looked at.

    Raises:
        BadData: the row is not of this form; the message begins with `where`.
    """
    name = text_in(row, "id", where)
    return Question(name, text_in(row, "question", f"{where} (id {name})"), context)


def question_of(row: Any, context: str, where: str) -> Question:
    """Return the question of a row of id, question, answers or else `is_impossible`.

    Raises:
        BadData: the row is not of this form, or an answer is not at its offset in the context;
            the message begins with `where`.
    """
    question = unanswered_question(row, context, where)
    where = f"{where} (id {question.id})"
    if _is_impossible(row, where):
        return question
    given = _field(row, "answers", list, where)
    answers = tuple(answer for found in given if (answer := _answer(found, context, where)))
    if not answers:
        raise BadData(
            f"{where}: {len(given)} answers, none with a text: give one, or mark the question "
            "with is_impossible: true"
        )
    return replace(question, answers=answers)


def _is_impossible(row: Any, where: str) -> bool:
    value = row.get("is_impossible", False)
    if not isinstance(value, bool):
        raise BadData(f"{where}: 'is_impossible' should be true or false, found {value!r}")
    return value


def _answer(row: Any, context: str, where: str) -> Answer | None:
    text = text_in(row, "text", where)
    if not text.strip():
        return None
    start = _field(row, "answer_start", int, where)
    found = context[start : start + len(text)] if start >= 0 else ""
    if found != text:
        raise BadData(
            f"{where}: the answer {text!r} is not at answer_start {start}, {found!r} is; "
            + _offset_hint(text, context)
        )
    return Answer(text, start)


def _offset_hint(text: str, context: str) -> str:
    at = context.find(text)
    if at < 0:
        return "it is nowhere in the context: correct the answer"
    return f"it is at {at} (offsets count characters, not bytes)"


def text_in(row: Any, key: str, where: str) -> str:
    """Return the text that a row holds at a key; raise `BadData` if it is none."""
    text = _field(row, key, str, where)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadData(
            f"{where}: {key!r} holds half of a surrogate pair, {text[error.start]!r}, at character "
            f"{error.start}: write the whole character"
        ) from error
    return text


def _field(row: Any, key: str, kind: type[T], where: str) -> T:
    if not isinstance(row, dict):
        raise BadData(f"{where}: expected an object with {key!r}, found {type(row).__name__}")
    if key not in row:
        raise BadData(f"{where}: has no {key!r}, only {', '.join(map(repr, row)) or 'nothing'}")
    value = row[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadData(
            f"{where}: {key!r} should be of type {kind.__name__}, found {type(value).__name__}"
        )
    return value
