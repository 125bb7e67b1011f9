"""The table of a suite: which runs stand in it, its figures, and how it is written."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from alambique.api import comparison
from alambique.api.comparison import Gains, Pair
from alambique.api.comparison_table import Comparison
from alambique.api.exports import Form, table_text
from alambique.api.results import FinishedJob, finished_job
from alambique.models import reference
from alambique.spec.outputs import Output
from alambique.spec.suite import Suite, suite_of
from alambique.tasks.bootstrap import Interval


def suite(**more: Any) -> Suite:
    tasks = {name: {"task": name, "data": name} for name in ("ner", "pos_ud")}
    students = {"small": {"layers": 1}, "large": {"layers": 2}}
    return suite_of({"name": "s", "tasks": tasks, "students": students, **more})


def row(name: str, score: float, loss: float = 1.0, macs: int = 100) -> dict[str, Any]:
    return {
        "name": name,
        "layers": 2,
        "parameters": 1_234_567 + macs,
        "macs": {"linear": macs, "full": 2 * macs},
        "metrics": {"f1": score, "accuracy": 0.0},
        "validation": {"loss": loss, "metric": 0.0},
        "latency_ms": 1.0,
        "inferences_per_second": macs,
        "throughput": 50.0,
        "version": f"{name}@{score}",
    }


def ended(
    task: str, student: str, *rows: dict[str, Any], computed: int = 0, **more: Any
) -> FinishedJob:
    """A job that has succeeded."""
    id_ = more.pop("id", UUID(int=0))
    cell = {"task": task, "teacher": "teacher", "student": student, **more}
    result = {
        "rows": list(rows),
        "primary": "f1",
        "reference": {"name": "BETO", "macs": {"linear": 1000, "full": 9999}},
        "outputs": {"examples": 60, "computed": computed},
    }
    found = finished_job(id_, cell, result)
    assert found is not None
    return found


def unknown(_: Sequence[Pair]) -> Mapping[Pair, Interval]:
    """Nothing is known of single examples."""
    return {}


def compare(suite: Suite, jobs: Sequence[FinishedJob], gains: Gains = unknown) -> Comparison:
    return comparison.compare(suite, jobs, gains)


def line(table: Comparison, role: str, student: str | None = "small") -> Any:
    (found,) = [one for one in table.rows if (one.role, one.student) == (role, student)]
    return found


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


def test_a_score_of_some_of_its_jobs_is_marked() -> None:
    seeds = suite(seeds=[1, 2])
    jobs = [ended("ner", "small", row("teacher", 0.9), row("distilled", 0.6), seed=1)]
    table = compare(seeds, jobs)
    assert "60.00 \\*" in table_text(table, Form.MARKDOWN)
    assert "- \\* of seeds or points of the grid" in table_text(table, Form.MARKDOWN)
    assert "90.00 |" in table_text(table, Form.MARKDOWN)
    jobs.append(ended("ner", "small", row("distilled", 0.6), seed=2))
    assert "*" not in table_text(compare(seeds, jobs), Form.MARKDOWN)


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


def scored(name: str, score: float, seed: int) -> dict[str, Any]:
    """A line whose examples' scores are kept."""
    return row(name, score) | {"seeds": [{"seed": seed}], "steps": 90}


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
    found = reference.cost(task=Output.CLASSES, labels=3, length=512)
    assert (found.macs_linear, found.parameters) == (43_526_457_600, 109_853_187)


@pytest.fixture
def table() -> Comparison:
    rows = [row("gold-only", 0.5), row("distilled", 0.61234, macs=250)]
    jobs = [ended("ner", "small", *rows, seed=1), ended("pos_ud", "small", *rows, seed=1)]
    return compare(suite(seeds=[1, 2]), [*jobs, ended("ner", "small", *rows[:1], seed=2)])


def test_as_markdown(table: Comparison) -> None:
    costs = "score | speed-up | parameters | ms | inferences/s | texts/s |"
    assert table_text(table, Form.MARKDOWN).splitlines()[:4] == [
        f"| model | layers | ner f1 | pos_ud f1 | {costs}",
        f"|{' --- |' * 10}",
        "| small, gold-only | 2 | 50.00 ± 0.00 | 50.00 \\* | 50.00 \\* | 10.00 "
        "| 1.23 M | 1.0 | 100 | 50 |",
        "| small, distilled | 2 | 61.23 \\* | 61.23 \\* | 61.23 \\* | 4.00 "
        "| 1.23 M | 1.0 | 250 | 50 |",
    ]
    assert table_text(table, Form.MARKDOWN).splitlines()[5:10] == [
        "| gain (95 %) | ner f1 | pos_ud f1 |",
        "| --- | --- | --- |",
        "| small | +11.23, over gold-only \\* | +11.23, over gold-only \\* |",
        "",
        "- speed-up: MACs of BETO over the model's",
    ]


def test_as_latex(table: Comparison) -> None:
    lines = table_text(table, Form.LATEX).splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrrrrr}"
    assert lines[2].startswith(r"model & layers & ner f1 & pos\_ud f1 & score")
    assert lines[4].startswith(r"small, gold-only & 2 & 50.00 $\pm$ 0.00 & 50.00")
    assert lines[8] == r"\end{tabular}" if lines[7] == r"\hline" else lines[7] == r"\end{tabular}"


