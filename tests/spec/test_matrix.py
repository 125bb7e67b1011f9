"""How the parts of a suite become jobs, and where a field that is wrong is named."""

import pytest

from alambique.spec.errors import BadSpec
from alambique.spec.matrix import field_at, jobs_of
from alambique.spec.objective import Logits
from alambique.spec.sources import Architecture
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
    assert job.teachers[0].spec.train is not None
    assert (job.teachers[0].spec.model, job.teachers[0].spec.train.epochs) == ("mini-es", 6)
    assert (job.train.epochs, job.train.seed, job.train.learning_rate) == (8, 3, 1.0e-4)
    assert len(job.objective) == 2


def test_a_seed_is_of_each_training_of_a_student() -> None:
    first = "shared.intermediate={objective: [{kind: relations}]}"
    (_, job), *_ = jobs_of(read_suite(SUITE, ["seeds=[3]", first]))
    assert job.intermediate is not None
    assert (job.intermediate.train.seed, job.train.seed) == (3, 3)
    assert job.intermediate.train.schedule == "constant"


def test_general_distillation_is_in_no_table_with_a_task() -> None:
    """Its score is how alike two networks are."""
    alone = (
        "shared.teacher={model: mini-es}",
        "shared.objective=[{kind: relations}]",
        "tasks={one: {task: general, data: text}, other: {task: general, data: sample-text}}",
    )
    assert len(jobs_of(read_suite(SUITE, alone))) == 4
    mixed = "tasks.one={task: general, data: text}"
    with pytest.raises(BadSpec) as error:
        jobs_of(read_suite(SUITE, (*alone[:2], mixed)))
    assert str(error.value).startswith(
        "tasks.one: general distillation has no score on a task, of which the table has the mean"
    )


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
        ("shared.objective=[{kind: gold, weight: 0}]", "shared.objective"),
        ("tasks.pos.objective=[{kind: gold}, {kind: gold}]", "tasks.pos.objective"),
        ("grid={objective: [[{kind: gold, weight: 0}]]}", "grid.objective"),
        (
            "grid={train.epochs: [1], objective.0.weight: [0, 1], objective.1.weight: [0]}",
            "grid.objective.0.weight",
        ),
        ("grid={train.batch_size: [8], train.batch_tokens: [512]}", "grid.train.batch_size"),
    ],
)
def test_a_bad_field_is_named_where_the_suite_has_it(said: str, path: str) -> None:
    with pytest.raises(BadSpec) as caught:
        jobs_of(read_suite(SUITE, [said]))
    assert path in [bad.path for bad in caught.value.fields]
    assert len(str(caught.value).splitlines()) == len(caught.value.fields)


def test_a_part_is_to_blame_for_what_the_grid_does_not_mend() -> None:
    twice = "shared.objective=[{kind: gold}, {kind: gold}]"
    with pytest.raises(BadSpec) as caught:
        jobs_of(read_suite(SUITE, [twice, "grid={objective.0.weight: [1, 2]}"]))
    assert [bad.path for bad in caught.value.fields] == ["shared.objective"]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        (["shared.train=oops", "tasks.ner.train={epochs: 2}"], "shared.train"),
        (["shared.train=[1]", "tasks.pos.train=null", "seeds=[1]"], "shared.train"),
        (["shared.student=albert"], "shared.student"),
        (["shared.teacher=mini-es", "teachers={a: {model: b}}"], "shared.teacher"),
        (
            ["tasks.pos.teacher.train=x", "teachers={a: {train: {seed: 1}}}"],
            "tasks.pos.teacher.train",
        ),
        (["tasks.ner.student=2", "shared.student={keep: first}"], "tasks.ner.student"),
        (["shared.data=3", "tasks.ner.data={name: conll2002}"], "shared.data"),
    ],
)
def test_what_a_mapping_covers_has_to_be_one(said: list[str], path: str) -> None:
    with pytest.raises(BadSpec) as caught:
        jobs_of(read_suite(SUITE, said))
    assert [line.split(": expected")[0] for line in str(caught.value).splitlines()] == [path]


def test_what_may_be_a_text_or_a_mapping_may_be_covered() -> None:
    model = "{architecture: bert, layers: 4, width: 32, heads: 2, ffn: 64}"
    said = ["shared.data=conll2002", "tasks.ner.data={limit: {dev: 3}}"]
    (_, job), *_ = jobs_of(read_suite(SUITE, [*said, f"teachers={{a: {{model: {model}}}}}"]))
    assert (job.data.name, job.data.limit) == ("conll2002", {"dev": 3})
    assert isinstance(job.teachers[0].spec.model, Architecture)


def test_an_override_reaches_into_data_by_name() -> None:
    said = ["tasks.ner.data.limit.train=5", "shared.data=x", "shared.data.limit.dev=6"]
    (_, ner), (_, pos), *_ = jobs_of(read_suite(SUITE, said))
    assert (ner.data.name, ner.data.limit) == ("conll2002", {"train": 5, "dev": 6})
    assert (pos.data.name, pos.data.limit) == ("ud-gsd", {"dev": 6})


def test_a_name_that_becomes_too_long_says_which() -> None:
    with pytest.raises(BadSpec) as caught:
        jobs_of(read_suite(SUITE, [f"name={'n' * 87}"]))
    assert str(caught.value) == (
        f"name: the jobs would be called {'n' * 87}-ner-small, 97 letters, at most 96: shorten the "
        "name of the suite, task or student"
    )
    with pytest.raises(BadSpec, match="teacher"):
        jobs_of(read_suite(SUITE, [f"name={'n' * 87}", "teachers={a: {}, b: {}}"]))


def test_a_teacher_is_looked_at_once_for_each_task() -> None:
    planned = jobs_of(read_suite(SUITE, ["seeds=[1, 2]", "grid={train.epochs: [1, 2]}"]))
    said = (job.teachers[0].spec for _, job in planned)
    teachers = {id(one): one for one in said}
    assert sorted(one.train.epochs for one in teachers.values() if one.train) == [4, 6]


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
        ("job", "tasks.pos"),
        ("data.name", "tasks.pos.data.name"),
        ("data.limit.train", "shared.data.limit.train"),
    ],
)
def test_where_a_field_of_a_job_comes_from(path: str, at: str) -> None:
    cell = Cell(task="pos", teacher="teacher", student="small", point={"train.batch_size": 8})
    suite = read_suite(SUITE, ["shared.data={name: x, limit: {train: 1}}"])
    assert field_at(suite, cell, path) == at


def test_a_number_that_is_covered_is_finite_too() -> None:
    with pytest.raises(BadSpec) as caught:
        read_suite(SUITE, ["shared.train.learning_rate=.inf", "tasks.pos.train={learning_rate: 1}"])
    assert [bad.path for bad in caught.value.fields] == ["shared.train.learning_rate"]


def test_the_jobs_of_a_suite_are_bounded_together() -> None:
    """By what they store, not only by what there is to look at."""
    names = ", ".join(f"{'a' * 90}/{number}{'b' * 80}" for number in range(100))
    overrides = [f"shared.teacher={{candidates: [{names}]}}", f"seeds={list(range(1250))}"]
    with pytest.raises(BadSpec, match="a suite stores at most"):
        jobs_of(read_suite(SUITE, overrides))
