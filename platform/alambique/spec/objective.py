"""What a student is trained to match: the terms of its loss, a closed union."""

from typing import Annotated, Literal

from pydantic import Field

from alambique.spec.fields import Spec, Weight


class Gold(Spec):
    """Cross entropy with the labels of the data."""

    kind: Literal["gold"] = "gold"
    weight: Weight = 1.0


class Logits(Spec):
    """The distance of the student's outputs from the teacher's."""

    kind: Literal["logits"] = "logits"
    loss: Literal["kl", "ce", "mse"] = "kl"
    """kl: KL(teacher || student); ce: soft cross entropy; mse: squared distance of the logits."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Above 1, the teacher's second choices weigh more."""
    weight: Weight = 1.0


Term = Annotated[Gold | Logits, Field(discriminator="kind")]
