"""The table of a job: means over seeds, which of them is registered, and what was gained."""

from pathlib import Path

import numpy as np
import pytest
from tests.recipe_jobs import first_job

from alambique.workers.pipeline.records import Evaluation, Score, Speed, TrainedModel
from alambique.workers.stages.table import (
    TableLine,
    gain_notes,
    gains_of,
    job_notes,
    result_row,
    table_lines,
)

SPEED = Speed(
    device="cpu",
    latency_ms=4.0,
    latency_kept=90,
    latency_low_ms=3.9,
    latency_high_ms=4.4,
    throughput=100.0,
)
EXAMPLES = 400


def network(name: str, seed: int | None, loss: float | None) -> TrainedModel:
    return TrainedModel(
        name=name,
        folder=Path("/nowhere"),
        weights=f"{name}-{seed}",
        max_length=64,
        stride=16,
        loss=loss,
        metric=0.5,
        seconds=1.0,
        steps=30,
        seed=seed,
    )


class Table:
    """Networks with scores of which each example is known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trained: list[TrainedModel] = []
        self.evaluated: list[Evaluation] = []

    def add(self, name: str, right: int, *, seed: int | None = 1, loss: float = 1.0) -> "Table":
        """Add a network that has so many of the examples right, the first ones."""
        hits = (np.arange(EXAMPLES) < right).astype(float)
        path = self.folder / f"{name}-{seed}.npy"
        np.save(path, np.stack([hits, np.ones(EXAMPLES)], axis=1))
        score = Score(
            layers=2,
            parameters=10,
            macs_linear=1,
            macs_full=2,
            metrics={"accuracy": right / EXAMPLES, "ece": 0.1},
        )
        self.trained.append(network(name, seed, loss))
        self.evaluated.append(Evaluation(score=score, settings={}, fractions=path))
        return self

    @property
    def lines(self) -> list[TableLine]:
        return table_lines(self.trained, self.evaluated)


@pytest.fixture
def made(tmp_path: Path) -> Table:
    return Table(tmp_path).add("teacher", 380, seed=None)


def test_seeds_are_one_line_with_their_mean_and_the_best_on_dev_is_registered(made: Table) -> None:
    made.add("distilled", 300, seed=1, loss=0.4).add("distilled", 320, seed=2, loss=0.3)
    teacher, student = made.lines
    row = result_row(student, "m@1", [SPEED], [], teachers=[teacher], primary="accuracy")
    assert row.metrics["accuracy"] == pytest.approx(310 / EXAMPLES)
    assert row.deviations["accuracy"] == pytest.approx(np.std([0.75, 0.8], ddof=1))
    assert row.retention == pytest.approx(310 / 380)
    assert [(one.seed, one.registered) for one in row.seeds] == [(1, False), (2, True)]
    assert row.validation.loss == 0.3
    assert student.model.weights == "distilled-2"
    assert row.steps == 30
    of_one = result_row(teacher, "t@1", [SPEED], [], teachers=[teacher], primary="accuracy")
    assert (of_one.retention, of_one.deviations) == (None, {})


def test_the_gain_is_over_the_better_baseline_on_the_same_examples(made: Table) -> None:
    made.add("gold-only", 240).add("same-start", 280).add("distilled", 320)
    *_, student = made.lines
    gains = gains_of(student, made.lines)
    assert [one.over for one in gains] == ["same-start", "gold-only"]
    assert [one.value for one in gains] == pytest.approx([0.1, 0.2])
    assert gains[0].low > 0
    assert gains[0].seeds == 1
    assert gains_of(made.lines[1], made.lines) == []
    assert [len(list(gain_notes(student, gains, "accuracy")))] == [1]  # that there is one seed


def test_seeds_that_a_baseline_lacks_are_left_out(made: Table) -> None:
    made.add("gold-only", 240, seed=1)
    made.add("distilled", 400, seed=2).add("distilled", 300, seed=1)
    *_, student = made.lines
    (gain,) = gains_of(student, made.lines)
    assert gain.value == pytest.approx(60 / EXAMPLES)
    assert gain.seeds == 1


def test_the_better_baseline_is_so_over_the_seeds_that_it_shares(made: Table) -> None:
    made.add("gold-only", 390, seed=1).add("gold-only", 200, seed=2)
    made.add("same-start", 250, seed=2).add("distilled", 300, seed=2)
    *_, student = made.lines
    gains = gains_of(student, made.lines)
    assert [one.over for one in gains] == ["same-start", "gold-only"]
    assert [one.value for one in gains] == pytest.approx([50 / EXAMPLES, 100 / EXAMPLES])


def test_the_interval_of_few_seeds_is_said_to_be_narrow(made: Table) -> None:
    for seed in (1, 2):
        made.add("gold-only", 240, seed=seed).add("distilled", 320, seed=seed)
    *_, student = made.lines
    (note,) = gain_notes(student, gains_of(student, made.lines), "accuracy")
    assert note.startswith("2 seeds: ")


@pytest.mark.parametrize(
    ("right", "told"), [(320, ["one seed"]), (241, ["may be chance", "one seed"]), (240, ["help"])]
)
def test_what_is_said_of_a_gain(made: Table, right: int, told: list[str]) -> None:
    made.add("gold-only", 240).add("distilled", right)
    *_, student = made.lines
    notes = list(gain_notes(student, gains_of(student, made.lines), "accuracy"))
    for part, note in zip(told, notes, strict=False):
        assert part in note


@pytest.mark.parametrize(
    ("recipe", "overrides", "told"),
    [
        ("pico", [], ["head start"]),
        ("pico", ["compare=[gold-only, same-start]"], []),
        ("pico", ["teacher={model: sample-encoder}"], ["came fine-tuned"]),
        ("pico", ["student={start: sample-encoder, layers: 1}"], []),
        ("pico-search", [], ["chosen among the trials", "head start"]),
        ("pico-search", ["compare=[]", "search.goals=[latency_ms min]"], ["by milliseconds"]),
    ],
)
def test_what_is_said_of_how_students_came_about(
    recipe: str, overrides: list[str], told: list[str]
) -> None:
    notes = list(job_notes(first_job(recipe, overrides)))
    assert len(notes) == len(told)
    assert all(part in note for part, note in zip(told, notes, strict=True))


def test_without_a_baseline_nothing_is_claimed(made: Table) -> None:
    made.add("distilled", 320)
    *_, student = made.lines
    assert gains_of(student, made.lines) == []
