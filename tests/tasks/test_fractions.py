"""What each example adds to its task's primary score: the ratio of the sums is that score."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.runtime.spans import Span
from alambique.tasks import named_entities, part_of_speech, question_answering
from alambique.tasks.bootstrap import ratio
from alambique.tasks.calibration import calibration_error
from alambique.tasks.classification import INFERENCE
from alambique.tasks.examples import Answer, Labelled, Question, Sentence
from alambique.tasks.task import Task

TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
UPOS = st.sampled_from(["NOUN", "DET", "VERB", "X"])


def tagged(tags: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[list[str], list[str] | None]]:
    """Gold and predicted tags of a sentence; None is a missing prediction."""
    return st.integers(1, 8).flatmap(
        lambda n: st.tuples(
            st.lists(tags, min_size=n, max_size=n),
            st.none() | st.lists(tags, min_size=n, max_size=n),
        )
    )


def sentence(tags: list[str]) -> Sentence:
    return Sentence("s", ("palabra",) * len(tags), tuple(tags))


@pytest.mark.parametrize(
    ("task", "tags"), [(named_entities.TASK, TAGS), (part_of_speech.TASK, UPOS)]
)
@given(data=st.data())
def test_fractions_of_tags_make_the_score(
    task: Task[Any, Any], tags: st.SearchStrategy[str], data: st.DataObject
) -> None:
    pairs = data.draw(st.lists(tagged(tags), min_size=1, max_size=6))
    examples = [sentence(gold) for gold, _ in pairs]
    predictions = [None if found is None else tuple(found) for _, found in pairs]
    fractions = task.fractions(examples, predictions)
    assert fractions.shape == (len(examples), 2)
    assert ratio(fractions) == pytest.approx(task.score(examples, predictions)[task.primary])
    right = task.right(examples, predictions)
    assert right.mean() == pytest.approx(task.score(examples, predictions)["accuracy"])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.sampled_from("abc")), min_size=1))
def test_fractions_of_classes_make_the_score(pairs: list[tuple[str, str | None]]) -> None:
    task, examples = INFERENCE, [Labelled("p", ("una", "otra"), gold) for gold, _ in pairs]
    predictions = [found for _, found in pairs]
    expected = task.score(examples, predictions)["accuracy"]
    assert ratio(task.fractions(examples, predictions)) == pytest.approx(expected)
    assert task.right(examples, predictions).mean() == pytest.approx(expected)


CONTEXT = "Ana Ruiz nació en Lugo en 1931"
SPANS = st.tuples(st.integers(0, 29), st.integers(1, 20)).map(
    lambda at: Span(CONTEXT[at[0] : sum(at)], at[0], sum(at), 1.0, 0.5, 2.0 * (at[1] % 2))
)
GOLDS = st.sampled_from([(), (Answer("Lugo", 18),), (Answer("1931", 26),)])


@given(st.lists(st.tuples(GOLDS, st.none() | SPANS), min_size=1, max_size=6))
def test_fractions_of_answers_make_the_score(
    pairs: list[tuple[tuple[Answer, ...], Span | None]],
) -> None:
    task = question_answering.TASK
    examples = [Question("q", "¿Dónde?", CONTEXT, golds) for golds, _ in pairs]
    predictions = [found for _, found in pairs]
    scores = task.score(examples, predictions)
    assert ratio(task.fractions(examples, predictions)) == pytest.approx(scores["f1"])
    assert task.right(examples, predictions).mean() == pytest.approx(scores["em"])


@given(st.lists(st.tuples(st.integers(0, 149), st.booleans()), min_size=1, max_size=60))
def test_the_calibration_error_is_that_of_its_bins(pairs: list[tuple[int, bool]]) -> None:
    """Against the definition, bin by bin; no confidence is at the edge of a bin."""
    confidence = np.array([(number + 0.5) / 150 for number, _ in pairs])
    right = np.array([hit for _, hit in pairs])
    expected = 0.0
    for low in np.arange(15) / 15:
        chosen = (confidence > low) & (confidence < low + 1 / 15)
        if chosen.any():
            gap = abs(confidence[chosen].mean() - right[chosen].mean())
            expected += gap * chosen.mean()
    assert calibration_error(confidence, right) == pytest.approx(expected)


def test_a_model_that_is_as_right_as_it_says_has_none() -> None:
    assert calibration_error(np.full(4, 0.75), np.array([True, True, True, False])) == 0
    assert calibration_error(np.ones(3), np.zeros(3, bool)) == 1
    assert calibration_error(np.zeros(0), np.zeros(0, bool)) == 0
