"""The gate that a teacher has to pass: the collapses of Speedy Gonzales, and their laws."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.data import Data
from alambique.tasks.all import find
from alambique.tasks.bootstrap import Floats, ratio
from alambique.tasks.data import Splits, load
from alambique.tasks.examples import Sentence
from alambique.workers.pipeline.records import (
    FineTuneResult,
    FineTuneRun,
    GateFigures,
    TrainedModel,
)
from alambique.workers.stages.gate import gate_figures, judge_runs

DATA = ("mldoc", "paws-x", "xnli", "pos", "ner", "mlqa", "sqac", "tar")
FINE_TUNED = {
    "beto-uncased": (96.38, 84.25, 77.76, 97.81, 80.85, 64.12, 72.22, 74.81),
    "beto-cased": (96.65, 89.80, 81.98, 98.95, 87.14, 67.65, 78.65, 77.81),
    "distilbeto": (96.35, 75.80, 76.59, 97.67, 78.13, 57.97, 64.41, 66.97),
    "albeto-tiny": (95.82, 80.20, 73.43, 97.34, 75.42, 51.84, 59.28, 66.43),
    "albeto-base": (96.07, 87.95, 79.88, 98.21, 82.89, 66.12, 77.71, 77.18),
    "albeto-large": (92.22, 86.05, 78.94, 97.98, 82.36, 65.56, 76.36, 76.72),
    "albeto-xlarge": (95.70, 89.05, 81.68, 98.20, 81.42, 68.26, 78.64, 80.15),
    "albeto-xxlarge": (96.85, 89.85, 82.42, 98.43, 83.06, 70.17, 81.49, 79.13),
    "bertin": (96.47, 88.65, 80.50, 99.02, 85.66, 66.06, 78.42, 77.05),
    "roberta-bne-base": (96.82, 89.90, 81.12, 99.00, 86.80, 67.31, 80.53, 77.16),
    "roberta-bne-large": (97.00, 90.00, 51.62, 61.83, 21.47, 67.69, 80.41, 77.34),
}
"""Test scores of the paper's Table 3: accuracy, F1 of tags and entities, F1 of answers."""
COLLAPSED = {(name, "roberta-bne-large") for name in ("xnli", "pos", "ner")}
DISTILLED = {
    "base-6": (96.40, 88.45, 81.66, 97.82, 78.41, 66.35, 76.99, 75.59),
    "tiny": (96.40, 85.05, 75.99, 97.36, 72.51, 54.17, 63.03, 67.47),
}


def tried(metrics: Sequence[float | None], gate: GateFigures | None = None) -> list[FineTuneRun]:
    """Runs with these metrics; None: one without weights."""
    return [
        FineTuneRun(
            number=number,
            candidate=number - 1,
            model=f"model-{number}",
            name=f"model-{number}",
            point={},
            train=None,
            result=FineTuneResult(
                model=None if metric is None else trained(metric),
                start=Path("start"),
                diverged="it diverged" if metric is None else None,
                gate=gate,
            ),
        )
        for number, metric in enumerate(metrics, start=1)
    ]


def trained(metric: float) -> TrainedModel:
    return TrainedModel(
        name="teacher",
        folder=Path("run"),
        weights="w",
        max_length=64,
        stride=16,
        loss=1.0,
        metric=metric,
        seconds=1.0,
    )


def collapsed(metrics: Sequence[float | None]) -> list[bool]:
    return [run.collapsed is not None for run in judge_runs(tried(metrics))]


def test_of_the_paper_s_candidates_the_three_that_collapsed_are_named() -> None:
    found = set()
    for column, data in enumerate(DATA):
        metrics = [scores[column] / 100 for scores in FINE_TUNED.values()]
        names = zip(FINE_TUNED, collapsed(metrics), strict=True)
        found |= {(data, name) for name, bad in names if bad}
    assert found == COLLAPSED


