"""The terms of a student's loss, as a job says them: a closed union.

`Gold` and `Logits` compare outputs. The terms of `IntermediateLoss` compare layers; how each of
them does that is in `distill.terms`. Every term is a mean over the real rows of a batch: words of
tagging, examples of classification, starts and ends of spans; and windows, where layers are
compared. Padding takes no part. `reduction` names the means that published code takes instead.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Protocol, TypeVar, get_args

from pydantic import AfterValidator, Field, Tag, model_validator

from alambique.spec.fields import (
    Positive,
    Spec,
    Whole,
    equal_to,
    is_list,
    not_empty,
    repeated,
    tag_where,
)
from alambique.spec.schedules import Temperature, Weight, highest

NamedMapping = Literal["uniform", "3k", "first", "last", "skip"]
"""Maps from the layers of a student to those of its teacher that follow from both depths."""
_Layer = Annotated[Whole, Field(ge=0, le=1000)]
ListedMapping = tuple[tuple[_Layer, _Layer], ...]
"""Pairs of a layer of the student and a layer of the teacher, both counted from 0."""


LayerMapping = Annotated[
    Annotated[Literal[NamedMapping, "learned", "similar"], Tag("name")]
    | Annotated[
        ListedMapping,
        not_empty("the map has no pair: give [student layer, teacher layer], or a name"),
        Tag("pairs"),
    ],
    tag_where(is_list, "pairs", otherwise="name"),
]
"""Which layer of the teacher each layer of the student learns from (`distill.mapping`).

learned: a mixture of all layers of the teacher, whose weights are trained with the student.
similar: the layers that are most alike before the training, by CKA on some of its examples. Else
the map has a name, or lists its pairs.
"""
Relation = Literal["qq", "kk", "vv", "qk", "kv"]
"""The two factors of a relation between tokens: queries, keys or values."""


def _check_relations(pairs: tuple[Relation, ...]) -> tuple[Relation, ...]:
    if not pairs or repeated(pairs):
        raise ValueError("expected at least one of qq, kk, vv, qk and kv, each once")
    return pairs


class _HasReduction(Protocol):
    @property
    def loss(self) -> str: ...
    @property
    def reduction(self) -> str: ...


R = TypeVar("R", bound=_HasReduction)


def _check_reduction_of_loss(term: R, losses: Mapping[str, tuple[str, ...]]) -> R:
    """Return the term if its reduction is one of its loss.

    Args:
        term: has a loss and a reduction.
        losses: the losses of each reduction that not all losses have.

    Raises:
        ValueError: it is not.
    """
    known = losses.get(term.reduction, (term.loss,))
    if term.loss not in known:
        raise ValueError(
            f"reduction {term.reduction} is of {' and '.join(known)}, not of {term.loss}: take "
            "another loss, or leave reduction out"
        )
    return term


class _LabelledTerm(Spec):
    """The fields of every term but its weight."""

    kind: str
    name: Annotated[
        str | None,
        Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", exclude_if=equal_to(None)),
    ] = None
    """What the term is called in progress and results; its kind if not given. Of two terms of one
    kind, one needs a name."""

    @property
    def label(self) -> str:
        """The name of the term, or its kind if it has none."""
        return self.name or self.kind


class Gold(_LabelledTerm):
    """Cross entropy with the labels of the data."""

    kind: Literal["gold"] = "gold"
    weight: Weight = 1.0


class Logits(_LabelledTerm):
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
    combine: Annotated[Literal["average", "best"], Field(exclude_if=equal_to("average"))] = (
        "average"
    )
    """Of several teachers. average: the weighted mean of their distributions; best: for each window
    of the student the one whose outputs lose least on its gold labels (`distill.ensemble`)."""
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _check_reduction(self) -> "Logits":
        return _check_reduction_of_loss(self, {"tinybert": ("ce",)})


class Hidden(_LabelledTerm):
    """The distance of the student's hidden states from the teacher's, added up over a layer map."""

    kind: Literal["hidden"] = "hidden"
    loss: Literal["mse", "cosine", "pkd"] = "mse"
    """mse; cosine: 1 - cos; pkd: squared distance of the first token's states, each of length 1."""
    mapping: LayerMapping = "uniform"
    projection: Literal["shared", "per-layer", "none"] = "shared"
    """What makes the student's states as wide as the teacher's: a linear layer for all states, or
    one for each. It is trained with the student, and not part of it afterwards. none: nothing, for
    networks of one width."""
    embeddings: bool = True
    """Whether the embeddings, the state before the first layer, are compared too."""
    reduction: Literal["rows", "tinybert", "textbrewer"] = "rows"
    """tinybert, of mse: padding counts as tokens; textbrewer: a mean over all tokens of a batch."""
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _check_reduction(self) -> "Hidden":
        return _check_reduction_of_loss(
            self, {"tinybert": ("mse",), "textbrewer": ("mse", "cosine")}
        )


