"""A suite becomes one job for each cell of its matrix, and says where a field is wrong."""

from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadSpec
from alambique.spec.matrix import jobs_of
from alambique.spec.suite import MAX_JOBS, Suite, read_suite, suite_of

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
        assert job.teachers[0].spec.model == cell.teacher
        assert cell.seed is None or job.train.seed == cell.seed
        assert job.train.learning_rate == cell.point.get("train.learning_rate", 5.0e-5)
    # jobs that run side by side have teachers of their own
    assert [cell.task for cell, _ in planned[: len(tasks)]] == tasks


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("students={}", "students"),
        ("tasks={}", "tasks"),
        ("seeds=[1, 1]", "seeds"),
        ("seeds=[-1]", "seeds.0"),
        ("shared.name=x", "suite"),
        ("tasks.ner.project=x", "suite"),
        ("grid={train.epochs: []}", "grid.train.epochs"),
        ("grid={train.epochs: [2, 2]}", "grid"),
        ("grid={objective: [[{kind: gold}], [{kind: gold}]]}", "grid"),
        ("grid={train.seed: [1, 2]}", "grid"),
        ("grid={train: [{epochs: 2}]}", "grid"),
        ("grid={teacher.train.epochs: [1]}", "grid"),
        ("grid={student.layers: [1, 2]}", "grid"),
        ("grid={name: [a, b]}", "grid"),
        ("grid={'': [3]}", "grid"),
        ("grid={objective.0.temperature: [1, 2], objective.0: [{kind: gold}]}", "grid"),
        (f"seeds={list(range(MAX_JOBS))}", "suite"),
        ("studnets={}", "studnets"),
        ("metrics={mlqa: [em]}", "metrics"),
        ("metrics={ner: [f1, f1]}", "metrics.ner"),
        ("metrics={ner: []}", "metrics.ner"),
        ("tasks.ner=conll2002", "tasks.ner"),
        ("students={no: {layers: 1}}", "students"),
        ("students={1: {layers: 1}}", "students"),
        ("shared.train={yes: 1, a: 2}", "shared.train"),
        ("grid={train.epochs: [{1: 2, a: 3}, 4]}", "grid.train.epochs.0"),
    ],
)
def test_a_bad_suite_is_refused(said: str, path: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read_suite(SUITE, [said])
    assert [bad.path for bad in caught.value.fields] == [path]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("students={}", "expected at least 1 of them"),
        ("seeds=[1, 1]", "a seed is given twice"),
        ("tasks.ner.project=x", "tasks.ner.project is for the suite to say"),
        ("grid={train.epochs: [2, 2]}", "train.epochs: a value is given twice"),
        ("grid={train.seed: [1, 2]}", "train.seed: give seeds"),
        ("grid={train: [{epochs: 2}]}", "train: a grid varies fields of train"),
        ("grid={teacher.train.epochs: [1]}", "their own grid is teacher.grid"),
        (
            "grid={objective.0.temperature: [1, 2], objective.0: [{kind: gold}]}",
            "objective.0.temperature is a part of objective.0",
        ),
        (f"seeds={list(range(MAX_JOBS))}", "the matrix has 20,000 cells"),
        ("metrics={mlqa: [em]}", "there is no task mlqa, the suite has ner, pos"),
        ("metrics={ner: [f1, f1]}", "a score is named twice"),
    ],
)
def test_what_is_said_of_a_bad_suite(said: str, message: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read_suite(SUITE, [said])
    (bad,) = caught.value.fields
    assert message in bad.message


def test_a_list_that_holds_itself_is_refused_where_it_is_set() -> None:
    with pytest.raises(BadSpec, match=r"^--set shared\.a: "):
        read_suite(SUITE, ["shared.a=&a [*a]"])


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
