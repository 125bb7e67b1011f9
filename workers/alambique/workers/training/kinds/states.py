"""States: those of a network without a head, which is compared with its teacher by layers alone.

Shapes: B windows of a batch, N pieces of the longest, C the width of the states, Z columns of
`cka.moments`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

import torch
from torch import Tensor

from alambique.distill.activations import LayerOutputs
from alambique.distill.cka import cka_of_moments, moments
from alambique.distill.prediction_rows import PredictionRows, empty_rows
from alambique.runtime.windows import Window
from alambique.spec.errors import BadSpec
from alambique.spec.outputs import Output
from alambique.tasks.task import Gold, NoGold
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.kind import Record, WindowLogits


@dataclass(frozen=True, slots=True)
class NoTargets:
    """Nothing is right or wrong of states."""

    def prediction_rows(self, states_BNC: Tensor, teacher: Tensor | None) -> PredictionRows:
        """Return no rows."""
        return empty_rows(states_BNC)


@dataclass(slots=True)
class Alignment:
    """The linear CKA of the last states of student and teacher, over all real tokens.

    It is exact whatever the number of batches and processes: the moments of the states add up.
    """

    _moments_ZZ: Tensor = field(default_factory=lambda: torch.zeros(()), init=False)
    _width: int = field(default=0, init=False)

    def add(self, numbers: Sequence[int], states_BNC: Tensor, layers: LayerOutputs | None) -> None:
        """Add the moments of a batch's tokens; the teacher's states are its answer."""
        assert layers is not None  # without a teacher beside it the network would learn nothing
        real_BN = layers.real_BN & (layers.weight_B > 0)[:, None]
        moments_ZZ = moments(states_BNC[real_BN], layers.teacher_output_BNC[real_BN])
        self._moments_ZZ = self._moments_ZZ.to(moments_ZZ) + moments_ZZ
        self._width = states_BNC.shape[2]

    def compute(self, context: DistributedContext) -> float:
        """Return the CKA over the tokens of all processes."""
        return cka_of_moments(context.all_reduce_sum(self._moments_ZZ), self._width)


class States:
    """The last states of a network without a head."""

    output: ClassVar[Output] = Output.STATES
    has_head: ClassVar[bool] = False
    has_classes: ClassVar[bool] = False
    is_per_word: ClassVar[bool] = False

    def unknown_gold(self, window: Window) -> Gold:
        """Return no gold: nothing is right or wrong of states."""
        return NoGold()

    def weight(self, gold: Gold) -> float:
        """Return 1: every window counts once."""
        return 1.0

    def record(
        self, windows: Sequence[Window], logits: Sequence[WindowLogits], words: int
    ) -> NoReturn:
        """Raise `BadSpec`: states are too large to be stored."""
        raise BadSpec(
            "hidden states are not kept: compare layers, for which a live teacher answers "
            "beside the student"
        )

    def collate(self, windows: Sequence[ExampleWindow], weight_B: Tensor, length: int) -> NoTargets:
        """Return no targets: states have none."""
        return NoTargets()

    def teacher_targets(
        self,
        windows: Sequence[ExampleWindow],
        records: Sequence[Record],
        *,
        length: int,
    ) -> None:
        """Return None: no output is compared."""
        return

    def metric(self, evaluation: EvaluationSet, windows: Sequence[ExampleWindow]) -> Alignment:
        """Return the CKA with the teacher."""
        return Alignment()
