"""The plan of a run, made from its settings alone: which windows make a batch, and at what rate."""

import math
from collections.abc import Sequence
from typing import Literal, TypeVar, assert_never

import numpy as np

from alambique.spec.train import Train

_POOL = 32
"""Batches, of windows of mean length, that are sorted by length together: less padding, and still
other windows beside each other in each epoch."""

DEFAULT_BATCH = 32

Shape = Literal["linear", "cosine", "constant"]
T = TypeVar("T")


def epoch_batches(lengths: Sequence[int], train: Train, epoch: int) -> list[list[int]]:
    """Return the global batches of an epoch: every window once, those of similar length together.

    Batches hang on the seed alone, whatever the number of processes.

    Args:
        lengths: tokens of each window.
        train: gives the seed and the size of a batch, in windows or in tokens.
        epoch: counted from 0; each has an order of its own.
    """
    generator = np.random.default_rng([train.seed, epoch])
    shuffled = generator.permutation(len(lengths))
    pool = _POOL * _mean_batch_size(lengths, train)
    batches: list[list[int]] = []
    for first in range(0, len(shuffled), pool):
        windows = sorted(shuffled[first : first + pool].tolist(), key=lambda i: lengths[i])
        batches += _cut_into_batches(windows, lengths, train)
    order = generator.permutation(len(batches))
    return [batches[i] for i in order]


def steps_of(lengths: Sequence[int], train: Train, epochs: int) -> int:
    """Return how many batches so many epochs have.

    Where batches are measured in tokens, an epoch may have one more or less than another.
    """
    if train.batch_tokens is None:
        return epochs * -(-len(lengths) // (train.batch_size or DEFAULT_BATCH))
    return sum(len(epoch_batches(lengths, train, epoch)) for epoch in range(epochs))


def _mean_batch_size(lengths: Sequence[int], train: Train) -> int:
    if train.batch_tokens is None:
        return train.batch_size or DEFAULT_BATCH
    return max(1, train.batch_tokens * len(lengths) // max(1, sum(lengths)))


def _cut_into_batches(windows: list[int], lengths: Sequence[int], train: Train) -> list[list[int]]:
    """Return `windows`, shortest first, in batches of the size that `train` asks for."""
    if train.batch_tokens is None:
        size = train.batch_size or DEFAULT_BATCH
        return [windows[i : i + size] for i in range(0, len(windows), size)]
    batches: list[list[int]] = [[]]
    for window in windows:
        if batches[-1] and (len(batches[-1]) + 1) * lengths[window] > train.batch_tokens:
            batches.append([])
        batches[-1].append(window)
    return batches


def share(batch: Sequence[T], rank: int, world: int) -> list[T | None]:
    """Return the windows r, r + W, … of a global batch: those that rank r takes.

    All ranks get equally many, so that none waits for another; None stands for a missing one.

    >>> share([5, 6, 7], 0, 2), share([5, 6, 7], 1, 2)
    ([5, 7], [6, None])
    """
    size = -(-len(batch) // world)
    mine: list[T | None] = list(batch[rank::world])
    return mine + [None] * (size - len(mine))


def micro_batches(windows: Sequence[T | None], pieces: int) -> list[list[T | None]]:
    """Return `windows` cut in exactly `pieces`, equally long; a window that is missing is None.

    >>> micro_batches([1, 2, 3], 2)
    [[1, 2], [3, None]]
    """
    size = -(-len(windows) // pieces)
    padded = [*windows, *[None] * (size * pieces - len(windows))]
    return [padded[i * size : (i + 1) * size] for i in range(pieces)]


def learning_rate(step: int, total: int, *, peak: float, warmup: float, shape: Shape) -> float:
    """Return the learning rate of a step: it rises to `peak` during `warmup`, then falls.

    `step` counts from 0, `total` is the number of steps of the whole run, and `warmup` the part of
    them in which the rate rises. The first step already learns: the rise is (step + 1) / rise.

    >>> args = {"peak": 1.0, "warmup": 0.2, "shape": "linear"}
    >>> [round(learning_rate(step, 10, **args), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.125]
    """
    rise = round(total * warmup)
    if step < rise:
        return peak * (step + 1) / rise
    fallen = (step - rise) / max(1, total - rise)
    match shape:
        case "linear":
            return peak * (1 - fallen)
        case "cosine":
            return peak * (1 + math.cos(math.pi * fallen)) / 2
        case "constant":
            return peak
        case _:
            assert_never(shape)