def test_no_student_of_the_paper_is_far_below_its_teachers() -> None:
    for column in range(len(DATA)):
        metrics = [scores[column] / 100 for scores in (FINE_TUNED | DISTILLED).values()]
        assert not any(collapsed(metrics)[len(FINE_TUNED) :])


@pytest.mark.parametrize("data", ["xnli", "pos", "ner"])
@pytest.mark.parametrize("others", [2, 3, 5, 10])
def test_a_collapse_is_named_among_few_others_too(data: str, others: int) -> None:
    *healthy, bad = [scores[DATA.index(data)] / 100 for scores in FINE_TUNED.values()]
    assert collapsed([*healthy[:others], bad]) == [False] * others + [True]


@pytest.mark.parametrize("data", ["xnli", "pos", "ner"])
def test_collapses_are_named_where_almost_half_of_all_runs_are(data: str) -> None:
    *healthy, bad = [scores[DATA.index(data)] / 100 for scores in FINE_TUNED.values()]
    assert collapsed([*healthy, *[bad] * 9]) == [False] * 10 + [True] * 9


def test_two_runs_have_no_median_to_be_below() -> None:
    assert collapsed([0.9, 0.1]) == [False, False]
    assert collapsed([0.9, None, 0.1]) == [False, True, False]


def test_what_is_said_of_a_run_far_below_the_others() -> None:
    run = judge_runs(tried([0.8, 0.2, 0.9, 0.7]))[1]
    assert run.collapsed == (
        "the primary metric on the validation examples is 0.2000, less than 70% of 0.8000, the "
        "median of the 3 other runs"
    )


METRICS = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(METRICS)
def test_the_best_run_and_all_near_it_are_never_far_below(metrics: list[float]) -> None:
    for metric, bad in zip(metrics, collapsed(metrics), strict=True):
        assert not (bad and metric >= 0.7 * max(metrics))


@given(METRICS, st.integers(0, 11))
def test_a_run_with_nothing_is_far_below_where_most_others_have_something(
    metrics: list[float], place: int
) -> None:
    runs = [*metrics[:place], 0.0, *metrics[place:]]
    number = min(place, len(metrics))
    assert collapsed(runs)[number] == (len(metrics) >= 2 and median(metrics) > 0)


def figures(difference: float, low: float, high: float) -> GateFigures:
    return GateFigures(
        metric="f1",
        score=0.5 + difference,
        baseline="the most frequent tag of each word",
        baseline_score=0.5,
        difference=difference,
        low=low,
        high=high,
    )


@pytest.mark.parametrize(
    ("difference", "low", "high", "passed"),
    [
        (0.1, 0.05, 0.15, True),
        (0.05, 0.0, 0.1, False),
        (0.0, 0.0, 0.0, False),
        (-0.1, -0.1, -0.1, False),
    ],
)
def test_better_by_more_than_the_half_width(
    difference: float, low: float, high: float, passed: bool
) -> None:
    gate = figures(difference, low, high)
    (run,) = judge_runs(tried([0.5], gate))
    assert (gate.is_passed, run.collapsed is None) == (passed, passed)
    if run.collapsed:
        assert f"difference is {difference:+.4f} ({low:+.4f} to {high:+.4f})" in run.collapsed
        assert f"half the width of its interval, {(high - low) / 2:.4f}" in run.collapsed


def hits(count: int, of: int) -> Floats:
    return np.stack([np.arange(of) < count, np.ones(of)], axis=1).astype(np.float64)


def test_the_best_of_a_task_s_baselines_is_what_has_to_be_beaten() -> None:
    task = find("inference")
    found = gate_figures(task, hits(60, 100), [hits(50, 100), hits(40, 100)])
    assert (found.baseline, found.baseline_score, found.score) == (task.baselines[0].name, 0.5, 0.6)
    assert found.difference == pytest.approx(0.1)
    assert found.low < 0.1 < found.high
    other = gate_figures(task, hits(60, 100), [hits(40, 100), hits(50, 100)])
    assert (other.baseline, other.difference) == (task.baselines[1].name, found.difference)
    assert (found.is_passed, gate_figures(task, hits(50, 100), [hits(50, 100)] * 2).is_passed) == (
        True,
        False,
    )


