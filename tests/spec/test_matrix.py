"""How the parts of a suite become jobs, and where a field that is wrong is named."""

import pytest

from alambique.spec.errors import BadSpec
from alambique.spec.matrix import field_at, jobs_of
from alambique.spec.objective import Logits
from alambique.spec.reading import BadFields
from alambique.spec.suite import Cell, read_suite

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


def test_each_part_is_laid_over_what_is_shared() -> None:
    suite = read_suite(SUITE, ["grid={train.epochs: [7, 8]}", "seeds=[3]"])
    jobs = {(c.task, c.student, c.point["train.epochs"]): job for c, job in jobs_of(suite)}
    job = jobs["pos", "large", 8]
    assert (job.task, job.data.name, job.project) == ("part-of-speech", "ud-gsd", "default")
    assert (job.student.layers, job.student.keep) == (4, "first")
    assert job.teachers[0].said.train is not None
    assert (job.teachers[0].said.model, job.teachers[0].said.train.epochs) == ("mini-es", 6)
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


def test_another_test_set_that_is_shared_is_not_for_data_by_name() -> None:
    (_, job), *_ = jobs_of(read_suite(SUITE, ["shared.data={test: mlqa, limit: {dev: 3}}"]))
    assert (job.data.name, job.data.test, job.data.limit) == ("conll2002", None, {"dev": 3})


def test_a_grid_reaches_into_a_list() -> None:
    suite = read_suite(SUITE, ["grid={objective.0.temperature: [1, 2], train.epochs: [7]}"])
    temperatures = []
    for _, job in jobs_of(suite):
        assert isinstance(job.objective[0], Logits)
        temperatures.append(job.objective[0].temperature)
        assert (len(job.objective), job.train.epochs) == (2, 7)
    assert temperatures == [1.0] * 4 + [2.0] * 4


def test_two_cells_of_one_name_are_refused() -> None:
    students = "students={small: {layers: 1}, large-small: {layers: 2}}"
    tasks = "tasks={ner: {task: named-entities, data: conll2002}, "
    other = "ner-large: {task: named-entities, data: conll2002}}"
    with pytest.raises(
        BadSpec, match=r"tasks\.ner(-large)?: that would be the name of the jobs of"
    ):
        jobs_of(read_suite(SUITE, [students, tasks + other]))


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
        ("grid={objective.7.weight: [1]}", "grid.objective.7.weight"),
        ("shared.objective.1.wieght=1", "shared.objective.1.wieght"),
        (
            "shared.teacher={candidates: [a, {model: b, grdi: 1}]}",
            "shared.teacher.candidates.1.grdi",
        ),
        ("shared.teacher=mini-es", "shared.teacher"),
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
