"""Text to pre-train on: nothing of dev or test, and notes that point at their sources."""

from itertools import islice

import pytest
from benchmarks.sample.corpus import corpus, rows
from benchmarks.sample.entities import held_out as held_words
from benchmarks.sample.lessons import lessons
from benchmarks.sample.questions import held_out


@pytest.mark.parametrize("brief", [False, True])
def test_lessons_have_no_sentence_of_dev_or_test(brief: bool) -> None:
    held = held_out()
    assert len(held) > 2000
    for lesson in islice(lessons(3, brief=brief), 100):
        assert not [sentence for sentence in held if sentence in lesson.context]


def test_no_note_is_or_asks_what_dev_or_test_say() -> None:
    held, met = held_out(), 0
    for lesson in islice(lessons(20), 2000):
        for note in lesson.notes:
            assert note.text not in held
            question = note.text[: note.value.start].rstrip()
            assert question not in held
            met += question.endswith("?")
    assert met > 2000


def test_the_corpus_has_no_news_of_dev_or_test() -> None:
    held = {" ".join(words) for words in held_words()}
    assert not {told.rpartition(" - ")[2].lower() for told in islice(corpus(), 3000)} & held


@pytest.mark.parametrize("brief", [False, True])
def test_a_note_says_what_stands_at_its_source(brief: bool) -> None:
    for lesson in islice(lessons(3, brief=brief), 300):
        for note in lesson.notes:
            said = note.text[note.value.start : note.value.end]
            source = lesson.context[note.source.start : note.source.end]
            assert said.lower() == source.lower()


def test_twins_of_a_row_say_the_same() -> None:
    for row in islice(rows(3), 300):
        for here, there in row.twins:
            assert row.second is not None
            said = row.first[here.start : here.end]
            assert said.lower() == row.second[there.start : there.end].lower()


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    assert list(islice(corpus(1), 60)) == list(islice(corpus(1), 60))
    assert list(islice(rows(1), 60)) != list(islice(rows(2), 60))
