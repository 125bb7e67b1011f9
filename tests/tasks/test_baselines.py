"""The cheap baselines that teachers have to beat: what they predict, and how long that takes."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.tasks import named_entities
from alambique.tasks import part_of_speech as pos
from alambique.tasks.all import ALL
from alambique.tasks.classification import DOCUMENT_CLASSIFICATION, INFERENCE, PARAPHRASE
from alambique.tasks.examples import Answer, Labelled, Question, Sentence
from alambique.tasks.question_answering import TASK as ANSWERS
from alambique.tasks.task import Baseline, Task

NAMES = {
    "question-answering": ("the sentence with most words of the question", "no answer"),
    "named-entities": ("the most frequent tag of each word",),
    "part-of-speech": ("the most frequent tag of each word",),
    "inference": ("the commonest class", "TF-IDF with logistic regression"),
    "paraphrase": ("the commonest class", "TF-IDF with logistic regression"),
    "document-classification": ("the commonest class", "TF-IDF with logistic regression"),
    "similarity": ("the cosine of TF-IDF", "TF-IDF with ridge regression"),
    "general": (),
}
TOPICS = {"mar": "barco ola puerto", "campo": "trigo arado buey", "cielo": "nube luna pluma"}


def baseline(task: Task[Any, Any], name: str) -> Baseline[Any, Any]:
    return next(one for one in task.baselines if one.name == name)


def sentence(said: str) -> Sentence:
    """Of "word/TAG word/TAG"."""
    words, tags = zip(*(token.split("/") for token in said.split()), strict=True)
    return Sentence("s", words, tags)


def tags(training: Sequence[Sentence], *words: str) -> tuple[str, ...]:
    (one,) = pos.TASK.baselines
    (found,) = one.predict(training, [Sentence("s", words, ())])
    return tuple(found)


def test_every_task_but_the_one_without_labels_has_them() -> None:
    assert {task.name: tuple(one.name for one in task.baselines) for task in ALL} == NAMES


def test_a_word_has_its_most_frequent_tag() -> None:
    training = [sentence("La/DET casa/NOUN casa/VERB"), sentence("casa/NOUN de/ADP la/PRON")]
    assert tags(training, "casa", "La", "la") == ("NOUN", "DET", "PRON")


def test_an_unknown_word_is_looked_up_in_lower_case_then_like_rare_words() -> None:
    training = [sentence("la/DET la/DET la/DET Ana/PROPN Luz/PROPN come/VERB")]
    assert tags(training, "LA", "Marta") == ("DET", "PROPN")
    assert tags([sentence("La/DET la/DET La/PRON La/PRON")], "LA") == ("DET",)  # two each: D
    assert tags([sentence("a/ADP a/ADP b/NOUN b/NOUN b/NOUN")], "c") == ("NOUN",)  # none is rare


WORDS = st.sampled_from(["La", "la", "Ana", "come", "sol"])
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, st.sampled_from("ABC")), min_size=1, max_size=6).map(
        lambda rows: Sentence("s", tuple(w for w, _ in rows), tuple(t for _, t in rows))
    ),
    min_size=1,
)


@given(SENTENCES)
def test_on_what_it_has_seen_no_tags_of_words_do_better(training: list[Sentence]) -> None:
    (one,) = pos.TASK.baselines
    found = pos.TASK.score(training, one.predict(training, training))["accuracy"]
    words = [word for example in training for word in example.words]
    best = sum(
        max(
            sum(
                (w, t) == (word, tag)
                for example in training
                for w, t in zip(example.words, example.tags, strict=True)
            )
            for tag in "ABC"
        )
        for word in set(words)
    )
    assert found == pytest.approx(best / len(words))


def test_entities_of_known_names() -> None:
    training = [sentence("Ana/B-PER vive/O en/O Palma/B-LOC"), sentence("en/O casa/O")]
    (one,) = named_entities.TASK.baselines
    gold = [sentence("Ana/B-PER ve/O Palma/B-LOC")]
    assert one.predict(training, gold) == [("B-PER", "O", "B-LOC")]


def test_the_first_baseline_predicts_the_commonest_class() -> None:
    training = [Labelled("d", ("x",), label) for label in "babca"]
    (one, *_) = INFERENCE.baselines
    assert one.predict(training, training[:2]) == ["a", "a"]


def test_topics_are_told_by_their_words() -> None:
    training = [
        Labelled("d", (f"{word} y {other}",), topic)
        for topic, words in TOPICS.items()
        for word in words.split()
        for other in words.split()
    ]
    linear = baseline(DOCUMENT_CLASSIFICATION, "TF-IDF with logistic regression")
    texts = [Labelled("d", (f"Un {words.split()[0].upper()}.",), "") for words in TOPICS.values()]
    assert linear.predict(training, texts) == list(TOPICS)


def test_pairs_are_told_by_what_their_texts_share() -> None:
    """Of words that are in no training pair, which alone tell nothing."""
    training = [
        Labelled(
            "p", (f"a{n} b{n} c{n}", f"{'a' if same else 'x'}{n} b{n} {'c' * same}{n}"), str(same)
        )
        for n in range(40)
        for same in (True, False)
    ]
    linear = baseline(PARAPHRASE, "TF-IDF with logistic regression")
    pairs = [Labelled("p", ("d e f", "d e f"), ""), Labelled("p", ("d e f", "g e h"), "")]
    assert linear.predict(training, pairs) == ["True", "False"]


@pytest.mark.parametrize("text", ["", "¿…?"])
def test_one_class_or_no_word_at_all_is_no_fault(text: str) -> None:
    linear = baseline(DOCUMENT_CLASSIFICATION, "TF-IDF with logistic regression")
    one, other = Labelled("d", (text,), "a"), Labelled("d", (text,), "b")
    assert linear.predict([one, one], [one]) == ["a"]
    assert linear.predict([one, one, one, other], [one]) == ["a"]


CONTEXT = "Ana vive en Palma. ¿Dónde nació Luis? Luis nació en Jaén en 1931.\nMurió en Baeza"


def answered(question: str, context: str = CONTEXT) -> str:
    (one, _) = ANSWERS.baselines
    (found,) = one.predict([], [Question("q", question, context)])
    assert context[found.start : found.end] == found.text
    return str(found.text)


def test_the_sentence_with_most_words_of_the_question() -> None:
    assert answered("¿En qué año nació Luis?") == "Luis nació en Jaén en 1931."
    assert answered("¿Quién vive en Palma?") == "Ana vive en Palma."
    assert answered("¿Murió?") == "Murió en Baeza"
    assert answered("¿Qué?") == "Ana vive en Palma."  # of equal ones the first
    assert answered("¿Qué?", " ") == ""


@given(st.text(alphabet="aB .?¡!»\n", max_size=40))
def test_a_sentence_is_a_part_of_its_context(context: str) -> None:
    found = answered("a", context)
    assert found == found.strip()
    assert bool(found) == bool(context.strip())


def test_no_answer_is_right_where_there_is_none() -> None:
    known = Question("q", "¿Quién?", "Ana vive.", (Answer("Ana", 0),))
    examples = [known, Question("q", "¿Cuándo?", "Ana vive."), Question("q", "¿Qué?", "Ana.")]
    (_, none) = ANSWERS.baselines
    assert ANSWERS.score(examples, none.predict([], examples))["f1"] == pytest.approx(2 / 3)


def test_of_more_examples_than_are_looked_at_no_class_is_left_out() -> None:
    """Each premise has its hypotheses in one order, as in published files."""
    words = {"entailment": "igual", "neutral": "acaso", "contradiction": "nunca"}
    labels = list(words)
    training = [
        Labelled(str(number), ("uno", words[labels[number % 3]]), labels[number % 3])
        for number in range(60_000)
    ]
    (_, linear) = INFERENCE.baselines
    assert linear.predict(training, training[:6]) == [one.label for one in training[:6]]
