"""A suite becomes one job for each cell of its matrix, and says where a field is wrong."""

from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadSpec
from alambique.spec.matrix import jobs_of
from alambique.spec.suite import LARGEST, Suite, read_suite, suite_of

SUITE = """
name: both
tasks:
  ner: {task: named-entities, data: conll2002, teacher: {model: mini-es, train: {}}}
  pos: {task: part-of-speech, data: ud-gsd, teacher: {model: mini-es, train: {}}}
students: {small: {layers: 2}, large: {layers: 4}}
"""

names = st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=3, unique=True)


@given(
    tasks=names,
    teachers=names,
    students=names,
    seeds=st.lists(st.integers(0, 99), max_size=3, unique=True),
    rates=st.lists(st.floats(1e-6, 1), max_size=3, unique=True),
)
def test_there_is_one_job_for_each_cell(
    tasks: list[str],
    teachers: list[str],
    students: list[str],
    seeds: list[int],
    rates: list[float],
) -> None:
    suite = suite_of(
        {
            "name": "s",
            "tasks": {n: {"task": "named-entities", "data": "conll2002"} for n in tasks},
            "teachers": {n: {"model": n} for n in teachers},
            "students": {n: {"layers": 2} for n in students},
            "seeds": seeds,
            "grid": {"train.learning_rate": rates} if rates else {},
        }
    )
    planned = jobs_of(suite)
    assert suite.size == len(planned) == len({cell.model_dump_json() for cell, _ in planned})
    for cell, job in planned:
        assert job.teachers[0].said.model == cell.teacher
        assert cell.seed is None or job.train.seed == cell.seed
        assert job.train.learning_rate == cell.point.get("train.learning_rate", 5.0e-5)
    # jobs that run side by side have teachers of their own
    assert [cell.task for cell, _ in planned[: len(tasks)]] == tasks


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("students={}", "students: expected at least 1 of them"),
        ("tasks={}", "tasks: expected at least 1 of them"),
        ("seeds=[1, 1]", "seeds: a seed is given twice"),
        ("seeds=[-1]", "seeds.0: expected at least 0"),
        ("shared.name=x", "suite: shared.name is for the suite to say"),
        ("tasks.ner.project=x", "suite: tasks.ner.project is for the suite to say"),
        ("grid={train.epochs: []}", "grid.train.epochs: expected at least 1 of them"),
        ("grid={train.epochs: [2, 2]}", "grid: train.epochs: a value is given twice"),
        ("grid={objective: [[{kind: gold}], [{kind: gold}]]}", "grid: objective: a value is given"),
        ("grid={train.seed: [1, 2]}", "grid: train.seed: give seeds"),
        ("grid={train: [{epochs: 2}]}", "grid: train: a grid varies fields of train"),
        ("grid={teacher.train.epochs: [1]}", "their own grid is teacher.grid"),
        ("grid={student.layers: [1, 2]}", "grid: student.layers: a grid varies fields of train"),
        ("grid={name: [a, b]}", "grid: name: a grid varies fields of train"),
        ("grid={'': [3]}", "grid: : a grid varies fields of train"),
        (
            "grid={objective.0.temperature: [1, 2], objective.0: [{kind: gold}]}",
            "objective.0.temperature is a part of objective.0",
        ),
        (f"seeds={list(range(LARGEST))}", "the matrix has 20,000 cells"),
        ("studnets={}", "studnets: no such field"),
        ("metrics={mlqa: [em]}", "metrics: there is no task mlqa, the suite has ner, pos"),
        ("metrics={ner: [f1, f1]}", r"metrics\.ner: a score is named twice"),
        ("metrics={ner: []}", r"metrics\.ner: the list is empty"),
        ("tasks.ner=conll2002", "tasks.ner: expected a mapping"),
        ("students={no: {layers: 1}}", r"^students: a name in it is no text.* \(found False\)$"),
        ("students={1: {layers: 1}}", r"^students: a name in it is no text.* \(found 1\)$"),
        ("shared.train={yes: 1, a: 2}", r"^shared\.train: a name in it is no text"),
        ("grid={train.epochs: [{1: 2, a: 3}, 4]}", r"^grid\.train\.epochs\.0: a name in it is"),
        ("shared.a=&a [*a]", r"^--set shared\.a: no YAML value: with its aliases written out"),
    ],
)
def test_a_bad_suite_is_refused(said: str, message: str) -> None:
    with pytest.raises(BadSpec, match=message):
        read_suite(SUITE, [said])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["train", "data", "name", "epochs", 1, 2.5, None, date(2024, 1, 1)]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(["shared", "ner", "small", "teacher", "grid", "seeds"]),
    st.sampled_from(["train", "data", "teacher", "objective", "train.epochs", "objective.0"]),
    anything,
)
def test_whatever_yaml_says_is_read_or_refused(part: str, field: str, value: object) -> None:
    content: dict[str, Any] = {
        "name": "s",
        "shared": {},
        "tasks": {"ner": {"task": "named-entities", "data": "conll2002"}},
        "teachers": {"teacher": {"model": "mini-es"}},
        "students": {"small": {"layers": 2}},
        "grid": {},
        "seeds": [3],
    }
    if part == "seeds":
        content[part] = value
    else:
        places = content | content["tasks"] | content["students"] | content["teachers"]
        places[part][field] = [value, 1] if part == "grid" else value
    with suppress(BadSpec):
        jobs_of(suite_of(content))


def test_an_empty_file_is_told_what_a_suite_needs() -> None:
    with pytest.raises(BadSpec, match=r"a suite file .* it needs name, tasks and students"):
        read_suite("")


def test_a_suite_reads_back_from_what_is_kept() -> None:
    suite = read_suite(SUITE, ["grid={train.epochs: [1]}"])
    kept: dict[str, Any] = suite.model_dump(mode="json")
    assert suite_of(kept) == suite == Suite.model_validate(kept)


def test_a_value_that_holds_itself_is_refused() -> None:
    with pytest.raises(BadSpec, match="aliases"):
        read_suite("name: s\nshared: &a {x: *a}\ntasks: {t: {}}\nstudents: {b: {}}\n")
