"""Parts of speech: labels, scores, and a word that no piece stands for."""

import numpy as np
import pytest

from alambique.runtime.windows import Encoder
from alambique.tasks.examples import Sentence
from alambique.tasks.part_of_speech import TASK

LABELS = ("ADP", "NOUN", "X")


def _sentence(tags: str) -> Sentence:
    found = tuple(tags.split())
    return Sentence("s", ("palabra",) * len(found), found)


def test_labels_are_in_alphabetical_order() -> None:
    assert TASK.labels([_sentence("VERB ADP"), _sentence("DET")]) == ("ADP", "DET", "VERB")


def test_what_seqeval_cannot_tell_apart_accuracy_can() -> None:
    found = TASK.score([_sentence("SCONJ DET")], [("CCONJ", "DET")])
    assert (found["seqeval-f1"], found["accuracy"], found["micro-f1"]) == (1, 0.5, 0.5)
    assert found["macro-f1"] == pytest.approx(1 / 3)


def test_a_missing_prediction_is_wrong() -> None:
    assert TASK.score([_sentence("ADP NOUN")], [None])["accuracy"] == 0


def test_a_word_without_a_piece_is_tagged_as_other(wide: Encoder) -> None:
    example = Sentence("s", ("En", "\u00ad"), ("ADP", "NOUN"))
    windows = TASK.windows(example, wide)
    logits = [np.zeros((len(window), 3), np.float32) for window in windows]
    assert TASK.predict(example, windows, logits, LABELS) == ("ADP", "X")
