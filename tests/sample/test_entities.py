"""The sample sentences: well tagged, apart from each other, with names of more than one type."""

from collections import defaultdict

import pytest
from benchmarks.sample.splits import ORDER
from tests.sample.shipped import shipped

from alambique.spec.data import Split

SIZES = {"train": 2400, "dev": 300, "test": 400}
TAGS = {"O"} | {f"{place}-{kind}" for place in "BI" for kind in ("PER", "ORG", "LOC", "MISC")}


@pytest.mark.parametrize("split", ORDER)
def test_a_split_has_its_size_and_a_tag_for_each_word(split: Split) -> None:
    made = shipped("entities", split)
    assert len(made) == SIZES[split]
    assert len({sentence.id for sentence in made}) == len(made)
    assert all(len(sentence.words) == len(sentence.tags) for sentence in made)
    assert {tag for sentence in made for tag in sentence.tags} == TAGS


def texts_of(split: Split) -> list[str]:
    return [" ".join(sentence.words) for sentence in shipped("entities", split)]


def test_no_sentence_is_in_two_splits_or_twice() -> None:
    words = [sentence.words for split in ORDER for sentence in shipped("entities", split)]
    assert len(set(words)) == len(words)


def test_what_follows_a_dateline_stands_alone_in_no_other_split() -> None:
    told = {
        split: {
            " ".join(made.words).rpartition(" - ")[2].lower() for made in shipped("entities", split)
        }
        for split in ORDER
    }
    assert not told["train"] & (told["dev"] | told["test"])
    assert not told["dev"] & told["test"]


def test_an_inside_tag_follows_one_of_its_own_type() -> None:
    for sentence in shipped("entities", "train"):
        for before, tag in zip(("O", *sentence.tags), sentence.tags, strict=False):
            assert not tag.startswith("I-") or before[1:] == tag[1:]


def test_words_are_split_from_punctuation_and_start_with_a_capital() -> None:
    for sentence in shipped("entities", "train"):
        assert all(
            word.isalnum() or word in {",", ".", ";", "-", "«", "»"} for word in sentence.words
        )
        assert next(word for word in sentence.words if word.isalnum())[0].isupper()


def test_many_words_are_names_of_several_types() -> None:
    """So that looking a word up does not give its type: at least 30 stand for three or more."""
    types = defaultdict(set)
    for sentence in shipped("entities", "train"):
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            if tag.startswith("B-"):
                types[word].add(tag)
    assert sum(len(found) >= 3 for found in types.values()) >= 30


def test_the_commonest_tag_of_each_word_is_often_wrong() -> None:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for sentence in shipped("entities", "train"):
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            counts[word][tag] += 1
    best = {word: max(tags, key=lambda tag: tags[tag]) for word, tags in counts.items()}
    right = [
        best.get(word, "O") == tag
        for sentence in shipped("entities", "test")
        for word, tag in zip(sentence.words, sentence.tags, strict=True)
        if tag != "O"
    ]
    assert sum(right) / len(right) < 0.75
