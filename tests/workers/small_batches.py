"""Batches of random pieces for tiny networks of 120 pieces and 64 positions."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from alambique.models.networks import Network
from alambique.runtime.windows import Inputs

SHAPES = ((1, 2), (1, 64), (2, 24), (5, 9))


def batches(shapes: Sequence[tuple[int, int]], *, seed: int = 0) -> list[Inputs]:
    """Return a batch of each shape (B, N); all but its first text are padded."""
    generator = np.random.default_rng(seed)
    return [_batch(generator, *shape) for shape in shapes]


def torch_logits(network: Network, inputs: Inputs) -> NDArray[np.float32]:
    """Return what the network itself answers."""
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    with torch.no_grad():
        logits: NDArray[np.float32] = network(*map(torch.from_numpy, arrays)).numpy()
    return logits


def _batch(generator: np.random.Generator, size: int, length: int) -> Inputs:
    ids_BN = generator.integers(5, 120, (size, length))
    attention_BN = np.ones_like(ids_BN)
    attention_BN[1:, max(2, length - 3) :] = 0
    return Inputs(ids_BN, attention_BN, np.zeros_like(ids_BN))
