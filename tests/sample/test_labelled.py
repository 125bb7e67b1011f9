"""The samples with a class: balanced, apart, and not to be told by their words alone."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import pytest
from benchmarks.sample.claims import KINDS
from benchmarks.sample.corpus import corpus
from benchmarks.sample.documents import sentences_of
from benchmarks.sample.splits import ORDER
from benchmarks.sample.vocabulary.topics import TOPICS
from tests.sample.shipped import shipped

from alambique.spec.data import Split
from alambique.tasks.catalogue import dataset
from alambique.tasks.examples import Labelled

Guess = Callable[[Sequence[tuple[Iterable[str], str]], Sequence[tuple[Iterable[str], str]]], float]

SIZES = {"train": 2400, "dev": 300, "test": 400}
each = pytest.mark.parametrize("name", ["inferences", "paraphrases", "documents"])


def said(row: Labelled) -> list[str]:
    """Its sentences."""
    return sentences_of(row) if len(row.texts) == 1 else list(row.texts)


def words(*texts: str) -> list[str]:
    return re.findall(r"\w+", " ".join(texts).lower())


@each
@pytest.mark.parametrize("split", ORDER)
def test_a_split_has_its_size_and_its_labels_are_about_as_common(name: str, split: Split) -> None:
    made = shipped(name, split)
    assert len(made) == SIZES[split]
    assert len({row.id for row in made}) == len(made)
    labels = Counter(row.label for row in made)
    assert set(labels) == set(dataset(f"sample-{name}").labels)
    assert max(labels.values()) < 1.4 * min(labels.values())


@each
def test_no_sentence_is_in_two_splits(name: str) -> None:
    test, dev, train = (
        {sentence.lower() for row in shipped(name, split) for sentence in said(row)}
        for split in ORDER
    )
    assert not test & dev
    assert not train & (test | dev)


@each
@pytest.mark.parametrize("wrong", [" de el ", " a el ", " y I", "  ", " .", "..", "{", "}"])
def test_contractions_and_spacing_are_right(name: str, wrong: str) -> None:
    texts = [text for row in shipped(name, "train") for text in row.texts]
    assert not [text for text in texts if wrong in text]
    assert all(text[0].isupper() and text.endswith(".") for text in texts)


@each
def test_texts_to_pretrain_on_have_none_of_dev_and_test(name: str) -> None:
    held = {text for split in ORDER[:2] for row in shipped(name, split) for text in said(row)}
    told = {sentence for text in islice(corpus(), 1500) for sentence in re.split(r"(?<=\.) ", text)}
    assert not told & held


def test_a_hypothesis_alone_does_not_tell_its_label(by_words: Guess) -> None:
    train, test = (
        [(words(row.texts[1]), row.label) for row in shipped("inferences", split)]
        for split in ("train", "test")
    )
    assert by_words(train, test) < 0.45


def test_the_words_of_a_pair_do_not_tell_its_label(by_words: Guess) -> None:
    train, test = (
        [(words(*row.texts), row.label) for row in shipped("inferences", split)]
        for split in ("train", "test")
    )
    assert by_words(train, test) < 0.5


def hypothesis_forms() -> list[re.Pattern[str]]:
    claims = [claim for kind in KINDS for claim in kind.claims]
    templates = {form for claim in claims for form in (*claim.concluded, *claim.denied)}
    filled = (form.replace("{v}", "(?P<value>.+)").replace("{o}", "[oa]") for form in templates)
    return [re.compile(rf"(?P<name>\w+ \w+) {form}\.") for form in filled]


def test_the_name_and_the_value_of_a_hypothesis_stand_in_every_premise() -> None:
    forms = hypothesis_forms()
    for premise, hypothesis in (row.texts for row in shipped("inferences", "train")):
        found = [match for form in forms if (match := form.fullmatch(hypothesis))]
        assert found
        assert any(match["name"] in premise and match["value"] in premise for match in found)


def overlap(row: Labelled) -> float:
    one, other = (Counter(words(text)) for text in row.texts)
    return (one & other).total() / (one | other).total()


def test_paraphrases_and_others_have_about_the_same_words_in_common() -> None:
    found = {
        label: [overlap(row) for row in shipped("paraphrases", "train") if row.label == label]
        for label in dataset("sample-paraphrases").labels
    }
    one, other = (sum(shares) / len(shares) for shares in found.values())
    assert min(one, other) > 0.75
    assert abs(one - other) < 0.05


def test_the_words_of_two_sentences_do_not_tell_whether_they_say_the_same(by_words: Guess) -> None:
    def seen(row: Labelled) -> list[str]:
        one, other = map(set, map(words, row.texts))
        return [*(f"both {word}" for word in one & other), *(f"one {word}" for word in one ^ other)]

    train, test = (
        [(seen(row), row.label) for row in shipped("paraphrases", split)]
        for split in ("train", "test")
    )
    assert by_words(train, test) < 0.65


def test_no_two_sentences_of_a_pair_are_equal() -> None:
    pairs = [row.texts for row in shipped("paraphrases", "train")]
    assert all(one != other for one, other in pairs)


def test_every_document_has_more_of_its_topic_than_of_another() -> None:
    patterns = {
        topic: [re.compile(re.sub(r"\{\w+\}", ".+", form), re.IGNORECASE) for form in forms]
        for topic, forms in TOPICS.items()
    }

    def topic_of(sentence: str) -> str:
        (found,) = (
            topic
            for topic, forms in patterns.items()
            if any(form.fullmatch(sentence.removesuffix(".")) for form in forms)
        )
        return found

    for row in shipped("documents", "train"):
        (first, most), (_, few) = Counter(map(topic_of, sentences_of(row))).most_common()
        assert (first, most > few) == (row.label, True)


def test_no_word_tells_the_topic() -> None:
    """Even the word that comes closest stands as a distraction in a quarter of its documents."""
    counts: dict[str, Counter[str]] = {}
    for row in shipped("documents", "train"):
        for word in set(words(*row.texts)):
            counts.setdefault(word, Counter())[row.label] += 1
    common = [found for found in counts.values() if found.total() >= 100]
    assert len(common) > 50
    assert max(max(found.values()) / found.total() for found in common) < 0.85
