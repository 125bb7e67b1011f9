"""The sample of parts of speech: well tagged, apart, and not to be had from a list of words."""

from collections import Counter, defaultdict

import pytest
from benchmarks.sample.splits import ORDER
from benchmarks.sample.vocabulary.speech import CLAUSES, JOINTS
from tests.sample.shipped import shipped

from alambique.spec.data import Split
from alambique.tasks.formats.conllu import UPOS

SIZES = {"train": 2400, "dev": 300, "test": 400}


@pytest.mark.parametrize("split", ORDER)
def test_a_split_has_its_size_and_a_tag_for_each_word(split: Split) -> None:
    made = shipped("speech", split)
    assert len(made) == SIZES[split]
    assert len({sentence.id for sentence in made}) == len(made)
    assert all(len(sentence.words) == len(sentence.tags) for sentence in made)
    tags = {tag for sentence in made for tag in sentence.tags}
    assert set(UPOS) - tags == {"PART", "X"}
    assert tags <= set(UPOS)


def test_no_sentence_is_in_two_splits_or_twice() -> None:
    said = [
        " ".join(sentence.words).lower() for split in ORDER for sentence in shipped("speech", split)
    ]
    assert len(set(said)) == len(said)


def test_a_sentence_starts_with_a_capital_and_nothing_contracts_wrongly() -> None:
    for split in ORDER:
        for sentence in shipped("speech", split):
            assert next(word for word in sentence.words if word.isalnum())[0].isupper()
            said = f" {' '.join(sentence.words).lower()} "
            assert " de el " not in said
            assert " a el " not in said
            assert " y i" not in said
            assert "{" not in said


def test_every_word_of_a_template_has_a_known_tag() -> None:
    parts = [part for template in (*CLAUSES, *JOINTS) for part in template.split()]
    tags = {part.rpartition("/")[2] for part in parts if not part.startswith("{")}
    assert tags <= set(UPOS)


def test_many_words_have_more_than_one_tag() -> None:
    tags = defaultdict(set)
    for sentence in shipped("speech", "train"):
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            tags[word.lower()].add(tag)
    ambiguous = {word for word, found in tags.items() if len(found) > 1}
    assert len(ambiguous) >= 25
    assert {"para", "sobre", "la", "que", "bajo", "como", "entre", "nada"} <= ambiguous


def test_the_commonest_tag_of_each_word_is_often_wrong() -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in shipped("speech", "train"):
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            counts[word.lower()][tag] += 1
    right = [
        counts[word.lower()].most_common(1)[0][0] == tag
        for sentence in shipped("speech", "test")
        for word, tag in zip(sentence.words, sentence.tags, strict=True)
        if len(counts[word.lower()]) > 1
    ]
    assert len(right) > 500
    assert sum(right) / len(right) < 0.8
