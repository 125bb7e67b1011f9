"""How the table of a suite is written: Markdown, LaTeX and CSV."""

import csv
import io
from typing import Any
from uuid import UUID

import pytest
from tests.api.comparison_jobs import answered, answering, compare, ended, line, row, suite

from alambique.api.comparison import finished_job
from alambique.api.comparison_table import Comparison
from alambique.api.exports import Form, table_text


def test_a_score_of_some_of_its_jobs_is_marked() -> None:
    seeds = suite(seeds=[1, 2])
    jobs = [ended("ner", "small", row("teacher", 0.9), row("distilled", 0.6), seed=1)]
    table = compare(seeds, jobs)
    assert "60.00 \\*" in table_text(table, Form.MARKDOWN)
    assert "- \\* of seeds or points of the grid" in table_text(table, Form.MARKDOWN)
    assert "90.00 |" in table_text(table, Form.MARKDOWN)
    jobs.append(ended("ner", "small", row("distilled", 0.6), seed=2))
    assert "*" not in table_text(compare(seeds, jobs), Form.MARKDOWN)


@pytest.fixture
def table() -> Comparison:
    rows = [row("gold-only", 0.5), row("distilled", 0.61234, macs=250)]
    jobs = [ended("ner", "small", *rows, seed=1), ended("pos_ud", "small", *rows, seed=1)]
    return compare(suite(seeds=[1, 2]), [*jobs, ended("ner", "small", *rows[:1], seed=2)])


def test_markdown_has_the_table_the_gains_and_notes(table: Comparison) -> None:
    costs = "score | speed-up | parameters | ms | times teacher | inferences/s | texts/s |"
    assert table_text(table, Form.MARKDOWN).splitlines()[:4] == [
        f"| model | layers | ner f1 | pos_ud f1 | {costs}",
        f"|{' --- |' * 11}",
        "| small, gold-only | 2 | 50.00 ± 0.00 | 50.00 \\* | 50.00 \\* | 10.00 "
        "| 1.23 M | 1.0 | - | 100 | 50 |",
        "| small, distilled | 2 | 61.23 \\* | 61.23 \\* | 61.23 \\* | 4.00 "
        "| 1.23 M | 1.0 | - | 250 | 50 |",
    ]
    assert table_text(table, Form.MARKDOWN).splitlines()[5:10] == [
        "| gain (95 %) | ner f1 | pos_ud f1 |",
        "| --- | --- | --- |",
        "| small | +11.23, over gold-only \\* | +11.23, over gold-only \\* |",
        "",
        "- speed-up: MACs of BETO over the model's",
    ]


def test_latex_is_a_tabular_with_escaped_names(table: Comparison) -> None:
    lines = table_text(table, Form.LATEX).splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrrrrrr}"
    assert lines[2].startswith(r"model & layers & ner f1 & pos\_ud f1 & score")
    assert lines[4].startswith(r"small, gold-only & 2 & 50.00 $\pm$ 0.00 & 50.00")
    assert lines[8] == r"\end{tabular}" if lines[7] == r"\hline" else lines[7] == r"\end{tabular}"


def test_figures_are_whole_in_csv(table: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(table_text(table, Form.CSV))))
    assert [one["role"] for one in lines] == ["gold-only", "distilled"]
    assert float(lines[1]["ner f1"]) == float(lines[1]["score"]) == 0.61234
    assert (lines[0]["ner f1 deviation"], lines[1]["ner f1 deviation"]) == ("0.0", "")
    complete = [(one["ner f1 complete"], one["pos_ud f1 complete"]) for one in lines]
    assert complete == [("True", "False"), ("False", "False")]


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


def test_calibration_stands_last_where_it_was_measured_and_no_column_is_named() -> None:
    ours = row("distilled", 0.5)
    ours["metrics"] |= {"em": 0.25, "ece": 0.125}
    table = compare(answering(), [ended("mlqa", "small", ours)])
    assert table.columns[0].beside == ("em", "ece")
    assert "| 50.00 / 25.00 / 12.50 |" in table_text(table, Form.MARKDOWN)
    named = compare(answering(metrics={"mlqa": ["f1"]}), [ended("mlqa", "small", ours)])
    assert named.columns[0].beside == ()


def test_a_score_that_a_result_lacks_is_missing() -> None:
    older = ended("mlqa", "small", row("distilled", 0.5))
    table = compare(answering(), [older])
    assert line(table, "distilled").scores["mlqa"].beside == {}
    assert "| 50.00 / - |" in table_text(table, Form.MARKDOWN)
    assert compare(answering(metrics={"mlqa": ["em"]}), [older]).rows[0].scores == {"mlqa": None}


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
