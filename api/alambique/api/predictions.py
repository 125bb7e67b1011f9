"""What is asked of a model over HTTP, and what it answers. Free of HTTP, for clients too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alambique.api.views import View

if TYPE_CHECKING:
    from alambique.runtime.model import Query

MOST_CHARACTERS = 200_000
"""Of one text: a book's chapter, which a small model reads in seconds."""
MOST_QUERIES = 64
"""Of one request."""

Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]


class QueryBody(BaseModel):
    """One query: a question with its context, or one text, or a pair of texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Text | None = None
    context: Text | None = None
    """Where the answer is looked for; of any length up to the bound, read in windows."""
    text: Text | None = None
    """What to tag or to classify."""
    texts: Annotated[tuple[Text, ...], Field(max_length=2)] = ()
    """A pair that is compared, or one text alone."""
    best: Annotated[int, Field(strict=True, ge=1, le=20)] = 1
    """How many answers to a question are wanted."""

    @model_validator(mode="after")
    def _check_one_way(self) -> Self:
        complete = (self.question is None) == (self.context is None)
        forms = (self.question is not None, self.text is not None, bool(self.texts))
        if not complete or sum(forms) != 1:
            fields = {"question", "context", "text", "texts"} & self.model_fields_set
            raise ValueError(
                f"found {', '.join(sorted(fields)) or 'no text'}: give question and context, or "
                "text, or texts with a pair"
            )
        return self

    @property
    def query(self) -> Query:
        """What the runtime is asked."""
        from alambique.runtime.model import Query  # clients do without

        texts = self.texts if self.text is None else (self.text,)
        return Query(self.question, self.context, texts, self.best)


class BatchBody(BaseModel):
    """Several queries of one request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: Annotated[tuple[QueryBody, ...], Field(min_length=1, max_length=MOST_QUERIES)]


class SpanView(View):
    """A part of the context that may be the answer."""

    answer: str
    """Empty where the context has none."""
    start: int
    """In characters of the context."""
    end: int
    """In characters, not included."""
    score: float
    """Its probability among the spans that were considered."""


class AnswerView(SpanView):
    """The answer to a question."""

    best: list[SpanView] | None = None
    """The likeliest first, where more than one was asked for."""


class WordView(View):
    """A word of a text, where it stands, and its tag."""

    word: str
    start: int
    end: int
    tag: str
    probability: float


class WordsView(View):
    """The words of a text."""

    words: list[WordView]


class ClassView(View):
    """The class of a text or of a pair."""

    label: str
    scores: dict[str, float]
    """The probability of each class, the likeliest first."""


class ScoreView(View):
    """The score of a pair, of a model that was trained on numbers."""

    score: float


PredictionView = AnswerView | WordsView | ClassView | ScoreView
"""What a model says to one query; which of them is its task's matter."""


class BatchView(View):
    """What a model says to several queries, in their order."""

    predictions: list[PredictionView]