class Attention(_LabelledTerm):
    """The distance of the student's attention from the teacher's, added up over a layer map."""

    kind: Literal["attention"] = "attention"
    loss: Literal["score-mse", "kl", "probability-mse"] = "score-mse"
    """score-mse: of the scores before the softmax; the others compare what comes out of it."""
    mapping: LayerMapping = "uniform"
    heads: Literal["each", "mean"] = "each"
    """mean: the scores averaged over heads, for networks that have not as many."""
    reduction: Literal["rows", "tinybert", "textbrewer"] = "rows"
    """Of score-mse. tinybert: padding counts, at 0; textbrewer: a mean over a batch's pairs."""
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _check_reduction(self) -> "Attention":
        return _check_reduction_of_loss(
            self, {"tinybert": ("score-mse",), "textbrewer": ("score-mse",)}
        )


class Relations(_LabelledTerm):
    """The distance of relations between tokens, of one layer: MiniLM.

    For v2, the default (Wang et al., 2021): queries with queries, keys with keys, values with
    values. For v1 (Wang et al., 2020): `pairs: [qk, vv]`, with as many heads as the networks have.
    """

    kind: Literal["relations"] = "relations"
    pairs: Annotated[tuple[Relation, ...], AfterValidator(_check_relations)] = ("qq", "kk", "vv")
    heads: Positive | None = None
    """Relation heads, which divide both widths; where not given, as many as the teacher's heads."""
    layer: _Layer | None = None
    """Of the teacher, counted from 0; the last one where not given."""
    weight: Weight = 1.0


IntermediateLoss = Hidden | Attention | Relations
"""The terms that compare layers of a student with layers of its teacher."""

Term = Annotated[Gold | Logits | IntermediateLoss, Field(discriminator="kind")]
"""Any term of an objective."""


def intermediate_kinds() -> tuple[str, ...]:
    """Return the kinds of the terms that compare layers, in the order of their union."""
    return tuple(term.model_fields["kind"].default for term in get_args(IntermediateLoss))


def is_active(term: Term) -> bool:
    """Return whether the term has a weight above 0 at any time of the training."""
    return highest(term.weight) > 0


def has_output_loss(terms: Iterable[Term]) -> bool:
    """Return whether an active term compares the student's outputs, and not its layers alone."""
    return any(isinstance(term, Gold | Logits) and is_active(term) for term in terms)


def has_teacher_loss(terms: Iterable[Term]) -> bool:
    """Return whether an active term compares the student with a teacher, and not labels alone."""
    return any(is_active(term) for term in terms if not isinstance(term, Gold))


def intermediate_losses(terms: Iterable[Term]) -> list[IntermediateLoss]:
    """Return the active terms that compare layers: those that need a live teacher."""
    return [term for term in terms if isinstance(term, IntermediateLoss) and is_active(term)]


def at_highest_weight(term: Term) -> Term:
    """Return the term with the highest weight that it ever has as its constant weight."""
    return term.model_copy(update={"weight": highest(term.weight)})


def _check_objective(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    if not any(is_active(term) for term in terms):
        raise ValueError("every term has weight 0: nothing would be learnt")
    if twice := repeated(term.label for term in terms):
        raise ValueError(
            f"two terms are called {twice[0]}: give one of them a name, such as "
            f"{{kind: …, name: other-{twice[0]}}}"
        )
    projections = {term.projection for term in terms if isinstance(term, Hidden)}
    if len(projections) > 1:
        raise ValueError(
            "terms of kind hidden share their projections, and these are "
            f"{' and '.join(sorted(projections))}: say the same for all"
        )
    return terms


Objective = Annotated[tuple[Term, ...], AfterValidator(_check_objective)]
"""The terms of a loss: each has a label of its own, and at least one is active."""
