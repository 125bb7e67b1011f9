"""The sample questions: whole, apart from each other, and not to be answered by type alone."""

from collections import Counter
from random import Random

import pytest
from benchmarks.sample import passages
from benchmarks.sample.passages import DOMAINS, Passage, passage
from benchmarks.sample.splits import ORDER
from tests.sample.shipped import shipped

from alambique.spec.data import Split

SPLITS: tuple[Split, ...] = ORDER
SIZES = {"train": 2400, "dev": 300, "test": 400}


def sentences_of(split: Split) -> set[str]:
    """Every sentence of the contexts of a split, with how the next one starts cut off."""
    contexts = {question.context for question in shipped("questions", split)}
    return {part.strip(" .") for context in contexts for part in context.split(". ")}


def some_passages(number: int) -> list[Passage]:
    random = Random(7)
    return [passage(random) for _ in range(number)]


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_has_its_size_and_ids_of_its_own(split: Split) -> None:
    made = shipped("questions", split)
    assert len(made) == SIZES[split]
    assert len({question.id for question in made}) == len(made)


@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_stands_at_its_offset_as_whole_words(split: Split) -> None:
    for question in shipped("questions", split):
        (answer,) = question.answers
        assert question.context[answer.start : answer.end] == answer.text
        before, after = question.context[: answer.start][-1:], question.context[answer.end :][:1]
        assert not before.isalnum()
        assert not after.isalnum()


@pytest.mark.parametrize("split", SPLITS)
def test_contexts_have_50_to_110_words(split: Split) -> None:
    lengths = [len(question.context.split()) for question in shipped("questions", split)]
    assert min(lengths) >= 50
    assert max(lengths) <= 110


def test_no_sentence_is_in_two_splits() -> None:
    train, dev, test = (sentences_of(split) for split in ("train", "dev", "test"))
    assert not train & dev
    assert not train & test
    assert not dev & test


def test_no_question_is_in_two_splits() -> None:
    train, dev, test = (
        {made.question for made in shipped("questions", split)}
        for split in ("train", "dev", "test")
    )
    assert not train & dev
    assert not train & test
    assert not dev & test


def test_every_fact_has_another_of_its_relation_in_the_passage() -> None:
    for told in some_passages(300):
        counts = Counter(stated.fact.relation.name for stated in told.stated)
        assert min(counts.values()) >= 2


def test_an_answer_is_unambiguous_in_its_passage() -> None:
    """No value stands for two facts, and no two subjects share a name, short or whole."""
    for told in some_passages(300):
        values = [stated.fact.value.text for stated in told.stated]
        subjects = {stated.fact.subject for stated in told.stated}
        names = [subject.short.text for subject in subjects]
        assert len(set(values)) == len(values)
        assert len(set(names)) == len(names)
        assert not set(values) & set(names)


def test_facts_stand_where_the_passage_says() -> None:
    for told in some_passages(300):
        for stated in told.stated:
            value = told.text[stated.value.start : stated.value.end]
            assert value.lower() == stated.fact.value.text.lower()
            if stated.subject:
                named = told.text[stated.subject.start : stated.subject.end]
                assert named == stated.fact.subject.name.text


def test_most_kinds_of_answer_belong_to_more_than_one_relation_of_a_domain() -> None:
    for domain in DOMAINS:
        kinds = Counter(relation.kind for relation in domain.relations)
        assert sum(number for number in kinds.values() if number > 1) >= 4


def test_questions_ask_for_all_kinds_of_answers() -> None:
    kinds = {relation.kind for domain in DOMAINS for relation in domain.relations}
    assert {"city", "year", "number", "date", "person", "profession", "institution"} <= kinds
    starts = Counter(question.question.split()[0] for question in shipped("questions", "train"))
    assert {"¿Quién", "¿Dónde", "¿Cuándo", "¿Qué", "¿Cuántos", "¿En", "¿Cuál"} <= starts.keys()
    assert all(question.question.endswith("?") for question in shipped("questions", "train"))


@pytest.mark.parametrize("wrong", [" de el ", " a el ", "  ", " .", "{", "}", "¿¿"])
def test_contractions_and_spacing_are_right(wrong: str) -> None:
    texts = [f"{made.question} {made.context}" for made in shipped("questions", "train")]
    assert not [text for text in texts if wrong in text]


def test_short_names_are_used_and_subjects_left_out() -> None:
    told = some_passages(200)
    named = [stated.subject is not None for one in told for stated in one.stated]
    assert 0.2 < named.count(False) / len(named) < 0.6
    assert passages.SHORT + passages.OMITTED < 1
