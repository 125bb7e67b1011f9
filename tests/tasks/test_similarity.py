"""How alike two texts are: its tables, its correlations, and what each example adds to them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr, spearmanr

from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadData, BadSpec
from alambique.tasks import similarity
from alambique.tasks.bootstrap import ratio, score_interval
from alambique.tasks.examples import Rated, read, without_labels, write
from alambique.tasks.linear import SCORE_BASELINES
from alambique.tasks.task import ScoreGold

TASK = similarity.TASK
SCORES = arrays(np.float64, 12, elements=st.integers(0, 50).map(lambda tenths: tenths / 10))


def rated(scores: np.ndarray) -> list[Rated]:
    return [Rated(str(n), ("Ana vive.", "Luis vive."), float(s)) for n, s in enumerate(scores)]


@given(SCORES, SCORES)
def test_scores_are_those_of_scipy(golds: np.ndarray, found: np.ndarray) -> None:
    scores = TASK.score(rated(golds), list(found))
    if len(set(golds)) == 1 or len(set(found)) == 1:
        assert scores == {"pearson": 0, "spearman": 0}
        return
    assert scores["pearson"] == pytest.approx(pearsonr(golds, found).statistic, abs=1e-9)
    assert scores["spearman"] == pytest.approx(spearmanr(golds, found).statistic, abs=1e-9)


@given(SCORES, SCORES)
def test_what_the_examples_add_is_pearson(golds: np.ndarray, found: np.ndarray) -> None:
    examples, predictions = rated(golds), list(found)
    expected = TASK.score(examples, predictions)["pearson"]
    assert ratio(TASK.fractions(examples, predictions)) == pytest.approx(expected, abs=1e-9)


def test_the_interval_is_that_of_resampled_correlations() -> None:
    """Against the definition: r of each resampled test set, and not a mean of influences."""
    random = np.random.default_rng(0)
    golds = random.normal(size=400)
    found = 0.6 * golds + random.normal(size=400)
    drawn = random.integers(400, size=(4000, 400))
    low, high = np.quantile([np.corrcoef(golds[i], found[i])[0, 1] for i in drawn], [0.025, 0.975])
    interval = score_interval(TASK.fractions(rated(golds), list(found))[None])
    assert interval.value == pytest.approx(pearsonr(golds, found).statistic)
    assert interval.low == pytest.approx(low, abs=0.01)
    assert interval.high == pytest.approx(high, abs=0.01)


def test_a_missing_prediction_counts_as_nothing_alike() -> None:
    examples = rated(np.array([0.0, 5.0, 2.5]))
    assert TASK.score(examples, [None, 5.0, 2.5])["pearson"] == pytest.approx(1)
    assert TASK.score(examples, [5.0, None, 2.5])["pearson"] == pytest.approx(-1)


def test_a_pair_is_one_window_whose_gold_is_its_score(wide: Encoder) -> None:
    example = Rated("p", ("Ana vive en Palma.", "Ana vive lejos."), 3.4)
    (window,) = TASK.windows(example, wide)
    assert set(window.type_ids_N.tolist()) == {0, 1}
    assert TASK.gold(example, window, TASK.labels([example])) == ScoreGold(3.4)
    logits = [np.array([[3.25]], np.float32)]
    assert TASK.predict(example, [window], logits, TASK.labels([example])) == 3.25


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "sentence1\tsentence2\tscore\nAna vive.\tLuis vive.\t3.4\n"),
        ("a.csv", "sentence1,sentence2,score\r\nAna vive.,Luis vive.,3.4\r\n"),
        ("a.jsonl", '{"sentence1": "Ana vive.", "sentence2": "Luis vive.", "score": 3.4}\n'),
    ],
)
def test_tables_hold_numbers(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    rows = TASK.readers[path.suffix](path)
    (example,) = rows if isinstance(rows, list) else rows.examples
    assert (example.texts, example.score) == (("Ana vive.", "Luis vive."), 3.4)
    bare = TASK.readers[path.suffix](path, labels=False)
    assert (bare if isinstance(bare, list) else bare.examples)[0].score is None


@pytest.mark.parametrize("cell", ["mucho", "3,4", "nan", "", "inf"])
def test_what_is_no_number_is_refused_with_its_place(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"sentence1\tsentence2\tscore\nAna vive.\tLuis vive.\t{cell}\n")
    with pytest.raises(BadData, match=r"a\.tsv:2: column 'score' should hold a number"):
        TASK.readers[".tsv"](path)


def test_columns_may_be_called_otherwise_and_labels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"sentence1": "Ana vive.", "sentence2": "Luis vive.", "parecido": 1}\n')
    rows = TASK.readers_for({"score": "parecido"}, ())[".jsonl"](path)
    (example,) = rows if isinstance(rows, list) else rows.examples
    assert example.score == 1.0
    with pytest.raises(BadSpec, match="has no labels"):
        TASK.readers_for({}, ("poco", "mucho"))


def test_a_file_of_them_is_read_as_it_was_written(tmp_path: Path) -> None:
    examples = [*rated(np.array([0.5, 4.0])), without_labels(rated(np.array([1.0]))[0])]
    write(tmp_path / "examples.arrow", examples)
    assert read(tmp_path / "examples.arrow") == examples


@pytest.mark.parametrize("baseline", SCORE_BASELINES, ids=lambda one: one.name)
def test_baselines_know_texts_of_the_same_words(baseline: object) -> None:
    words = ["ana", "vive", "en", "palma", "con", "luis", "y", "trabaja", "de", "noche"]
    random = np.random.default_rng(1)

    def pair(number: int) -> Rated:
        kept = int(random.integers(len(words) + 1))
        other = [*words[:kept], *(f"otro{n}" for n in range(len(words) - kept))]
        return Rated(str(number), (" ".join(words), " ".join(other)), float(kept))

    train, test = [pair(n) for n in range(100)], [pair(n) for n in range(40)]
    predictions = next(b for b in SCORE_BASELINES if b is baseline).predict(train, test)
    assert TASK.score(test, list(predictions))["pearson"] > 0.9
