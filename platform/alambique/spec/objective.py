"""What a student is trained to match: the terms of its loss, a closed union.

Every term is a mean over the real rows of a batch: words of tagging, examples of classification,
starts and ends of spans; and windows, where layers are compared. Padding has no part in it.
`reduction` names the means that published code takes in its place.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from alambique.spec.changing import Temperature, Weight, highest
from alambique.spec.fields import Positive, Spec, Whole, left_out_at

Named = Literal["uniform", "3k", "first", "last", "skip"]
"""Maps from the layers of a student to those of its teacher that depths alone decide."""
_Layer = Annotated[Whole, Field(ge=0, le=1000)]
Pairs = tuple[tuple[_Layer, _Layer], ...]


def _some(pairs: Pairs) -> Pairs:
    if not pairs:
        raise ValueError("the map has no pair: give [student layer, teacher layer], or a name")
    return pairs


def _form(said: object) -> Literal["name", "pairs"]:
    return "pairs" if isinstance(said, list | tuple) else "name"


Mapping = Annotated[
    Annotated[Literal[Named, "learned", "similar"], Tag("name")]
    | Annotated[Pairs, AfterValidator(_some), Tag("pairs")],
    Discriminator(_form),
]
"""Which layer of the teacher each layer of the student learns from (`distill.mapping`).

learned: a mixture of all, whose weights are trained with the student. similar: the ones that are
most alike before the training, by CKA on some of its examples. Or pairs of a layer of the student
and one of the teacher, counted from 0.
"""
Relation = Literal["qq", "kk", "vv", "qk", "kv"]


def _each_once(pairs: tuple[Relation, ...]) -> tuple[Relation, ...]:
    if not pairs or len(set(pairs)) < len(pairs):
        raise ValueError("expected at least one of qq, kk, vv, qk and kv, each once")
    return pairs


class _Reduced(Protocol):
    @property
    def loss(self) -> str: ...
    @property
    def reduction(self) -> str: ...


R = TypeVar("R", bound=_Reduced)


def _published(term: R, losses: Table[str, tuple[str, ...]]) -> R:
    known = losses.get(term.reduction, (term.loss,))
    if term.loss not in known:
        raise ValueError(
            f"reduction {term.reduction} is of {' and '.join(known)}, not of {term.loss}: take "
            "another loss, or leave reduction out"
        )
    return term


class _Called(Spec):
    """What all terms have."""

    kind: str
    name: Annotated[
        str | None,
        Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", exclude_if=left_out_at(None)),
    ] = None
    """What it is called where terms are told apart; where not given, its kind. Of two of one kind,
    one has a name."""

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or self.kind


class Gold(_Called):
    """Cross entropy with the labels of the data."""

    kind: Literal["gold"] = "gold"
    weight: Weight = 1.0


class Logits(_Called):
    """The distance of the student's outputs from the teacher's.

    The temperature T divides the logits of both, and the loss is multiplied by T², so that its
    gradient stays as large. For mse the two cancel, T² (S/T - T'/T)² = (S - T')² for the logits S
    of the student and T' of the teacher: it is the plain squared difference whatever T is, as
    Speedy Gonzales has it (Cañete and Bravo-Marquez, 2023).
    """

    kind: Literal["logits"] = "logits"
    loss: Literal["kl", "ce", "mse"] = "kl"
    """kl: KL(teacher || student); ce: soft cross entropy; mse: squared distance of the logits."""
    temperature: Temperature = 1.0
    """Above 1, the teacher's second choices weigh more."""
    reduction: Literal["rows", "tinybert"] = "rows"
    """Of ce. tinybert: the mean is over classes too, and there is no T²."""
    combine: Annotated[Literal["average", "best"], Field(exclude_if=left_out_at("average"))] = (
        "average"
    )
    """Of several teachers. average: the weighted mean of their distributions; best: for each window
    of the student the one whose outputs lose least on its gold labels (`distill.combining`)."""
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _reduced_as_published(self) -> "Logits":
        return _published(self, {"tinybert": ("ce",)})


