"""Several teachers, and examples without labels: what a job says, and what it cannot."""

import json
from typing import Any

import pytest

from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.reading import job_of
from alambique.spec.suite import read_suite

JOB = {"task": "named-entities", "data": "conll2002", "student": {"layers": 2}}
TWO: list[dict[str, Any]] = [
    {"model": "a", "train": {}, "weight": 2},
    {"model": "registry:b@1"},
]
MANY = list(range(1, 501))


def job(teacher: Any, **more: Any) -> Job:
    return job_of({**JOB, "teacher": teacher, **more})


def test_several_are_called_by_their_number_after_the_first() -> None:
    said = job([*TWO, {"candidates": ["c", {"model": "d"}]}])
    assert [one.role for one in said.teachers] == ["teacher", "teacher-2", "teacher-3"]
    assert [one.spec.weight for one in said.teachers] == [2, 1, 1]
    assert [field for field, _ in said.models()] == [
        "teacher.0.model",
        "teacher.1.model",
        "teacher.2.candidates.0",
        "teacher.2.candidates.1.model",
    ]
    roles = [one.candidate_role(4) for one in said.teachers]
    assert roles == ["candidate-4", "teacher-2-candidate-4", "teacher-3-candidate-4"]
    assert job_of(said.model_dump(mode="json")) == said


def test_a_list_of_one_says_the_same_as_the_one() -> None:
    alone = job(TWO[0])
    assert job(TWO[:1]) == alone
    assert [field for field, _ in alone.models()] == ["teacher.model"]


def test_what_is_new_leaves_what_is_written_of_other_jobs_as_it_was() -> None:
    """Keys of stages are made of it."""
    written = json.dumps(job({"model": "a"}).model_dump(mode="json"))
    assert not any(word in written for word in ("combine", "unlabelled"))
    assert '"weight": 1.0}]' in written  # of the term of the objective
    assert written.count("weight") == 2  # and of what decays


@pytest.mark.parametrize("name", ["x-teacher-2", "x-teacher-2-candidate-1", "x-candidate-1"])
def test_a_job_is_not_called_as_what_another_one_registers(name: str) -> None:
    role = name.removeprefix("x-")
    with pytest.raises(BadSpec, match=f"name: {name} is what the {role} of a job x is registered"):
        job(TWO, name=name)


LAYERED = {"objective": [{"kind": "logits"}, {"kind": "hidden"}]}
WIDE = [TWO[0], *({"model": name, "grid": {"epochs": MANY}} for name in "bc")]
GOLD_ALONE = {"data": {"name": "a", "unlabelled": "b"}, "objective": [{"kind": "gold"}]}
LIMIT_OF_NOTHING = {"data": {"name": "a", "limit": {"unlabelled": 3}}}


@pytest.mark.parametrize(
    ("teacher", "more", "path"),
    [
        ([], {}, "teacher"),
        (["a"], {}, "teacher.0"),
        ([TWO[0], {"model": "b c"}], {}, "teacher.1.model"),
        ([TWO[0], {"model": "b", "weight": 0}], {}, "teacher.1.weight"),
        ([TWO[0], {"model": "b", "stride": 999}], {}, "teacher.1"),
        ([*TWO, TWO[1] | {"weight": 3}], {}, "teacher.2"),
        ([*TWO, TWO[1] | {"gate": "off"}], {}, "teacher.2"),
        (WIDE, {}, "teacher"),
        (TWO, LAYERED, "objective.1"),
        (TWO, {"intermediate": {"objective": [{"kind": "relations"}]}}, "intermediate.objective.0"),
        (TWO, {"objective": [{"kind": "logits", "combine": "worst"}]}, "objective.0.combine"),
        (TWO[0], GOLD_ALONE, "data.unlabelled"),
        (TWO[0], LIMIT_OF_NOTHING, "data.limit.unlabelled"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    teacher: Any, more: dict[str, Any], path: str
) -> None:
    with pytest.raises(BadSpec) as caught:
        job(teacher, **more)
    assert [bad.path for bad in caught.value.fields] == [path]


@pytest.mark.parametrize(
    ("teacher", "more", "sentence"),
    [
        ([*TWO, TWO[1] | {"weight": 3}], {}, "it is the same as teacher.1: drop one"),
        (WIDE, {}, "the teachers make 1001 runs, a job has at most 1000"),
        (
            TWO,
            LAYERED,
            "hidden compares the student with the layers of one teacher, and there "
            "are 2: keep one teacher, or learn their outputs ({kind: logits})",
        ),
        (
            TWO[0],
            GOLD_ALONE,
            "the student learns from labels alone, which these examples are not "
            "asked for: give {kind: logits} a weight above 0",
        ),
        (TWO[0], LIMIT_OF_NOTHING, "there are no unlabelled examples: name them"),
    ],
)
def test_what_is_said_of_what_cannot_be(teacher: Any, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSpec) as caught:
        job(teacher, **more)
    (bad,) = caught.value.fields
    assert bad.message.startswith(sentence)


def test_layers_that_are_only_measured_by_no_one_are_no_hindrance() -> None:
    terms = [{"kind": "logits"}, {"kind": "hidden", "weight": 0}]
    assert len(job(TWO, objective=terms).teachers) == 2


def test_unlabelled_examples_may_be_for_the_first_training_alone() -> None:
    first = {"objective": [{"kind": "hidden"}]}
    data = {"name": "a", "unlabelled": "./b"}
    said = job(TWO[0], data=data, objective=[{"kind": "gold"}], intermediate=first)
    assert list(said.paths()) == [("data.unlabelled", "./b")]


SUITE = """
name: both
shared: {teacher: {model: a}}
tasks: {ner: {task: named-entities, data: conll2002}}
students: {small: {layers: 2}}
"""


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("teachers={both: [{model: a}, {model: b}]}", "teachers.both"),
        ("shared.teacher=[{model: a}, {model: b}]", "shared.teacher"),
        ("tasks.ner.teacher=[{model: a}, {model: b}]", "tasks.ner.teacher"),
    ],
)
def test_a_suite_has_one_teacher_in_each_job(said: str, path: str) -> None:
    with pytest.raises(BadSpec, match="a suite compares teachers, one in each of its") as caught:
        jobs_of(read_suite(SUITE, [said]))
    assert [bad.path for bad in caught.value.fields] == [path]
