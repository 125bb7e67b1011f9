"""A model that answers: its network, run by an engine, with its tokenizer and its labels.

Shapes: N pieces of a window, C classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from alambique.distill.alignment import FloatArray
from alambique.runtime.about import About, read_about
from alambique.runtime.engines import Forward, depends_on_batch, open_engine
from alambique.runtime.softmax import softmax
from alambique.runtime.spans import Span, SpanSettings, choose_span, nbest
from alambique.runtime.tags import tag_probabilities, word_tags
from alambique.runtime.windows import Encoder, Window, pad
from alambique.runtime.words import words_of
from alambique.spec.errors import BadSpec
from alambique.spec.outputs import Output

BATCH_TOKENS = 1024
"""The most tokens of a batch, with padding. On a CPU longer batches gain nothing: a window of 48
pieces takes longer among 21 than among 10, and activations beyond 32 MB come from the system anew
for each layer."""
BATCH_WINDOWS = 64
_OF_SPANS = ("n_best", "max_answer_length", "null_threshold")
"""The settings that decide which span is the answer."""


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody asks of a model: a question about a context, or one text or several."""

    question: str | None = None
    context: str | None = None
    texts: Sequence[str] = ()
    best: int = 1
    """How many answers to a question are wanted."""


@dataclass(frozen=True, slots=True)
class TaggedWord:
    """A word of a text, where it stands, and its tag."""

    word: str
    start: int
    """In characters."""
    end: int
    """In characters, not included."""
    tag: str
    probability: float


