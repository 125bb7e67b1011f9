"""What a reader of single words could know: the laws of the samples are that it is not enough."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import pytest

Guess = Callable[[Sequence[tuple[Iterable[str], str]], Sequence[tuple[Iterable[str], str]]], float]


@pytest.fixture(scope="session")
def by_words() -> Guess:
    """The accuracy of naive Bayes, which sees words and no order, on what it was not taught."""
    return _accuracy


def _accuracy(
    taught: Sequence[tuple[Iterable[str], str]], asked: Sequence[tuple[Iterable[str], str]]
) -> float:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    labels = Counter(label for _, label in taught)
    for words, label in taught:
        counts[label].update(set(words))

    def score(words: Iterable[str], label: str) -> float:
        rates = ((counts[label][word] + 1) / (labels[label] + 2) for word in set(words))
        return math.log(labels[label]) + sum(map(math.log, rates))

    right = [max(labels, key=lambda it: score(words, it)) == label for words, label in asked]
    return sum(right) / len(right)
