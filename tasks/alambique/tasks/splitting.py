"""One file of examples, made into three splits by what each example says."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from hashlib import blake2b
from typing import TypeVar, assert_never

from alambique.spec.data import Split, SplitShares
from alambique.tasks.examples import Example, Labelled, Question, Rated, Sentence, Text

E = TypeVar("E", bound=Example)

_BYTES = 8
"""Bytes of the hash that decides: fractions of 2^-64 can be distinguished."""


def split_examples(examples: Iterable[E], shares: SplitShares) -> Mapping[Split, list[E]]:
    """Return the examples of each split, by a hash of the text that an example is kept together by.

    The split of an example depends on nothing but that text and the shares: neither on the order
    of the rows nor on other rows. So it stays where it is when rows are added, and the splits are
    not stratified by label, which would ask the other rows. Each split is in the order of the
    hashes, so that its first examples are a sample of the file.
    """
    by_split: dict[Split, list[tuple[bytes, bytes, E]]] = {"train": [], "dev": [], "test": []}
    for example in examples:
        digest = _digest(grouping_texts(example))
        by_split[_split_at(int.from_bytes(digest) / 2 ** (8 * _BYTES), shares)].append(
            (digest, _content(example), example)
        )
    return {
        split: [example for _, _, example in sorted(rows, key=lambda row: row[:2])]
        for split, rows in by_split.items()
    }


def grouping_texts(example: Example) -> tuple[str, ...]:
    """Return the texts that examples share if they have to be in one split.

    Questions share a context, and pairs a first text, such as a premise; else it is all the text.
    """
    match example:
        case Question():
            return (example.context,)
        case Sentence():
            return example.words
        case Labelled() | Rated():
            return example.texts[:1]
        case Text():
            return (example.text,)
        case _:
            assert_never(example)


def _split_at(place: float, shares: SplitShares) -> Split:
    """Return the split of a hash, as a number from 0 to 1: test comes first, then dev."""
    test = shares.test or 0.0
    if place < test:
        return "test"
    return "dev" if place < test + shares.dev else "train"


def _content(example: Example) -> bytes:
    """Return what orders examples of one text: all but their ids, which number rows."""
    return json.dumps(asdict(replace(example, id="")), sort_keys=True).encode()


def _digest(texts: tuple[str, ...]) -> bytes:
    """Return a digest that is the same of texts that differ by space alone."""
    spaced = [" ".join(text.split()) for text in texts]
    encoded = json.dumps(spaced, ensure_ascii=False).encode(errors="surrogatepass")
    return blake2b(encoded, digest_size=_BYTES).digest()
