"""Texts as windows of pieces, each piece with its words, and windows as inputs of a model."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from tokenizers import Encoding, Tokenizer

from alambique.distill.alignment import IntArray, WordPieces, pieces_of
from alambique.runtime.frames import (
    Frame,
    LongArray,
    Run,
    pair_frame,
    presplit_tokenizer,
    read_tokenizer,
    single_frame,
)
from alambique.runtime.words import covered_words, words_of

PREPROCESSING = 2
"""Part of every fingerprint: one more whenever the same text would get other windows."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """N pieces of a text (for questions: of a question and its context)."""

    input_ids_N: LongArray
    type_ids_N: LongArray
    null: int
    """The position of [CLS] or <s>."""
    first_word_N: IntArray
    """The first word that the piece overlaps; -1: special, of the question, or only space."""
    last_word_N: IntArray
    offsets_N2: IntArray
    """Characters of the text, spaces trimmed; of pre-split words: within the word."""
    best_words_K: IntArray
    """The words that have most context here. Every word with a piece is best in one window."""
    whole: tuple[int, int]
    """The range of words that this window's edges do not cut, its end not included."""

    def __len__(self) -> int:
        """Return how many pieces the window has: N."""
        return len(self.input_ids_N)


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """All pieces of a text, M of them, without a frame."""

    ids_M: LongArray
    first_word_M: IntArray
    last_word_M: IntArray
    offsets_M2: IntArray
    words: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """Makes windows of texts. Equal fingerprints make equal windows."""

    tokenizer: Tokenizer
    max_length: int
    """Pieces of the longest window, special ones counted."""
    stride: int
    """Pieces that neighbouring windows share; at most half of a window's text."""
    pad_id: int
    single: Frame
    pair: Frame
    _last: dict[str, _Pieces] = field(default_factory=dict, repr=False, compare=False)
    """The newest context: in a data set, the questions about one follow each other."""
    _presplit: list[Tokenizer] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def of(cls, tokenizer: Tokenizer, *, max_length: int, stride: int, pad_id: int) -> Self:
        """Return an encoder over a tokenizer that neither truncates nor pads.

        Raises:
            BadModel: the tokenizer puts no special piece before a text.
        """
        return cls(
            tokenizer,
            max_length,
            stride,
            pad_id,
            single=single_frame(tokenizer),
            pair=pair_frame(tokenizer),
        )

    @classmethod
    def from_folder(cls, folder: Path, *, max_length: int, stride: int) -> Self:
        """Return an encoder over the tokenizer.json of a model folder.

        Raises:
            BadModel: it cannot be read, or lacks a special piece that is needed.
        """
        tokenizer, pad_id = read_tokenizer(folder)
        return cls.of(tokenizer, max_length=max_length, stride=stride, pad_id=pad_id)

    @property
    def presplit(self) -> Tokenizer:
        """The tokenizer of sentences given as words, made where the first one comes."""
        if not self._presplit:
            self._presplit.append(presplit_tokenizer(self.tokenizer))
        return self._presplit[0]

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which windows a text gets."""
        content = json.loads(self.tokenizer.to_str())
        made_by = [PREPROCESSING, content, self.max_length, self.stride]
        return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()

    def question(self, question: str, context: str) -> tuple[Window, ...]:
        """Return the windows of a context, each behind the question; at least one.

        Words are those of `words_of(context)`. A question that would leave the context less than
        half of a window is cut at its end.
        """
        longest = max(self.max_length - self.pair.size - self.max_length // 2, 0)
        ids = self.tokenizer.encode(question, add_special_tokens=False).ids[:longest]
        lead = np.array(ids, np.int64)
        return self._windows(self.pair, lead, self._context(context))

    def words(self, words: Sequence[str]) -> tuple[Window, ...]:
        """Return the windows of a sentence given as words; at least one."""
        encoding = self.presplit.encode(list(words), is_pretokenized=True, add_special_tokens=False)
        lead = np.zeros(0, np.int64)
        return self._windows(self.single, lead, _word_pieces(encoding, len(words)))

    def texts(self, text: str, second: str | None = None) -> Window:
        """Return the one window of a text, or of a pair: what is too long is cut at its end.

        Of a pair the longer text is cut first, and both once they are equally long.
        """
        first_ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        if second is None:
            room = self.max_length - self.single.size
            return _wordless_window(self.single, [], first_ids[:room])
        second_ids = self.tokenizer.encode(second, add_special_tokens=False).ids
        room = self.max_length - self.pair.size
        first, last = _share_room(len(first_ids), len(second_ids), room)
        return _wordless_window(self.pair, first_ids[:first], second_ids[:last])

    def passages(self, text: str) -> tuple[Window, ...]:
        """Return the windows of running text, of which no piece belongs to a word; at least one."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        room = self.max_length - self.single.size
        ranges = _ranges(len(ids), room, min(self.stride, room // 2))
        return tuple(_wordless_window(self.single, [], ids[start:end]) for start, end in ranges)

    def _context(self, context: str) -> _Pieces:
        pieces = self._last.get(context)
        if pieces is None:
            encoding = self.tokenizer.encode(context, add_special_tokens=False)
            pieces = _text_pieces(encoding, words_of(context))
            self._last.clear()
            self._last[context] = pieces
        return pieces

    def _windows(self, frame: Frame, lead: LongArray, pieces: _Pieces) -> tuple[Window, ...]:
        room = self.max_length - frame.size - len(lead)
        ranges = _ranges(len(pieces.ids_M), room, min(self.stride, room // 2))
        best = _best_words(pieces_of(pieces.first_word_M, pieces.last_word_M), ranges)
        return tuple(
            _window(frame, lead, pieces, piece_range, best_K)
            for piece_range, best_K in zip(ranges, best, strict=True)
        )


def _text_pieces(encoding: Encoding, words_W2: IntArray) -> _Pieces:
    offsets_M2 = np.array(encoding.offsets, np.int32).reshape(-1, 2)
    first_M, last_M = covered_words(words_W2, offsets_M2)
    if len(words_W2):  # words hold every character but spaces: byte-level pieces lose theirs
        inside_M = first_M >= 0
        offsets_M2[:, 0] = np.where(
            inside_M, np.maximum(offsets_M2[:, 0], words_W2[first_M, 0]), offsets_M2[:, 0]
        )
        offsets_M2[:, 1] = np.where(
            inside_M, np.minimum(offsets_M2[:, 1], words_W2[last_M, 1]), offsets_M2[:, 1]
        )
    return _Pieces(np.array(encoding.ids, np.int64), first_M, last_M, offsets_M2, len(words_W2))


def _word_pieces(encoding: Encoding, words: int) -> _Pieces:
    word_M = np.array([-1 if word is None else word for word in encoding.word_ids], np.int32)
    offsets_M2 = np.array(encoding.offsets, np.int32).reshape(-1, 2)
    return _Pieces(np.array(encoding.ids, np.int64), word_M, word_M, offsets_M2, words)


def _wordless_window(frame: Frame, lead: Sequence[int], ids: Sequence[int]) -> Window:
    """Return the window of a text that is read as a whole: no piece belongs to a word."""
    runs = _runs(frame, np.array(lead, np.int64), np.array(ids, np.int64))
    length = sum(map(len, runs))
    # of running text there are many: what is the same at every piece takes no room
    none_N = np.broadcast_to(np.int32(-1), length)
    return Window(
        input_ids_N=np.concatenate([run.ids for run in runs]),
        type_ids_N=np.concatenate([run.types for run in runs]),
        null=0,
        first_word_N=none_N,
        last_word_N=none_N,
        offsets_N2=np.broadcast_to(np.int32(0), (length, 2)),
        best_words_K=np.zeros(0, np.int32),
        whole=(0, 0),
    )


def _share_room(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how much of two lengths fits into `room` if the longer one is cut first.

    >>> _share_room(9, 3, 10), _share_room(3, 9, 10), _share_room(9, 8, 11), _share_room(2, 3, 9)
    ((7, 3), (3, 7), (6, 5), (2, 3))
    """
    shorter = min(first, second)
    if first + second > room:
        shorter = min(shorter, room // 2)
    longer = min(max(first, second), room - shorter)
    return (longer, shorter) if first > second else (shorter, longer)


def _ranges(pieces: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Return ranges of at most `room` pieces that share `stride` with their neighbours.

    >>> _ranges(10, 6, 2), _ranges(10, 6, 3), _ranges(0, 6, 2)
    ([(0, 6), (4, 10)], [(0, 6), (3, 9), (6, 10)], [(0, 0)])
    """
    last = max(pieces - room, 0)
    step = room - stride
    starts = range(0, last + step, step) if last else range(1)
    return [(start, min(start + room, pieces)) for start in starts]


def _best_words(word_pieces: WordPieces, ranges: list[tuple[int, int]]) -> list[IntArray]:
    """Return for each range of pieces the words whose best window it is.

    As in transformers' run_qa: context is the smaller of the pieces to the left and to the right,
    and a hundredth of the window's length decides between equals. A word counts where its first
    piece is; one that an edge cuts has negative context.
    """
    if len(ranges) == 1:
        return [word_pieces.words_P]
    start_R1, end_R1 = np.array(ranges).T[:, :, None]
    context_RP = np.minimum(word_pieces.first_P - start_R1, end_R1 - 1 - word_pieces.last_P)
    score_RP = context_RP + 0.01 * (end_R1 - start_R1)
    has_first_RP = (word_pieces.first_P >= start_R1) & (word_pieces.first_P < end_R1)
    best_P = np.where(has_first_RP, score_RP, -np.inf).argmax(axis=0)
    return [word_pieces.words_P[best_P == r] for r in range(len(ranges))]


def _window(
    frame: Frame,
    lead: LongArray,
    pieces: _Pieces,
    piece_range: tuple[int, int],
    best_words_K: IntArray,
) -> Window:
    start, end = piece_range
    runs = _runs(frame, lead, pieces.ids_M[start:end])
    first = len(frame.before) + len(lead) + len(frame.between)
    here = slice(first, first + end - start)
    length = sum(map(len, runs))
    words_N2 = np.full((length, 2), -1, np.int32)
    words_N2[here, 0] = pieces.first_word_M[start:end]
    words_N2[here, 1] = pieces.last_word_M[start:end]
    offsets_N2 = np.zeros((length, 2), np.int32)
    offsets_N2[here] = pieces.offsets_M2[start:end]
    return Window(
        input_ids_N=np.concatenate([run.ids for run in runs]),
        type_ids_N=np.concatenate([run.types for run in runs]),
        null=0,
        first_word_N=words_N2[:, 0],
        last_word_N=words_N2[:, 1],
        offsets_N2=offsets_N2,
        best_words_K=best_words_K,
        whole=_whole_words(pieces, start, end),
    )


def _runs(frame: Frame, lead: LongArray, ids: LongArray) -> tuple[Run, ...]:
    """Return all pieces of a window."""
    question = Run(lead, np.full(len(lead), frame.text_types[0], np.int64))
    text = Run(ids, np.full(len(ids), frame.text_types[-1], np.int64))
    return frame.before, question, frame.between, text, frame.after


def _whole_words(pieces: _Pieces, start: int, end: int) -> tuple[int, int]:
    """Return the range of words that have no piece outside of a range of pieces."""
    before, after = pieces.last_word_M[:start], pieces.first_word_M[end:]
    after = after[after >= 0]
    low = int(before.max()) + 1 if len(before) else 0
    high = int(after.min()) if len(after) else pieces.words
    return low, high


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """B windows, padded to the longest of them, N."""

    input_ids_BN: LongArray
    attention_BN: LongArray
    """1 where there is a piece, 0 where there is padding."""
    type_ids_BN: LongArray


def pad(windows: Sequence[Window], pad_id: int, *, length: int | None = None) -> Inputs:
    """Return windows as arrays, padded on the right to `length`, or to the longest of them."""
    longest = max((len(window) for window in windows), default=0)
    shape = (len(windows), longest if length is None else length)
    ids_BN, attention_BN = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64)
    types_BN = np.zeros(shape, np.int64)
    for row, window in enumerate(windows):
        ids_BN[row, : len(window)] = window.input_ids_N
        types_BN[row, : len(window)] = window.type_ids_N
        attention_BN[row, : len(window)] = 1
    return Inputs(ids_BN, attention_BN, types_BN)
