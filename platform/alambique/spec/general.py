"""Fields that general distillation does not take: it has no gold, its teacher stays as it is."""

from collections.abc import Sequence

from alambique.spec.excerpts import joined_by
from alambique.spec.objective import IntermediateLoss, Term, intermediate_kinds
from alambique.spec.teacher import Teacher

NAME = "general"
"""The name of the task."""


def check_objective(terms: Sequence[Term]) -> None:
    """Check that all terms compare layers.

    Raises:
        ValueError: one compares outputs, which a network without a head does not have.
    """
    outputs = [term.kind for term in terms if not isinstance(term, IntermediateLoss)]
    if outputs:
        raise ValueError(
            f"{NAME} distillation is of layers: there are no labels, and no head that answers, for "
            f"{' and '.join(outputs)} to compare; give terms of "
            f"{joined_by(intermediate_kinds(), 'or')} alone, such as [{{kind: relations}}]"
        )


def check_teacher(teacher: Teacher) -> None:
    """Check that the teacher is one model that is taken as it is.

    Raises:
        ValueError: it is to be fine-tuned, or chosen.
    """
    changes = [field for field in ("candidates", "grid", "train") if getattr(teacher, field)]
    if changes:
        raise ValueError(
            f"{NAME} distillation takes a pre-trained model as it is, for there are no labels to "
            f"fine-tune or choose it by: leave out {' and '.join(changes)}, and give model"
        )


def check_unlabelled(name: str | None) -> None:
    """Check that no examples are without labels among others that have some.

    Raises:
        ValueError: some are.
    """
    if name is not None:
        raise ValueError(
            f"{NAME} distillation has no labels, so that all of its text is unlabelled: leave out "
            f"unlabelled, and put the text of {name} into the data set"
        )


def check_compare(compare: Sequence[str]) -> None:
    """Check that nothing is to be trained on gold labels.

    Raises:
        ValueError: something is.
    """
    if compare:
        raise ValueError(
            f"{NAME} distillation has no gold labels to learn from instead: leave out compare; to "
            "see what it gained, let jobs of a task start from its student and from random"
        )
