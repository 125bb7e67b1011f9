"""Which rows make a batch: planned from the seed alone, whatever the number of workers."""

from collections.abc import Sequence

import numpy as np

from alambique.spec.train import Train

_POOL = 32
"""Batches, of rows of mean length, that are sorted by length together: less padding, and still
other rows beside each other in each epoch."""

DEFAULT_BATCH = 32


def epoch_batches(lengths: Sequence[int], train: Train, epoch: int) -> list[list[int]]:
    """The global batches of an epoch: every row once, rows of similar length together.

    Args:
        lengths: tokens of each row.
        train: gives the seed and the size of a batch, in rows or in tokens.
        epoch: counted from 0; each has an order of its own.
    """
    chance = np.random.default_rng([train.seed, epoch])
    shuffled = chance.permutation(len(lengths))
    pool = _POOL * _rows_of_a_batch(lengths, train)
    batches: list[list[int]] = []
    for first in range(0, len(shuffled), pool):
        rows = sorted(shuffled[first : first + pool].tolist(), key=lambda row: lengths[row])
        batches += _cut(rows, lengths, train)
    order = chance.permutation(len(batches))
    return [batches[i] for i in order]


def steps_of(lengths: Sequence[int], train: Train, epochs: int) -> int:
    """The batches of so many epochs; in tokens, an epoch may have one more or less than another."""
    if train.batch_tokens is None:
        return epochs * -(-len(lengths) // (train.batch_size or DEFAULT_BATCH))
    return sum(len(epoch_batches(lengths, train, epoch)) for epoch in range(epochs))


def _rows_of_a_batch(lengths: Sequence[int], train: Train) -> int:
    if train.batch_tokens is None:
        return train.batch_size or DEFAULT_BATCH
    return max(1, train.batch_tokens * len(lengths) // max(1, sum(lengths)))


def _cut(rows: list[int], lengths: Sequence[int], train: Train) -> list[list[int]]:
    """`rows`, shortest first, in batches of the size that `train` asks for."""
    if train.batch_tokens is None:
        size = train.batch_size or DEFAULT_BATCH
        return [rows[i : i + size] for i in range(0, len(rows), size)]
    batches: list[list[int]] = [[]]
    for row in rows:
        if batches[-1] and (len(batches[-1]) + 1) * lengths[row] > train.batch_tokens:
            batches.append([])
        batches[-1].append(row)
    return batches


def share(batch: Sequence[int], rank: int, world: int) -> list[int | None]:
    """The rows of a global batch that a rank takes: r, r + W, …; None where a row is missing.

    All ranks get equally many, so that none waits for another.

    >>> share([5, 6, 7], 0, 2), share([5, 6, 7], 1, 2)
    ([5, 7], [6, None])
    """
    size = -(-len(batch) // world)
    mine: list[int | None] = list(batch[rank::world])
    return mine + [None] * (size - len(mine))


def micro_batches(rows: Sequence[int | None], pieces: int) -> list[list[int | None]]:
    """`rows` cut in exactly `pieces`, equally long: a row that is missing is None.

    >>> micro_batches([1, 2, 3], 2)
    [[1, 2], [3, None]]
    """
    size = -(-len(rows) // pieces)
    padded = [*rows, *[None] * (size * pieces - len(rows))]
    return [padded[i * size : (i + 1) * size] for i in range(pieces)]