class Hidden(_Called):
    """The distance of the student's hidden states from the teacher's, added up over a layer map."""

    kind: Literal["hidden"] = "hidden"
    loss: Literal["mse", "cosine", "pkd"] = "mse"
    """mse; cosine: 1 - cos; pkd: squared distance of the first token's states, each of length 1."""
    mapping: Mapping = "uniform"
    projection: Literal["shared", "per-layer", "none"] = "shared"
    """What makes the student's states as wide as the teacher's: a linear layer for all states, or
    one for each. It is trained with the student, and not part of it afterwards. none: nothing, for
    networks of one width."""
    embeddings: bool = True
    """Whether the embeddings, which are the state before the first layer, are compared too."""
    reduction: Literal["rows", "tinybert", "textbrewer"] = "rows"
    """tinybert, of mse: padding counts as tokens; textbrewer: a mean over all tokens of a batch."""
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _reduced_as_published(self) -> "Hidden":
        return _published(self, {"tinybert": ("mse",), "textbrewer": ("mse", "cosine")})


class Attention(_Called):
    """The distance of the student's attention from the teacher's, added up over a layer map."""

    kind: Literal["attention"] = "attention"
    loss: Literal["score-mse", "kl", "probability-mse"] = "score-mse"
    """score-mse: of the scores before the softmax; the others compare what comes out of it."""
    mapping: Mapping = "uniform"
    heads: Literal["each", "mean"] = "each"
    """mean: the scores averaged over heads, for networks that have not as many."""
    reduction: Literal["rows", "tinybert", "textbrewer"] = "rows"
    """Of score-mse. tinybert: padding counts, at 0; textbrewer: a mean over a batch's pairs."""
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _reduced_as_published(self) -> "Attention":
        return _published(self, {"tinybert": ("score-mse",), "textbrewer": ("score-mse",)})


class Relations(_Called):
    """The distance of relations between tokens, of one layer: MiniLM.

    For v2, the default (Wang et al., 2021): queries with queries, keys with keys, values with
    values. For v1 (Wang et al., 2020): `pairs: [qk, vv]`, with as many heads as the networks have.
    """

    kind: Literal["relations"] = "relations"
    pairs: Annotated[tuple[Relation, ...], AfterValidator(_each_once)] = ("qq", "kk", "vv")
    heads: Positive | None = None
    """Relation heads, which divide both widths; where not given, as many as the teacher's heads."""
    layer: _Layer | None = None
    """Of the teacher, counted from 0; the last one where not given."""
    weight: Weight = 1.0


Term = Annotated[Gold | Logits | Hidden | Attention | Relations, Field(discriminator="kind")]

IntermediateLoss = Hidden | Attention | Relations
"""The terms that compare what is inside the networks."""


def counts(term: Term) -> bool:
    """Whether the term is ever part of the loss."""
    return highest(term.weight) > 0


def answers(terms: Iterable[Term]) -> bool:
    """Whether what the student answers is learnt, and not its layers alone."""
    return any(isinstance(term, Gold | Logits) and counts(term) for term in terms)


def at_its_highest(term: Term) -> Term:
    """The term with the greatest weight that it ever has, all the time."""
    return term.model_copy(update={"weight": highest(term.weight)})


def layered(terms: Sequence[Term]) -> list[IntermediateLoss]:
    """Those terms that need the teacher beside the student."""
    return [term for term in terms if isinstance(term, IntermediateLoss) and counts(term)]


def taught(terms: Sequence[Term]) -> bool:
    """Whether anything is learnt from a teacher, and not from labels alone."""
    return any(counts(term) for term in terms if not isinstance(term, Gold))


def _something_to_learn(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    if not any(counts(term) for term in terms):
        raise ValueError("every term has weight 0: nothing would be learnt")
    if twice := [label for label, often in Counter(t.label for t in terms).items() if often > 1]:
        raise ValueError(
            f"two terms are called {twice[0]}: give one of them a name, such as "
            f"{{kind: …, name: other-{twice[0]}}}"
        )
    projections = {term.projection for term in terms if isinstance(term, Hidden)}
    if len(projections) > 1:
        raise ValueError(
            f"terms of kind hidden share their projections, and these are {_listed(projections)}: "
            "say the same for all"
        )
    return terms


def _listed(words: Iterable[str]) -> str:
    return " and ".join(sorted(words))


Objective = Annotated[tuple[Term, ...], AfterValidator(_something_to_learn)]
"""Terms, each called otherwise than the others, of which at least one counts."""
