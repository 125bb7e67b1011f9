"""Masked rows of the grammar's own text: what the sample encoder learns its language from.

Most rows are a passage behind notes about it, questions with their answers among them; of a value
and the place in the passage that the note takes it from, one is masked. To fill it in, the network
must find whose fact the note is about. No row has a sentence of a dev or test split.

Shapes: B rows of a batch, N pieces of the longest.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from benchmarks.sample.corpus import Row, rows
from benchmarks.sample.wording import Span
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from alambique.models.tokenizers import MASK, PAD, SPECIAL

POOL = 16
"""Batches that are drawn together and sorted by length, so that little of them is padding."""
NAMES = 0.15
"""How often a name or number is masked, all its pieces together."""
OTHERS = 0.05
"""How often any other piece is."""
IGNORED = -100
"""Label of a piece that is not masked."""

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with some pieces masked; the labels are the ids of those, and elsewhere `IGNORED`."""

    input_ids_BN: Tensor
    attention_BN: Tensor
    labels_BN: Tensor


@dataclass(frozen=True, slots=True)
class Pieces:
    """A tokenizer, and which of its pieces may be of a name: capitals, digits, continuations."""

    tokenizer: Tokenizer
    nameable_V: Mask

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Pieces":
        """The pieces of a WordPiece tokenizer."""
        nameable_V = np.zeros(tokenizer.get_vocab_size(), dtype=np.bool_)
        for piece, number in tokenizer.get_vocab().items():
            first = piece[0]
            nameable_V[number] = first.isupper() or first.isdigit() or piece.startswith("##")
        return cls(tokenizer, nameable_V)


def batches(pieces: Pieces, seed: int, size: int) -> Iterator[Batch]:
    """Endless batches of brief passages: they are easier to learn from than whole ones."""
    return _some(pieces, np.random.default_rng(seed), rows(seed, brief=True), size)


def _some(
    pieces: Pieces, random: np.random.Generator, endless: Iterator[Row], size: int
) -> Iterator[Batch]:
    while True:
        pool = list(islice(endless, size * POOL))
        texts = [(row.first, row.second) if row.second else row.first for row in pool]
        encodings = pieces.tokenizer.encode_batch(texts)
        by_length = np.argsort([len(encoding) for encoding in encodings], kind="stable")
        for chosen in random.permutation(by_length.reshape(POOL, size)):
            yield masked(pieces, random, [(encodings[i], pool[i]) for i in chosen])


def masked(
    pieces: Pieces, random: np.random.Generator, chosen: Sequence[tuple[Encoding, Row]]
) -> Batch:
    """A batch of tokenized rows, padded, some pieces masked."""
    shape = len(chosen), max(len(encoding) for encoding, _ in chosen)
    ids_BN = np.full(shape, SPECIAL.index(PAD), dtype=np.int64)
    hidden_BN = np.zeros(shape, dtype=np.bool_)
    for i, (encoding, row) in enumerate(chosen):
        ids_BN[i, : len(encoding)] = encoding.ids
        hidden_BN[i, : len(encoding)] = _hidden(pieces, random, encoding, row.twins)
    hidden_BN &= ids_BN >= len(SPECIAL)
    return Batch(
        torch.from_numpy(np.where(hidden_BN, SPECIAL.index(MASK), ids_BN)),
        torch.from_numpy((ids_BN != SPECIAL.index(PAD)).astype(np.int64)),
        torch.from_numpy(np.where(hidden_BN, ids_BN, IGNORED)),
    )


def _hidden(
    pieces: Pieces,
    random: np.random.Generator,
    encoding: Encoding,
    twins: Iterable[tuple[Span, Span]],
) -> Mask:
    """Which pieces (N,) of a row to mask: some names, some other pieces, one of each two twins."""
    ids_N: Ids = np.array(encoding.ids)
    nameable_N = pieces.nameable_V[ids_N]
    starts_N = nameable_N & ~np.roll(nameable_N, 1)
    name_N = np.cumsum(starts_N) * nameable_N  # 1, 2, … within names, 0 between them
    chosen = random.random(int(name_N.max()) + 1) < NAMES
    chosen[0] = False
    hidden_N: Mask = chosen[name_N] | (random.random(len(ids_N)) < OTHERS)
    for twin in twins:
        places = [_pieces_of(encoding, span, segment) for segment, span in enumerate(twin)]
        shown, hidden = places if random.random() < 0.5 else reversed(places)
        hidden_N[hidden] = True
        hidden_N[shown] = False
    return hidden_N


def _pieces_of(encoding: Encoding, span: Span, segment: int) -> slice:
    first = encoding.char_to_token(span.start, segment)
    last = encoding.char_to_token(span.end - 1, segment)
    # spans begin and end with a character that is of some piece
    assert first is not None
    assert last is not None
    return slice(first, last + 1)
