"""Whole texts through a network that knows the answer, in windows and in batches."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from alambique.runtime.about import About
from alambique.runtime.engines import Forward
from alambique.runtime.model import BATCH_TOKENS, Model, Query, TaggedWord, length_batches
from alambique.runtime.spans import SpanSettings, best_span
from alambique.runtime.tags import word_tags
from alambique.runtime.windows import Encoder, Inputs, pad
from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.outputs import Output

FAMILIES = ["wordpiece", "bytebpe", "unigram"]
CONTEXT = "El río Ebro nace en Fontibre, Cantabria, y cruza Zaragoza. " * 6 + "Costó 7,50 €."


def _finder(ids: list[int], classes: int = 2) -> Forward:
    """A network whose first logit is high where the ids begin, its second where they end."""

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        logits = np.zeros((*inputs.input_ids_BN.shape, classes), np.float32)
        logits[:, 0] = 1.0
        for row, found in enumerate(inputs.input_ids_BN.tolist()):
            for n in range(len(found)):
                if found[n : n + len(ids)] == ids:
                    logits[row, n, 0] = logits[row, n + len(ids) - 1, 1] = 9.0
        return logits

    return forward


def _model(
    encoder: Encoder,
    forward: Forward,
    output: Output = Output.SPAN,
    *,
    labels: Sequence[str] = (),
    inputs: Sequence[str] = ("text",),
    **settings: Any,
) -> Model:
    """A model of such a network, whose texts become windows by that encoder."""
    about = About(
        "some-task",
        output,
        tuple(inputs),
        tuple(labels),
        encoder.max_length,
        encoder.stride,
        settings,
    )
    return Model(about, encoder, forward)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_found_in_any_window(tokenizers: dict[str, Tokenizer], family: str) -> None:
    encoder = Encoder.of(tokenizers[family], max_length=40, stride=12, pad_id=0)
    assert len(encoder.question("¿Cuánto?", CONTEXT)) > 4
    ids = encoder.tokenizer.encode("x 7,50", add_special_tokens=False).ids
    price = [n for n in ids if n not in encoder.tokenizer.encode("x", add_special_tokens=False).ids]
    span = _model(encoder, _finder(price)).answer("¿Cuánto?", CONTEXT)
    assert (span.text, CONTEXT[span.start : span.end]) == ("7,50", "7,50")
    assert span.score == 18.0
    assert span.null_score == 2.0


def test_nothing_is_answered_where_the_null_scores_higher(
    tokenizers: dict[str, Tokenizer],
) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=40, stride=12, pad_id=0)
    span = _model(encoder, _finder([-1]), null_threshold=0.0).answer("q", CONTEXT)
    assert (span.text, span.start, span.end) == ("", 0, 0)
    always = _model(encoder, _finder([-1]), null_threshold=9.0).answer("q", CONTEXT)
    assert always.text


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_a_context_without_words_has_no_answer(
    tokenizers: dict[str, Tokenizer], threshold: float | None
) -> None:
    encoder = Encoder.of(tokenizers["bytebpe"], max_length=40, stride=12, pad_id=0)
    model = _model(encoder, _finder([-1]), null_threshold=threshold)
    assert model.answer("q", "  ").text == ""
    assert [span.text for span in model.answers("q", "  ")] == [""]
    (said,) = model.run([Query("q", "  ", best=3)])
    assert (said["answer"], [one["answer"] for one in said["best"]]) == ("", [""])


def test_several_answers_come_best_first_with_no_answer_among_them(
    tokenizers: dict[str, Tokenizer],
) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=40, stride=12, pad_id=0)
    ids = encoder.tokenizer.encode("Zaragoza", add_special_tokens=False).ids
    always = _model(encoder, _finder(ids), max_answer_length=len(ids))
    sometimes = _model(encoder, _finder(ids), null_threshold=0)
    spans = always.answers("q", CONTEXT, best=4)
    assert [span.text for span in spans] == ["Zaragoza"] * 4
    assert len({span.start for span in spans}) == 4
    found = sometimes.answers("q", CONTEXT, best=99)
    assert [span.text for span in found].count("") == 1
    assert [span.score for span in found] == sorted((span.score for span in found), reverse=True)


def test_settings_of_a_version_bound_its_answers(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=200, stride=12, pad_id=0)
    model = _model(encoder, _finder([-1]), n_best=3, max_answer_length=1, decoder="run_qa")
    spans = model.answers("q", CONTEXT, best=99)
    assert 0 < len(spans) <= 3
    assert not any(" " in span.text for span in spans)


def test_an_answer_is_no_longer_than_the_settings_say(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=400, stride=12, pad_id=0)
    (window,) = windows = encoder.question("q", "a b c d e")
    logits = np.zeros((len(window), 2), np.float32)
    first, last = np.flatnonzero(window.first_word_N >= 0)[[0, -1]]
    logits[first, 0], logits[last, 1] = 5, 5
    long = best_span(windows, [logits], "a b c d e")
    short = best_span(windows, [logits], "a b c d e", SpanSettings(max_answer_length=2))
    assert long.text == "a b c d e"
    assert short.text in {"a", "a b", "d e", "e"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_word_is_tagged_and_a_lost_one_is_outside(
    tokenizers: dict[str, Tokenizer], family: str
) -> None:
    encoder = Encoder.of(tokenizers[family], max_length=16, stride=4, pad_id=0)
    words = ["El", "Ebro", "\u00ad", "nace", "en", "Fontibre", ",", "Cantabria", "."] * 3
    ebro = encoder.presplit.encode(["Ebro"], is_pretokenized=True, add_special_tokens=False).ids

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        here_BN = inputs.input_ids_BN == ebro[0]
        return np.stack([~here_BN, here_BN], axis=-1).astype(np.float32)

    text = " ".join(words)
    model = _model(encoder, forward, Output.TAGS, labels=["B-MISC", "B-LOC"])
    found = model.tag(text)
    assert [(word.word, text[word.start : word.end]) for word in found] == [
        (word, word) for word in words
    ]
    assert [word.tag for word in found if word.word == "Ebro"] == ["B-LOC"] * 3
    lost = "O" if family == "wordpiece" else "B-MISC"
    assert [word.tag for word in found if word.word == "\u00ad"] == [lost] * 3
    assert {word.tag for word in found if word.word == "nace"} == {"B-MISC"}
    assert all((word.probability == 0) is (word.tag == "O") for word in found)


def test_a_text_is_tagged_by_its_words(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["unigram"], max_length=16, stride=4, pad_id=0)
    model = _model(encoder, _finder([-1], classes=1), Output.TAGS, labels=["O"])
    assert model.tag("¿Nace  en?") == [
        TaggedWord("¿", 0, 1, "O", 1.0),
        TaggedWord("Nace", 1, 5, "O", 1.0),
        TaggedWord("en", 7, 9, "O", 1.0),
        TaggedWord("?", 9, 10, "O", 1.0),
    ]
    assert model.tag("") == []


def test_queries_are_answered_together_as_they_are_alone(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=40, stride=12, pad_id=0)
    ids = encoder.tokenizer.encode("Zaragoza", add_special_tokens=False).ids
    shapes: list[tuple[int, ...]] = []

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        shapes.append(inputs.input_ids_BN.shape)
        return _finder(ids)(inputs)

    model = _model(encoder, forward)
    queries = [Query("q", CONTEXT[n:]) for n in range(0, len(CONTEXT), 7)]
    together = model.run(queries)
    assert sum(rows for rows, _ in shapes) > len(queries)
    assert all(rows <= 64 and rows * length <= BATCH_TOKENS for rows, length in shapes)
    assert [length for _, length in shapes] == sorted(length for _, length in shapes)
    assert together == [model.run([query])[0] for query in queries]
    assert model.run([]) == []


def test_a_batch_dependent_model_answers_each_query_by_itself(
    tokenizers: dict[str, Tokenizer],
) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=40, stride=12, pad_id=0)

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        # as dynamic int8 does: a range over the whole batch decides what is left of each text
        step = inputs.input_ids_BN.max() / 7
        rounded_BN = np.round(inputs.input_ids_BN / step).astype(np.float32)
        return np.stack([rounded_BN, rounded_BN.max() - rounded_BN], axis=-1)

    model = replace(_model(encoder, forward), is_batch_dependent=True)
    queries = [Query("¿Cuánto?", CONTEXT[n:], best=3) for n in range(0, len(CONTEXT), 40)]
    alone = [model.run([query])[0] for query in queries]
    assert model.run(queries) == alone
    assert model.run(queries[::-1]) == alone[::-1]
    span = model.answer("¿Cuánto?", CONTEXT)
    assert (alone[0]["answer"], alone[0]["score"]) == (span.text, span.probability)
    assert model.run(queries, together=True) != alone
    assert model.run([]) == []


def test_every_window_is_in_one_batch() -> None:
    lengths = np.random.default_rng(3).integers(1, 6000, 300).tolist()
    batches = list(length_batches(lengths))
    assert sorted(n for batch in batches for n in batch) == list(range(300))


@pytest.mark.parametrize(
    ("output", "query", "sentence"),
    [
        (Output.SPAN, Query(texts=["uno"]), "give a question and a context"),
        (Output.TAGS, Query(texts=["uno", "dos"]), "give one text"),
        (Output.CLASSES, Query(texts=["uno", "dos"]), "reads text: give a text for each"),
        (Output.SCORE, Query("q", "c"), "reads text: give a text for each"),
        (Output.STATES, Query(texts=["uno"]), "no head"),
    ],
)
def test_another_query_than_the_model_s_is_refused(
    tokenizers: dict[str, Tokenizer], output: Output, query: Query, sentence: str
) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=40, stride=12, pad_id=0)
    with pytest.raises(BadSpec, match=sentence):
        _model(encoder, _finder([-1]), output).run([query])


def test_another_method_than_the_model_s_is_refused(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=40, stride=12, pad_id=0)
    tagging = _model(encoder, _finder([-1]), Output.TAGS, labels=["a", "b"])
    calls: list[Callable[[], object]] = [
        lambda: tagging.answer("q", "c"),
        lambda: tagging.answers("q", "c"),
        lambda: tagging.classify("uno"),
        lambda: tagging.rate("uno"),
    ]
    for call in calls:
        with pytest.raises(BadSpec, match=r"for some-task and answers tags.*call tag\(text\)"):
            call()
    with pytest.raises(BadSpec, match=r"call classify\(text\)"):
        _model(encoder, _finder([-1]), Output.CLASSES).tag("uno")


ABOUT_FIELDS = {
    "task": "t",
    "output": "tags",
    "inputs": ["text"],
    "labels": ["O"],
    "max_length": 64,
    "stride": 16,
}


def test_what_a_folder_says_is_read() -> None:
    about = About.of(ABOUT_FIELDS, Path("v"))
    assert about == About("t", Output.TAGS, ("text",), ("O",), 64, 16, {})


@pytest.mark.parametrize("field", ABOUT_FIELDS)
def test_a_field_that_a_folder_does_not_say_is_named(field: str) -> None:
    fields = {name: value for name, value in ABOUT_FIELDS.items() if name != field}
    with pytest.raises(BadModel, match=rf"lacks '{field}'"):
        About.of(fields, Path("v"))


@pytest.mark.parametrize("change", [{"output": "x"}, {"labels": 3}, {"stride": None}])
def test_a_value_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadModel, match="value that is none"):
        About.of(ABOUT_FIELDS | change, Path("v"))


def test_windows_are_padded_on_the_right(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=24, stride=4, pad_id=7)
    short, long = encoder.words(["a"])[0], encoder.words(["a", "b", "c"])[0]
    inputs = pad([short, long], encoder.pad_id)
    assert inputs.input_ids_BN.shape == (2, len(long))
    assert inputs.input_ids_BN[0, len(short) :].tolist() == [7] * (len(long) - len(short))
    assert inputs.attention_BN.sum(axis=1).tolist() == [len(short), len(long)]
    assert pad([short], 7, length=24).type_ids_BN.shape == (1, 24)


def test_tags_of_no_windows_are_outside() -> None:
    assert word_tags([], [], ["B-PER"], 2) == ("O", "O")
