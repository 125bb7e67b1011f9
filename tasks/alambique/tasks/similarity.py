"""Similarity: how alike two texts are, as a number, by a regression head.

The score has the range that the data gives it, such as 0 to 5; both correlations are the same
whatever that is.

Shapes: E examples.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from alambique.distill.alignment import FloatArray
from alambique.runtime.windows import Encoder, Window
from alambique.spec.field_errors import BadField, refuse
from alambique.spec.outputs import Output
from alambique.tasks.bootstrap import Floats
from alambique.tasks.examples import Rated
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns, renamed
from alambique.tasks.linear import SCORE_BASELINES
from alambique.tasks.task import Reader, ScoreGold, Task

NAME = "similarity"
COLUMNS = Columns(texts=("sentence1", "sentence2"), label="score")
LABEL = "similarity"
"""What a model calls its only output."""
_MISSING = 0.0
"""The score of a text that was not given one."""


def readers_for(called: Mapping[str, str], labels: Sequence[str]) -> Mapping[str, Reader[Rated]]:
    """Return the readers of tables, by suffix, that have these names for the columns.

    Raises:
        BadSpec: the task has no such column, or labels are given.
    """
    if labels:
        said = f"a {NAME} is a number and has no labels: drop them"
        refuse([BadField("data.labels", None, said)])
    columns = renamed(COLUMNS, called, NAME)
    return {suffix: partial(tables.read_rated, columns=columns) for suffix in tables.Format}


def windows(example: Rated, encoder: Encoder) -> tuple[Window, ...]:
    """Return the one window of both texts; what it has no room for is cut."""
    return (encoder.texts(*example.texts),)


def gold(example: Rated, window: Window, labels: Sequence[str]) -> ScoreGold:
    """Return the gold score of an example."""
    assert example.score is not None  # that of unlabelled text is not asked for
    return ScoreGold(example.score)


def predict(
    example: Rated,
    windows: Sequence[Window],
    logits: Sequence[FloatArray],
    labels: Sequence[str],
) -> float:
    """Return the score that the only window of an example got."""
    return float(logits[0][0, 0])


def score(examples: Sequence[Rated], predictions: Sequence[float | None]) -> dict[str, float]:
    """Return Pearson's and Spearman's correlation with the gold scores; 0 if a side is constant.

    A missing prediction counts as 0.
    """
    # not on top: it takes longer to import than most commands to run
    from scipy.stats import rankdata

    golds_E, found_E = _pairs(examples, predictions)
    return {
        "pearson": _correlation(golds_E, found_E),
        "spearman": _correlation(rankdata(golds_E), rankdata(found_E)),
    }


def fractions(examples: Sequence[Rated], predictions: Sequence[float | None]) -> Floats:
    """Return what each example adds to Pearson's r, out of one.

    That is r plus the empirical influence of the example, z_x z_y - r (z_x² + z_y²) / 2 of the
    standardized scores (Devlin, Gnanadesikan and Kettenring, 1975). Their mean is r, and the mean
    over a resampled test set is its r but for terms of second order, so that `bootstrap` gives r
    an interval as it does to metrics that are ratios (Davison and Hinkley, 1997, §2.7.2).
    """
    golds_E, found_E = _pairs(examples, predictions)
    r, ones_E = _correlation(golds_E, found_E), np.ones(len(examples))
    if not r:
        return np.stack([np.zeros_like(ones_E), ones_E], axis=1)
    x_E, y_E = _standardized(golds_E), _standardized(found_E)
    influence_E = x_E * y_E - r * (x_E**2 + y_E**2) / 2
    return np.stack([r + influence_E, ones_E], axis=1)


def right(examples: Sequence[Rated], predictions: Sequence[float | None]) -> NDArray[np.bool_]:
    """Return False for each example: a score is near or far, and neither right nor wrong."""
    return np.zeros(len(examples), np.bool_)


def confidence(
    _: float, __: Rated, windows: Sequence[Window], logits: Sequence[FloatArray]
) -> FloatArray:
    """Return NaN: a score comes without a probability."""
    return np.full(1, np.nan, np.float32)


def _pairs(examples: Sequence[Rated], predictions: Sequence[float | None]) -> tuple[Floats, Floats]:
    golds = np.array([example.score for example in examples], np.float64)
    found = np.array([_MISSING if one is None else one for one in predictions], np.float64)
    return golds, found


def _correlation(x_E: Floats, y_E: Floats) -> float:
    """Return Pearson's r; 0 if a side is constant."""
    deviations = x_E - x_E.mean(), y_E - y_E.mean()
    norm = np.sqrt(np.prod([np.square(one).sum() for one in deviations]))
    return float(np.clip(deviations[0] @ deviations[1] / norm, -1, 1)) if norm else 0.0


def _standardized(values_E: Floats) -> Floats:
    standardized: Floats = (values_E - values_E.mean()) / values_E.std()
    return standardized


TASK: Task[Rated, float] = Task(
    name=NAME,
    output=Output.SCORE,
    inputs=COLUMNS.texts,
    primary="pearson",
    scores=("pearson", "spearman"),
    shown=("spearman",),
    readers=readers_for({}, ()),
    readers_for=readers_for,
    texts=lambda example: example.texts,
    windows=windows,
    word_count=lambda _: 1,
    labels=lambda _: (LABEL,),
    gold=gold,
    predict=predict,
    score=score,
    fractions=fractions,
    right=right,
    confidence=confidence,
    baselines=SCORE_BASELINES,
    settings=lambda _: {"score": "as it comes", "window": "one, the longer text cut first"},
)
