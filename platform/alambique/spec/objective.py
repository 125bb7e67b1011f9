"""What a student is trained to match: the terms of its loss, a closed union."""

from typing import Annotated, Literal

from pydantic import Field

from alambique.spec.fields import Real, Spec, Weight


class Gold(Spec):
    """Cross entropy with the labels of the data."""

    kind: Literal["gold"] = "gold"
    weight: Weight = 1.0


class Logits(Spec):
    """The distance of the student's outputs from the teacher's.

    The temperature T divides the logits of both, and the loss is multiplied by T², so that its
    gradient stays as large. For mse the two cancel, T² (S/T - T'/T)² = (S - T')² for the logits S
    of the student and T' of the teacher: it is the plain squared difference whatever T is, as
    Speedy Gonzales has it (Cañete and Bravo-Marquez, 2023).
    """

    kind: Literal["logits"] = "logits"
    loss: Literal["kl", "ce", "mse"] = "kl"
    """kl: KL(teacher || student); ce: soft cross entropy; mse: squared distance of the logits."""
    temperature: Annotated[Real, Field(gt=0, le=1e6)] = 1.0
    """Above 1, the teacher's second choices weigh more."""
    weight: Weight = 1.0


Term = Annotated[Gold | Logits, Field(discriminator="kind")]