@dataclass(frozen=True, slots=True)
class Model:
    """A network with all that is needed to ask it."""

    about: About
    encoder: Encoder
    forward: Forward
    is_batch_dependent: bool = False
    """Whether the network says something else to a text that has others beside it in a batch."""

    @classmethod
    def from_folder(cls, folder: Path, *, threads: int | None = None) -> Self:
        """Return the model of a folder.

        Args:
            folder: of a version, with the file of an engine.
            threads: that one call may use; as many as this process has processors where not given.

        Raises:
            BadModel: a file is missing or damaged.
            BadSpec: fewer than one thread.
            MissingExtra: its engine is not installed.
        """
        about = read_about(folder)
        encoder = Encoder.from_folder(folder, max_length=about.max_length, stride=about.stride)
        forward = open_engine(folder, threads=threads)
        return cls(about, encoder, forward, depends_on_batch(folder))

    def answer(self, question: str, context: str) -> Span:
        """Return the span of the context that answers the question.

        Its text is empty where none does, which is an answer only for a model that was trained on
        questions without one.
        """
        self._check_output(Output.SPAN)
        return choose_span(self._spans(question, context), self._span_settings)

    def answers(self, question: str, context: str, *, best: int = 5) -> list[Span]:
        """Return the best answers to the question, with their probabilities among each other.

        That there is none is one of them, with an empty text, for a model that was trained on
        questions without an answer; and the only one where no words of the context can be one.
        """
        self._check_output(Output.SPAN)
        return _distinct(self._spans(question, context))[:best]

    def tag(self, text: str) -> list[TaggedWord]:
        """Return each word of a text with its tag; a word that no piece stands for has "O"."""
        self._check_output(Output.TAGS)
        offsets = words_of(text).tolist()
        windows = self.encoder.words([text[start:end] for start, end in offsets])
        return self._tagged(text, windows, self._logits(windows))

    def classify(self, *texts: str) -> dict[str, float]:
        """Return the probability of each class of a text, or of a pair; the likeliest first."""
        self._check_output(Output.CLASSES)
        self._check_texts(texts)
        return self._classes(self._logits([self.encoder.texts(*texts)])[0])

    def rate(self, *texts: str) -> float:
        """Return the score of a text, or of a pair."""
        self._check_output(Output.SCORE)
        self._check_texts(texts)
        return float(self._logits([self.encoder.texts(*texts)])[0][0, 0])

    def run(
        self, queries: Sequence[Query], *, together: bool | None = None
    ) -> list[dict[str, Any]]:
        """Return what the model says to each query, as JSON.

        Args:
            queries: as many as there are: this is how to ask much at once.
            together: whether windows of several queries may be in one batch, which is quicker.
                Where not given, they may unless the model is batch-dependent, as dynamic int8 is:
                its answer to a query is then the same whatever else is asked.

        Raises:
            BadSpec: a query is not one for this model.
        """
        windows_of = [self._windows(query) for query in queries]
        together = not self.is_batch_dependent if together is None else together
        groups = [[w for windows in windows_of for w in windows]] if together else windows_of
        logits = iter([each for group in groups for each in self._logits(group)])
        return [
            self._as_json(query, windows, [next(logits) for _ in windows])
            for query, windows in zip(queries, windows_of, strict=True)
        ]

    def _windows(self, query: Query) -> Sequence[Window]:
        """Return what the network is fed for a query."""
        match self.about.output:
            case Output.SPAN:
                if query.question is None or query.context is None:
                    raise BadSpec("this model answers questions: give a question and a context")
                return self.encoder.question(query.question, query.context)
            case Output.TAGS:
                if len(query.texts) != 1:
                    raise BadSpec("this model tags words: give one text")
                (text,) = query.texts
                return self.encoder.words([text[start:end] for start, end in words_of(text)])
            case Output.CLASSES | Output.SCORE:
                self._check_texts(query.texts)
                return [self.encoder.texts(*query.texts)]
            case Output.STATES:
                raise BadSpec(
                    "this model has no head and answers nothing: fine-tune it for a task, or load "
                    "it with transformers' AutoModel"
                )

    def _as_json(
        self, query: Query, windows: Sequence[Window], logits: Sequence[FloatArray]
    ) -> dict[str, Any]:
        """Return what the logits of a query's windows say."""
        match self.about.output:
            case Output.SPAN:
                spans = nbest(windows, logits, query.context or "", self._span_settings)
                found = _span_fields(choose_span(spans, self._span_settings))
                if query.best > 1:
                    several = _distinct(spans)[: query.best]
                    found["best"] = [_span_fields(span) for span in several]
                return found
            case Output.TAGS:
                words = self._tagged(query.texts[0], windows, logits)
                return {"words": [asdict(word) for word in words]}
            case Output.CLASSES:
                scores = self._classes(logits[0])
                return {"label": next(iter(scores)), "scores": scores}
            case Output.SCORE:
                return {"score": float(logits[0][0, 0])}
            case Output.STATES:
                raise AssertionError("a network without a head has no answer")

    def _logits(self, windows: Sequence[Window]) -> list[FloatArray]:
        """Return the logits (N, C) of each window, without those of the padding."""
        logits: dict[int, FloatArray] = {}
        for batch in length_batches([len(window) for window in windows]):
            group = [windows[i] for i in batch]
            logits_BNC = self.forward(pad(group, self.encoder.pad_id))
            for i, window, logits_NC in zip(batch, group, logits_BNC, strict=True):
                logits[i] = logits_NC[: len(window)]
        return [logits[i] for i in range(len(windows))]

    def _spans(self, question: str, context: str) -> list[Span]:
        windows = self.encoder.question(question, context)
        return nbest(windows, self._logits(windows), context, self._span_settings)

    @property
    def _span_settings(self) -> SpanSettings:
        settings = self.about.settings
        return SpanSettings(**{name: settings[name] for name in _OF_SPANS if name in settings})

    def _tagged(
        self, text: str, windows: Sequence[Window], logits: Sequence[FloatArray]
    ) -> list[TaggedWord]:
        offsets = words_of(text).tolist()
        tags = word_tags(windows, logits, self.about.labels, len(offsets))
        probabilities = tag_probabilities(windows, logits, len(offsets)).tolist()
        return [
            TaggedWord(text[start:end], start, end, tag, probability)
            for (start, end), tag, probability in zip(offsets, tags, probabilities, strict=True)
        ]

    def _classes(self, logits_1C: FloatArray) -> dict[str, float]:
        by_label = dict(zip(self.about.labels, softmax(logits_1C[0]).tolist(), strict=True))
        return dict(sorted(by_label.items(), key=lambda item: -item[1]))

    def _check_output(self, output: Output) -> None:
        if self.about.output is not output:
            raise BadSpec(
                f"this model is for {self.about.task} and answers {self.about.output}, not "
                f"{output}: call {_METHODS.get(self.about.output, 'nothing')}"
            )

    def _check_texts(self, texts: Sequence[str]) -> None:
        if len(texts) != len(self.about.inputs):
            inputs = " and ".join(self.about.inputs)
            raise BadSpec(f"this model reads {inputs}: give a text for each, in this order")


_METHODS: Mapping[Output, str] = {
    Output.SPAN: "answer(question, context)",
    Output.TAGS: "tag(text)",
    Output.CLASSES: "classify(text)",
    Output.SCORE: "rate(text, text)",
}


def length_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of windows in batches of similar length, the shortest first.

    >>> list(length_batches([300, 5, 700, 6]))
    [[1, 3, 0], [2]]
    """
    batch: list[int] = []
    for number in np.argsort(lengths, kind="stable").tolist():
        # the newest is the longest, to which all are padded
        too_long = (len(batch) + 1) * lengths[number] > BATCH_TOKENS
        if batch and (too_long or len(batch) == BATCH_WINDOWS):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _distinct(spans: Sequence[Span]) -> list[Span]:
    """Return spans best first, each place once, though windows overlap.

    The placeholder of run_qa, "empty", becomes no answer, which is one place too.
    """
    places: dict[tuple[int, int], Span] = {}
    for span in spans:
        places.setdefault((span.start, span.end), span)
    return [replace(s, text="") if s.start == s.end else s for s in places.values()]


def _span_fields(span: Span) -> dict[str, Any]:
    return {
        "answer": span.text,
        "start": span.start,
        "end": span.end,
        "score": span.probability,
    }
