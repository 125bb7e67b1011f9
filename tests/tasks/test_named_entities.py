import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.distill.alignment import FloatArray
from alambique.runtime.windows import Encoder
from alambique.tasks.examples import Sentence
from alambique.tasks.named_entities import TASK
from alambique.tasks.task import TagGold

LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
WORDS = st.sampled_from(["Ana", "vive", "en", "Palma", ".", "\u00ad", "Villafranca"])
sentences = st.lists(st.tuples(WORDS, st.sampled_from(LABELS)), max_size=30).map(
    lambda rows: Sentence("s", tuple(word for word, _ in rows), tuple(tag for _, tag in rows))
)


def _sentence(tags: str) -> Sentence:
    found = tuple(tags.split())
    return Sentence("s", ("palabra",) * len(found), found)


def test_labels_are_in_an_order_that_does_not_depend_on_the_data() -> None:
    examples = [_sentence("I-PER O B-LOC"), _sentence("B-MISC")]
    expected = ("O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-PER", "I-PER")
    assert TASK.labels(examples) == TASK.labels(examples[::-1]) == expected
    assert TASK.labels([]) == ("O",)


@given(sentences)
def test_a_network_that_gives_the_gold_labels_tags_every_word(
    narrow: Encoder, example: Sentence
) -> None:
    windows = TASK.windows(example, narrow)
    logits: list[FloatArray] = []
    for window in windows:
        gold = TASK.gold(example, window, LABELS)
        assert isinstance(gold, TagGold)
        logits.append(np.zeros((len(window), len(LABELS)), np.float32))
        logits[-1][gold.positions_P, gold.labels_P] = 1
    found = TASK.predict(example, windows, logits, LABELS)
    lost = [word == "\u00ad" for word in example.words]
    assert found == tuple(
        "O" if gone else tag for tag, gone in zip(example.tags, lost, strict=True)
    )


@given(sentences)
def test_each_word_is_gold_once_at_its_first_piece(narrow: Encoder, example: Sentence) -> None:
    labelled: list[int] = []
    for window in TASK.windows(example, narrow):
        gold = TASK.gold(example, window, LABELS)
        assert isinstance(gold, TagGold)
        labelled += window.first_word_N[gold.positions_P].tolist()
        for position in gold.positions_P:
            assert window.first_word_N[position] != window.first_word_N[position - 1]
    assert sorted(labelled) == [n for n, word in enumerate(example.words) if word != "\u00ad"]


def test_both_rules_of_seqeval_and_a_missing_prediction() -> None:
    gold = [_sentence("O B-PER I-PER")]
    continued = TASK.score(gold, [("O", "I-PER", "I-PER")])
    assert (continued["f1"], continued["strict-f1"]) == (1, 0)
    assert continued["accuracy"] == pytest.approx(2 / 3)
    missing = TASK.score(gold, [None])
    assert missing["f1"] == missing["precision"] == missing["recall"] == 0
    assert missing["accuracy"] == pytest.approx(1 / 3)


def test_what_a_model_sees_has_no_labels() -> None:
    assert TASK.texts(_sentence("O B-PER")) == ("palabra", "palabra")
    assert TASK.word_count(_sentence("O B-PER")) == 2