Real = Callable[[str, str], Splits]


@pytest.fixture
def real(shared: Path) -> Real:
    """Real data, from the folder beside the project."""

    def loaded(name: str, task: str) -> Splits:
        return load(Data(name=name), task=find(task), root=shared / "data")

    return loaded


def at(splits: Splits, task: str, score: float) -> GateFigures:
    """The figures of a teacher with about this score: right in some sentences, no use in others."""
    found, dev = find(task), splits.dev
    right_E2, wrong_E2 = (
        found.fractions(dev, predicted)
        for predicted in ([one.tags for one in dev if isinstance(one, Sentence)], [None] * len(dev))
    )
    turn_E = np.random.default_rng(7).permutation(len(dev))
    mixtures = (np.where((turn_E < n)[:, None], right_E2, wrong_E2) for n in range(len(dev) + 1))
    ours_E2 = next(mixed for mixed in mixtures if ratio(mixed) >= score)
    theirs = [
        found.fractions(dev, baseline.predict(splits.train, dev)) for baseline in found.baselines
    ]
    return gate_figures(found, ours_E2, theirs)


@pytest.mark.parametrize(
    ("score", "passed"), [(0.001, False), (0.2147, False), (0.7251, True), (0.8714, True)]
)
def test_entities_of_conll2002(real: Real, score: float, passed: bool) -> None:
    """A teacher that finds next to nothing, the paper's collapse, and two of its healthy models."""
    gate = at(real("conll2002", "named-entities"), "named-entities", score)
    assert gate.score == pytest.approx(score, abs=0.01)
    assert gate.baseline_score == pytest.approx(0.436, abs=0.001)
    assert gate.is_passed is passed


@pytest.mark.parametrize(("score", "passed"), [(0.001, False), (0.2147, False), (0.95, True)])
def test_entities_of_the_sample_data(score: float, passed: bool) -> None:
    """The same on data that the package ships, a hundred of whose sentences name words' tags."""
    data = Data(name="sample-entities", limit={"train": 100, "dev": 200})
    splits = load(data, task=find("named-entities"), root=None)
    gate = at(splits, "named-entities", score)
    assert gate.score == pytest.approx(score, abs=0.02)
    assert gate.is_passed is passed


@pytest.mark.parametrize(("score", "passed"), [(0.6183, False), (0.9734, True)])
def test_parts_of_speech_of_gsd(real: Real, score: float, passed: bool) -> None:
    """The paper's collapse and its worst healthy teacher, on the part of GSD that is at hand."""
    gate = at(real("ud-gsd", "part-of-speech"), "part-of-speech", score)
    assert gate.score == pytest.approx(score, abs=0.01)
    assert gate.is_passed is passed


@pytest.mark.parametrize(("score", "passed"), [(0.5162, False), (0.7343, True)])
def test_a_collapsed_teacher_of_xnli_is_no_better_than_bags_of_words(
    real: Real, score: float, passed: bool
) -> None:
    """The paper's collapse is no better than two bags of words that saw 2 000 of its 392 702."""
    task, splits = find("inference"), real("xnli-dev", "inference")
    theirs = [
        task.fractions(splits.dev, baseline.predict(splits.train, splits.dev))
        for baseline in task.baselines
    ]
    count = round(score * len(splits.dev))
    draw = np.random.default_rng(7).permutation(len(splits.dev))
    gate = gate_figures(task, hits(count, len(splits.dev))[draw], theirs)
    assert gate.baseline == "TF-IDF with logistic regression"
    assert gate.is_passed is passed
