"""The table of a suite: which runs stand in it, and its figures."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
from tests.api.comparison_jobs import compare, ended, line, row, scored, suite

from alambique.api.comparison import FinishedJob, finished_job
from alambique.api.exports import Form, remarks, table_text
from alambique.api.gains import Pair
from alambique.models.counts import REFERENCE_CONFIG, count
from alambique.spec.outputs import Output
from alambique.tasks.bootstrap import Interval


def test_the_score_is_the_mean_over_data_sets_and_speed_is_against_the_reference() -> None:
    table = compare(
        suite(),
        [
            ended("ner", "small", row("distilled", 0.6), computed=60),
            ended("pos_ud", "small", row("distilled", 0.8, macs=300)),
        ],
    )
    found = line(table, "distilled")
    assert found.score == pytest.approx(0.7)
    assert found.speed_up == pytest.approx(2000 / 400)
    assert found.parameters == 1_234_567 + 300
    assert found.inferences_per_second == pytest.approx(150)  # harmonic: 2 / (1/100 + 1/300)
    assert [(one.name, one.metric) for one in table.columns] == [("ner", "f1"), ("pos_ud", "f1")]
    assert [(one.task, one.passes) for one in table.passes] == [("ner", 1.0), ("pos_ud", 0.0)]


def test_a_speed_is_told_against_the_teacher_of_the_same_job() -> None:
    def job(task: str, teacher_ms: float, student_ms: float) -> FinishedJob:
        rows = [row("teacher", 0.9), row("distilled", 0.6)]
        for each, took in zip(rows, (teacher_ms, student_ms), strict=True):
            each["latency_ms"] = took
        return ended(task, "small", *rows)

    table = compare(suite(), [job("ner", 8.0, 4.0), job("pos_ud", 30.0, 3.75)])
    assert line(table, "teacher", None).times_teacher == 1.0
    assert line(table, "distilled").times_teacher == pytest.approx(4.0)  # geometric: of 2 and 8
    assert any("times teacher" in remark for remark in remarks(table))


def test_notes_of_jobs_on_their_teacher_stand_below_the_table_once() -> None:
    rows = [row("teacher", 0.1), row("distilled", 0.1)]
    jobs = [
        ended("ner", student, *rows, teacher_notes=["the gate was off"])
        for student in ("small", "large")
    ]
    assert compare(suite(), jobs).notes == ("ner: the gate was off",)


def test_of_a_column_led_by_a_score_without_examples_the_interval_is_said_to_lack() -> None:
    rows = [row("gold-only", 0.5), row("distilled", 0.6)]
    named = suite(metrics={"ner": ["accuracy"]}, tasks={"ner": {"task": "named-entities"}})
    for each, accuracy in zip(rows, (0.5, 0.6), strict=True):
        each["metrics"]["accuracy"] = accuracy
    (note,) = compare(named, [ended("ner", "small", *rows)]).notes
    assert note.startswith("the gain of ner in accuracy has no interval")
    assert compare(suite(), [ended("ner", "small", *rows)]).notes == ()


def test_of_a_grid_the_lowest_validation_loss_counts_and_not_the_highest_score() -> None:
    points = [{"train.epochs": n} for n in (1, 2, 3)]
    runs = zip(points, (0.9, 0.5, 0.8), (0.3, 0.1, 0.2), strict=True)
    jobs = [ended("ner", "small", row("distilled", s, loss), point=p) for p, s, loss in runs]
    found = line(compare(suite(), jobs), "distilled").scores["ner"]
    assert (found.mean, found.deviation, found.version) == (0.5, None, "distilled@0.5")


def test_of_a_search_the_student_of_the_lowest_loss_counts() -> None:
    front = [row("distilled", 0.5, 0.4), row("distilled", 0.7, 0.2), row("distilled", 0.8, 0.3)]
    found = line(compare(suite(), [ended("ner", "small", *front)]), "distilled").scores["ner"]
    assert (found.mean, found.version, found.complete) == (0.7, "distilled@0.7", True)


def test_of_seeds_the_mean_counts_each_with_its_own_best_point() -> None:
    jobs = [
        ended("ner", "small", row("distilled", s, loss), seed=seed, point={"train.epochs": e})
        for seed, e, s, loss in [
            (1, 1, 0.4, 0.2),
            (1, 2, 0.9, 0.3),
            (2, 1, 0.1, 0.9),
            (2, 2, 0.6, 0),
        ]
    ]
    found = line(compare(suite(), jobs), "distilled").scores["ner"]
    assert found.mean == pytest.approx(0.5)
    assert found.deviation == pytest.approx(0.02**0.5)


def test_models_are_compared_over_the_data_sets_that_all_of_them_have() -> None:
    jobs = [
        ended("ner", "small", row("distilled", 0.6, macs=100)),
        ended("ner", "large", row("distilled", 0.7, macs=200)),
        ended("pos_ud", "large", row("distilled", 0.7, macs=900)),
    ]
    table = compare(suite(), jobs)
    assert [one.speed_up for one in table.rows] == [10.0, 5.0]
    assert [one.inferences_per_second for one in table.rows] == [100, pytest.approx(200)]


def test_several_teachers_are_told_apart() -> None:
    both = suite(teachers={"a": {}, "b": {}})
    rows = [row("gold-only", 0.5), row("distilled", 0.4)]
    jobs = [ended("ner", "small", *rows, teacher=name, computed=60) for name in ("a", "b")]
    table = compare(both, jobs)
    assert [(one.teacher, one.passes) for one in table.passes] == [("a", 1.0), ("b", 1.0)]
    assert [note.split(" on ")[0] for note in table.notes] == [
        "distilling did not help small (from a)",
        "distilling did not help small (from b)",
    ]
    assert "| model | teacher | layers |" in table_text(table, Form.MARKDOWN)


def test_a_result_of_another_version_is_left_out() -> None:
    cell = {"task": "ner", "teacher": "teacher", "student": "small"}
    assert finished_job(UUID(int=1), cell, {"rows": [], "primary": "f1"}) is None


def test_the_teacher_stands_there_once() -> None:
    rows = [row("teacher", 0.9), row("gold-only", 0.5), row("distilled", 0.6)]
    table = compare(suite(), [ended("ner", name, *rows) for name in ("small", "large")])
    assert [(one.role, one.student) for one in table.rows] == [
        ("teacher", None),
        ("gold-only", "small"),
        ("distilled", "small"),
        ("gold-only", "large"),
        ("distilled", "large"),
    ]


def test_what_has_not_ended_well_is_missing_and_no_mean_is_made_without_it() -> None:
    table = compare(suite(), [ended("ner", "small", row("distilled", 0.6))])
    found = line(table, "distilled")
    assert found.scores["pos_ud"] is None
    assert found.score is None
    assert [one.metric for one in table.columns] == ["f1", None]
    nothing = compare(suite(), [])
    assert (nothing.rows, nothing.reference) == ((), None)


@pytest.mark.parametrize(("distilled", "notes"), [(0.4, 1), (0.5, 1), (0.51, 0)])
def test_where_distilling_did_not_help_it_is_said(distilled: float, notes: int) -> None:
    jobs = [ended("ner", "small", row("gold-only", 0.5), row("distilled", distilled))]
    found = compare(suite(), jobs).notes
    assert len(found) == notes
    assert all("did not help small on ner" in note for note in found)


def test_nothing_is_said_of_distilling_while_a_point_is_missing() -> None:
    grid, rows = suite(grid={"train.epochs": [1, 2]}), [row("gold-only", 0.5)]
    points = [{"train.epochs": n} for n in (1, 2)]
    jobs = [
        ended("ner", "small", row("gold-only", 0.5), row("distilled", 0.4), point=points[0]),
        ended("ner", "small", *rows, point=points[1]),
    ]
    assert compare(grid, jobs).notes == ()
    jobs[1] = ended("ner", "small", *rows, row("distilled", 0.4), point=points[1])
    assert len(compare(grid, jobs).notes) == 1


def test_a_gain_is_over_the_better_baseline_in_the_seeds_that_both_have() -> None:
    jobs = [
        ended(
            "ner",
            "small",
            scored("gold-only", 0.5, seed),
            scored("same-start", 0.55, seed),
            *([scored("distilled", 0.6, seed)] if seed < 3 else []),
            id=UUID(int=seed),
            seed=seed,
        )
        for seed in (1, 2, 3)
    ]
    asked: list[Pair] = []

    def draw(pairs: Sequence[Pair]) -> Mapping[Pair, Interval]:
        asked.extend(pairs)
        return {pair: Interval(0.05, -0.01, 0.1, len(pair.ours)) for pair in pairs}

    table = compare(suite(seeds=[1, 2, 3]), jobs, draw)
    (pair,) = asked
    assert [(one.job_id.int, one.role, one.seed) for one in pair.ours] == [
        (1, "student", 1),
        (2, "student", 2),
    ]
    assert [one.role for one in pair.theirs] == ["same-start"] * 2
    gain = line(table, "distilled").scores["ner"].gain
    assert (gain.over, gain.value, gain.low, gain.high, gain.seeds) == (
        "same-start",
        0.05,
        -0.01,
        0.1,
        2,
    )
    assert line(table, "same-start").scores["ner"].gain is None
    assert "+5.00 [-1.00, +10.00] holds 0, over same-start, 90 steps \\*" in table_text(
        table, Form.MARKDOWN
    )
    assert "ner f1 gain" in table_text(table, Form.CSV).splitlines()[0]


def test_of_a_score_that_is_not_primary_no_interval_is_drawn() -> None:
    rows = [scored(name, score, 1) for name, score in (("gold-only", 0.5), ("distilled", 0.6))]
    by_accuracy = suite(metrics={"ner": ["accuracy"]})

    def draw(pairs: Sequence[Pair]) -> Mapping[Pair, Interval]:
        assert not pairs
        return {}

    gain = line(compare(by_accuracy, [ended("ner", "small", *rows)], draw), "distilled")
    assert gain.scores["ner"].gain.low is None


@pytest.mark.parametrize(("slower", "notes"), [(1.05, 0), (1.2, 1)])
def test_lines_of_one_shape_that_did_not_take_equally_long(slower: float, notes: int) -> None:
    quick = {"latency_ms": 10.0}
    jobs = [
        ended("ner", "small", row("distilled", 0.6) | quick),
        ended("ner", "large", row("distilled", 0.6) | {"latency_ms": 10.0 * slower}),
    ]
    found = compare(suite(), jobs).notes
    assert sum("machine was busy" in note for note in found) == notes


def test_of_a_search_a_student_is_compared_with_the_baseline_of_its_own_trial() -> None:
    """Though that of another trial has a lower loss."""
    rows = [
        row("gold-only", 0.62, loss=0.1) | {"trial": 9, "steps": 180},
        row("distilled", 0.61, loss=0.4) | {"trial": 9, "steps": 180},
        row("gold-only", 0.5, loss=0.6) | {"trial": 3, "steps": 60},
        row("distilled", 0.6, loss=0.3) | {"trial": 3, "steps": 90},
    ]
    table = compare(suite(), [ended("ner", "small", *rows)])
    assert line(table, "gold-only").scores["ner"].mean == 0.5
    assert line(table, "distilled").scores["ner"].gain.value == pytest.approx(0.1)
    assert "+10.00, over gold-only, 90 steps against 60" in table_text(table, Form.MARKDOWN)


def test_of_other_jobs_a_gain_has_no_interval() -> None:
    jobs = [ended("ner", "small", row("gold-only", 0.5), row("distilled", 0.6))]
    gain = line(compare(suite(), jobs), "distilled").scores["ner"].gain
    assert (gain.value, gain.low, gain.high) == (pytest.approx(0.1), None, None)


def test_the_reference_is_the_one_of_the_paper() -> None:
    """Speedy Gonzales: 43 526 457 600 MACs at 512 tokens, 109 853 187 parameters."""
    found = count(REFERENCE_CONFIG, task=Output.CLASSES, labels=3, length=512)
    assert (found.macs_linear, found.parameters) == (43_526_457_600, 109_853_187)


def test_latency_is_the_mean_over_data_sets() -> None:
    rows = [row("distilled", 0.5) | {"latency_ms": took} for took in (2.0, 5.0)]
    jobs = [ended(task, "small", one) for task, one in zip(("ner", "pos_ud"), rows, strict=True)]
    table = compare(suite(), jobs)
    assert line(table, "distilled").latency_ms == 3.5
    assert "| 3.5 |" in table_text(table, Form.MARKDOWN)


def test_gold_only_with_a_grid_of_its_own_is_chosen_among_its_own_points() -> None:
    tuned = suite(
        shared={"compare": ["gold-only"]},
        grid={"train.epochs": [1, 2]},
        grids={"gold-only": {"train.batch_size": [8, 16, 32]}},
    )
    distilled = [
        ended("ner", "small", row("distilled", s, loss), point={"train.epochs": e})
        for e, s, loss in [(1, 0.6, 0.5), (2, 0.7, 0.4)]
    ]
    gold = [
        ended(
            "ner",
            "small",
            row("gold-only", s, loss),
            point={"train.batch_size": size},
            tuned="gold-only",
        )
        for size, s, loss in [(8, 0.9, 0.9), (16, 0.5, 0.1), (32, 0.8, 0.2)]
    ]
    table = compare(tuned, [*distilled, *gold])
    found = {role: line(table, role).scores["ner"] for role in ("gold-only", "distilled")}
    assert (found["gold-only"].mean, found["gold-only"].complete) == (0.5, True)
    assert (found["distilled"].mean, found["distilled"].complete) == (0.7, True)
    partly = compare(tuned, [*distilled, *gold[:2]])
    assert not line(partly, "gold-only").scores["ner"].complete
    assert line(partly, "distilled").scores["ner"].complete
