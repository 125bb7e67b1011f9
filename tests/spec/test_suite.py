"""A suite becomes one job for each cell of its matrix, and says where a field is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadSpec
from alambique.spec.matrix import field_at, jobs_of
from alambique.spec.reading import BadFields
from alambique.spec.suite import LARGEST, Cell, Suite, read_suite, suite_of

SUITE = """
name: both
shared:
  teacher: {model: mini-es, train: {epochs: 4}}
  train: {epochs: 2, learning_rate: 1.0e-4}
  objective: [{kind: logits}, {kind: gold, weight: 0.5}]
tasks:
  ner: {task: named-entities, data: conll2002}
  pos: {task: part-of-speech, data: ud-gsd, train: {epochs: 5}, teacher: {train: {epochs: 6}}}
students:
  small: {layers: 2}
  large: {layers: 4, keep: first}
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
        assert job.teacher.model == cell.teacher
        assert cell.seed is None or job.train.seed == cell.seed
        assert job.train.learning_rate == cell.point.get("train.learning_rate", 5.0e-5)
    # jobs that run side by side have teachers of their own
    assert [cell.task for cell, _ in planned[: len(tasks)]] == tasks


def test_each_part_is_laid_over_what_is_shared() -> None:
    suite = read_suite(SUITE, ["grid={train.epochs: [7, 8]}", "seeds=[3]"])
    jobs = {(c.task, c.student, c.point["train.epochs"]): job for c, job in jobs_of(suite)}
    job = jobs["pos", "large", 8]
    assert (job.task, job.data.name, job.project) == ("part-of-speech", "ud-gsd", "default")
    assert (job.student.layers, job.student.keep) == (4, "first")
    assert job.teacher.train is not None
    assert (job.teacher.model, job.teacher.train.epochs) == ("mini-es", 6)
    assert (job.train.epochs, job.train.seed, job.train.learning_rate) == (8, 3, 1.0e-4)
    assert len(job.objective) == 2


def test_a_limit_that_is_shared_holds_for_data_by_name() -> None:
    for _, job in jobs_of(read_suite(SUITE, ["shared.data={limit: {train: 7}}"])):
        assert (job.data.name in ("conll2002", "ud-gsd"), job.data.limit) == (True, {"train": 7})


def test_models_of_one_cell_have_one_name() -> None:
    points = jobs_of(read_suite(SUITE, ["seeds=[1, 2]", "grid={train.epochs: [1, 2]}"]))
    assert {job.name for _, job in points} == {
        "both-ner-small",
        "both-ner-large",
        "both-pos-small",
        "both-pos-large",
    }
    several = jobs_of(read_suite(SUITE, ["teachers={a: {}, b: {}}", "students={s: {layers: 1}}"]))
    assert [job.name for _, job in several][::2] == ["both-ner-a-s", "both-ner-b-s"]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("shared.train.epochs=0", "shared.train.epochs"),
        ("tasks.pos.train.epochs=x", "tasks.pos.train.epochs"),
        ("tasks.ner.trian={}", "tasks.ner.trian"),
        ("students.small.layers=0", "students.small.layers"),
        ("students.small={keep: first}", "students.small.layers"),
        ("teachers={a: {stride: 999}}", "teachers.a"),
        ("grid={train.epochs: [1, 0]}", "grid.train.epochs"),
        ("grid={train.epohcs: [1]}", "grid.train.epohcs"),
        ("tasks.ner={task: named-entities}", "tasks.ner.data"),
        (f"name={'n' * 93}", "name"),
    ],
)
def test_a_bad_field_is_named_where_the_suite_has_it(said: str, path: str) -> None:
    with pytest.raises(BadSpec) as caught:
        jobs_of(read_suite(SUITE, [said]))
    assert isinstance(caught.value.__cause__, BadFields)
    assert path in [bad.path for bad in caught.value.__cause__.fields]
    assert len(str(caught.value).splitlines()) == len(caught.value.__cause__.fields)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("students={}", "students: .*at least 1"),
        ("tasks={}", "tasks: .*at least 1"),
        ("seeds=[1, 1]", "seeds: a seed is given twice"),
        ("seeds=[-1]", "seeds.0: expected at least 0"),
        ("shared.name=x", "suite: shared.name is for the suite to say"),
        ("tasks.ner.project=x", "suite: tasks.ner.project is for the suite to say"),
        ("grid={train.epochs: []}", "grid.train.epochs: .*at least 1"),
        (f"seeds={list(range(LARGEST))}", "the matrix has 20,000 cells"),
        ("studnets={}", "studnets: no such field"),
        ("tasks.ner=conll2002", "tasks.ner: expected a mapping"),
    ],
)
def test_a_bad_suite_is_refused(said: str, message: str) -> None:
    with pytest.raises(BadSpec, match=message):
        read_suite(SUITE, [said])


def test_an_empty_file_is_told_what_a_suite_needs() -> None:
    with pytest.raises(BadSpec, match=r"a suite file .* it needs name, tasks and students"):
        read_suite("")


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("student", "students.small"),
        ("student.layers", "students.small.layers"),
        ("teacher.model", "shared.teacher.model"),
        ("teacher.train.epochs", "tasks.pos.teacher.train.epochs"),
        ("train.learning_rate", "shared.train.learning_rate"),
        ("train.batch_size", "grid.train.batch_size"),
        ("deadline", "tasks.pos.deadline"),
    ],
)
def test_where_a_field_of_a_job_comes_from(path: str, at: str) -> None:
    cell = Cell(task="pos", teacher="teacher", student="small", point={"train.batch_size": 8})
    assert field_at(read_suite(SUITE), cell, path) == at


def test_a_suite_reads_back_from_what_is_kept() -> None:
    suite = read_suite(SUITE, ["grid={train.epochs: [1]}"])
    kept: dict[str, Any] = suite.model_dump(mode="json")
    assert suite_of(kept) == suite == Suite.model_validate(kept)