def test_as_csv_the_figures_are_whole(table: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(table_text(table, Form.CSV))))
    assert [one["role"] for one in lines] == ["gold-only", "distilled"]
    assert float(lines[1]["ner f1"]) == float(lines[1]["score"]) == 0.61234
    assert (lines[0]["ner f1 deviation"], lines[1]["ner f1 deviation"]) == ("0.0", "")
    complete = [(one["ner f1 complete"], one["pos_ud f1 complete"]) for one in lines]
    assert complete == [("True", "False"), ("False", "False")]


def answering(**more: Any) -> Suite:
    """A suite of one real task, whose table has what published ones have."""
    tasks = {"mlqa": {"task": "question-answering", "data": "mlqa-v1"}}
    return suite_of({"name": "s", "tasks": tasks, "students": {"small": {"layers": 1}}, **more})


def answered(f1: float, em: float, **more: Any) -> FinishedJob:
    scored = {"metrics": {"f1": f1, "em": em, "squad-f1": 0.25}}
    return ended("mlqa", "small", row("distilled", 0.0) | scored, **more)


def test_answers_have_exact_match_beside_f1_and_f1_counts() -> None:
    jobs = [answered(0.5, 0.25, seed=1), answered(0.75, 0.5, seed=2)]
    table = compare(answering(seeds=[1, 2]), jobs)
    (column,) = table.columns
    assert (column.metric, column.beside) == ("f1", ("em",))
    found = line(table, "distilled")
    assert found.score == 0.625
    em = found.scores["mlqa"].beside["em"]
    assert (em.mean, em.deviation) == (0.375, pytest.approx(0.03125**0.5))
    titles, _, drawn = table_text(table, Form.MARKDOWN).splitlines()[:3]
    assert "| mlqa f1 / em |" in titles
    assert "| 62.50 ± 17.68 / 37.50 ± 17.68 |" in drawn
    (plain,) = csv.DictReader(io.StringIO(table_text(table, Form.CSV)))
    assert (plain["mlqa f1"], plain["mlqa em"]) == ("0.625", "0.375")
    assert float(plain["mlqa em deviation"]) == pytest.approx(0.03125**0.5)


def test_the_first_score_that_a_suite_names_counts() -> None:
    named = answering(metrics={"mlqa": ["squad-f1", "f1"]})
    table = compare(named, [answered(0.5, 0.25)])
    assert (table.columns[0].metric, table.columns[0].beside) == ("squad-f1", ("f1",))
    assert line(table, "distilled").score == 0.25
    alone = compare(answering(metrics={"mlqa": ["f1"]}), [answered(0.5, 0.25)])
    assert "| mlqa f1 |" in table_text(alone, Form.MARKDOWN)


def test_a_score_that_a_result_lacks_is_missing() -> None:
    older = ended("mlqa", "small", row("distilled", 0.5))
    table = compare(answering(), [older])
    assert line(table, "distilled").scores["mlqa"].beside == {}
    assert "| 50.00 / - |" in table_text(table, Form.MARKDOWN)
    assert compare(answering(metrics={"mlqa": ["em"]}), [older]).rows[0].scores == {"mlqa": None}


def test_latency_is_the_mean_over_data_sets() -> None:
    rows = [row("distilled", 0.5) | {"latency_ms": took} for took in (2.0, 5.0)]
    jobs = [ended(task, "small", one) for task, one in zip(("ner", "pos_ud"), rows, strict=True)]
    table = compare(suite(), jobs)
    assert line(table, "distilled").latency_ms == 3.5
    assert "| 3.5 |" in table_text(table, Form.MARKDOWN)


def candidate(model: str, loss: float, **point: float) -> dict[str, Any]:
    return {
        "model": model,
        "train": point,
        "loss": loss,
        "metric": 0.5,
        "collapsed": None,
        "taught": loss == 0.25,
        "version": None,
    }


def test_the_teacher_that_was_chosen_is_told_of_each_data_set() -> None:
    runs = [candidate("beto", 0.5, batch_size=16), candidate("albeto", 0.25, batch_size=32)]
    cell = {"teacher": "teacher", "student": "small"}
    result = {
        "rows": [row("teacher", 0.9), row("distilled", 0.5)],
        "primary": "f1",
        "reference": {"name": "BETO", "macs": {"linear": 1000, "full": 2000}},
        "outputs": None,
        "candidates": runs,
    }
    first = finished_job(UUID(int=1), cell | {"task": "ner"}, result)
    second = finished_job(UUID(int=2), cell | {"task": "pos_ud"}, result | {"candidates": []})
    assert first is not None
    assert second is not None
    table = compare(suite(), [first, second])
    (one,) = table.chosen
    assert (one.task, one.model, one.train, one.loss, one.runs) == (
        "ner",
        "albeto",
        {"batch_size": 32},
        0.25,
        2,
    )
    lines = table_text(table, Form.MARKDOWN).splitlines()
    assert "| taught | model | batch_size | validation loss | of |" in lines
    assert "| ner | albeto | 32 | 0.2500 | 2 runs |" in lines
    assert r"ner & albeto & 32 & 0.2500 & 2 runs \\" in table_text(table, Form.LATEX).splitlines()
    plain = list(csv.DictReader(io.StringIO(table_text(table, Form.CSV))))
    assert [one["ner teacher"] for one in plain] == ["albeto, batch_size 32", ""]
    assert [one["pos_ud teacher"] for one in plain] == ["", ""]


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
