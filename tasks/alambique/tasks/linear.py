"""What a linear model over the words of texts predicts: the baselines of classes and scores."""

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from alambique.tasks.examples import Labelled, Rated
from alambique.tasks.task import Baseline

_MOST = 20_000
"""Training examples that the model is fitted to: of more, that many at equal distances."""
_CHARACTERS = 3_000
"""The first characters of a text that count: about what a teacher's longest windows hold."""
_TERMS = 50_000
"""The commonest ones, which get a weight for each class."""
_ITERATIONS = 30
"""Optimizer steps: more of them change accuracy on noticias, PAWS-X and XNLI by less than 0.02."""
_PARTS = 10
"""Into which the share of words that two texts have in common is cut."""

_WORD = re.compile(r"\w+")


def commonest_class(training: Sequence[Labelled], examples: Sequence[Labelled]) -> list[str]:
    """Return the commonest class of the training examples, of equal ones the first by name."""
    counts = Counter(example.label for example in training)
    return [min(counts, key=lambda label: (-counts[label], label))] * len(examples)


def logistic_regression(training: Sequence[Labelled], examples: Sequence[Labelled]) -> list[str]:
    """Return the likeliest class by logistic regression over the TF-IDF of `terms`."""
    # not on top: scikit-learn takes longer to import than most commands to run
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    # drawn, since data sets repeat: each premise has its three hypotheses in one order
    order = np.random.default_rng(0).permutation(len(training))[:_MOST]
    seen = [training[number] for number in sorted(order)]
    if len({example.label for example in seen}) < 2:
        return commonest_class(training, examples)
    weighted = TfidfVectorizer(analyzer=terms, max_features=_TERMS, sublinear_tf=True)
    model = LogisticRegression(C=10.0, max_iter=_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(weighted.fit_transform(seen), [example.label for example in seen])
    return [str(label) for label in model.predict(weighted.transform(examples))]


def tfidf_cosine(training: Sequence[Rated], examples: Sequence[Rated]) -> list[float]:
    """Return the cosine of the TF-IDF vectors of the two texts of each example."""
    # not on top: scikit-learn takes longer to import than most commands to run
    from sklearn.feature_extraction.text import TfidfVectorizer

    weighted = TfidfVectorizer(max_features=_TERMS, sublinear_tf=True)
    weighted.fit([text[:_CHARACTERS] for example in training for text in example.texts])
    one, other = (
        weighted.transform([example.texts[number][:_CHARACTERS] for example in examples])
        for number in range(2)
    )
    return [float(value) for value in np.asarray(one.multiply(other).sum(axis=1)).ravel()]


def ridge_regression(training: Sequence[Rated], examples: Sequence[Rated]) -> list[float]:
    """Return the score by ridge regression over the TF-IDF of each example's `terms`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    order = np.random.default_rng(0).permutation(len(training))[:_MOST]
    seen = [training[number] for number in sorted(order)]
    weighted = TfidfVectorizer(analyzer=terms, max_features=_TERMS, sublinear_tf=True)
    model = Ridge(alpha=1.0, solver="lsqr")
    model.fit(weighted.fit_transform(seen), [example.score for example in seen])
    return [float(found) for found in model.predict(weighted.transform(examples))]


def terms(example: Labelled | Rated) -> list[str]:
    """Return the terms of an example that are counted.

    Of one text its words in lower case. Of two texts the words of each, those that both have and
    those that one has alone, and how large a part of the words both have: what two bags of words
    tell of whether one text says the same as the other.
    """
    words = [_WORD.findall(text[:_CHARACTERS].lower()) for text in example.texts]
    # the empty term: a text may have no words, and a data set has to have a term
    return [*words[0], ""] if len(words) == 1 else list(_pair_terms(*words))


def _pair_terms(first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    ours, theirs = set(first), set(second)
    for place, words in enumerate((first, second), start=1):
        yield from (f"{place} {word}" for word in words)
    yield from (f"both {word}" for word in sorted(ours & theirs))
    yield from (f"only 1 {word}" for word in sorted(ours - theirs))
    yield from (f"only 2 {word}" for word in sorted(theirs - ours))
    for name, of in (("all", ours | theirs), ("1", ours), ("2", theirs)):
        shared = len(ours & theirs) / (len(of) or 1)
        yield f"shared of {name} {int(shared * _PARTS)}"


SCORE_BASELINES: tuple[Baseline[Rated, float], ...] = (
    Baseline("the cosine of TF-IDF", tfidf_cosine),
    Baseline("TF-IDF with ridge regression", ridge_regression),
)
BASELINES: tuple[Baseline[Labelled, str], ...] = (
    Baseline("the commonest class", commonest_class),
    Baseline("TF-IDF with logistic regression", logistic_regression),
)
