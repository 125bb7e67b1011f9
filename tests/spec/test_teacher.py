"""The teacher of a job: its candidates, the runs of their grids, and what cannot be asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadSpec
from alambique.spec.job import Job
from alambique.spec.reading import job_of, read_job
from alambique.spec.sources import Architecture
from alambique.spec.teacher import Candidate, Teacher
from alambique.spec.train import Train

SCRATCH = {"architecture": "bert", "layers": 2, "width": 32, "heads": 2, "ffn": 64}
FIELDS = ("batch_size", "epochs", "learning_rate")
MANY = list(range(1, 33))
BOTH_MEASURES = {"model": "a", "grid": {"batch_size": [8]}, "train": {"batch_tokens": 512}}
OWN_GRID_OF_BOTH_MEASURES = {
    "candidates": ["b", {"model": "a", "grid": {"batch_size": [8]}}],
    "train": {"batch_tokens": 512},
}


def job(teacher: dict[str, Any]) -> Job:
    content = {"task": "named-entities", "data": "conll2002", "student": {"layers": 2}}
    return job_of(content | {"teacher": teacher})


def one(teacher: dict[str, Any]) -> Teacher:
    """The teacher of a job that has one."""
    return job(teacher).teachers[0].spec


def run(*said: Any) -> dict[str, Any]:
    return dict(zip(FIELDS, said, strict=True))


def test_one_model_has_one_run_as_it_says() -> None:
    tuned, train = one({"model": "a"}), Train(epochs=2)
    assert [(r.candidate, r.model, r.train, r.point) for r in tuned.runs] == [(0, "a", None, ())]
    (only,) = one({"model": "a", "train": {"epochs": 2}}).runs
    assert (only.train, only.point, only.point_text) == (train, (), "")


def test_runs_come_by_candidate_then_batch_then_epochs_then_rate() -> None:
    grid = run([8, 4], [1, 2], [1e-5, 2e-5])
    own = {"model": "b", "grid": {"learning_rate": [3e-6]}}
    teacher = one({"candidates": ["a", own], "grid": grid, "train": {"seed": 7}})
    points = [(r.model, *dict(r.point).values()) for r in teacher.runs]
    assert points[:4] == [
        ("a", 8, 1, 1e-5),
        ("a", 8, 1, 2e-5),
        ("a", 8, 2, 1e-5),
        ("a", 8, 2, 2e-5),
    ]
    assert points[8:] == [
        ("b", 8, 1, 3e-6),
        ("b", 8, 2, 3e-6),
        ("b", 4, 1, 3e-6),
        ("b", 4, 2, 3e-6),
    ]
    assert {run.train.seed for run in teacher.runs if run.train} == {7}
    assert teacher.runs[1].point_text == "batch_size 8, epochs 1, learning_rate 2e-05"


def test_a_teacher_that_was_looked_at_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    first = job({"candidates": ["a", "b"], "grid": {"epochs": [1, 2]}})
    content = first.model_dump(mode="json") | {"teacher": first.teacher}
    monkeypatch.delattr(Teacher, "runs")  # all of which are made to look at it
    assert job_of(content).teacher is first.teacher


def test_candidates_without_a_grid_are_trained_once_by_the_defaults() -> None:
    teacher = one({"candidates": ["a", SCRATCH, {"model": SCRATCH | {"layers": 3}}]})
    assert [run.train for run in teacher.runs] == [Train()] * 3
    assert teacher.training == Train()
    assert teacher.runs[1].model == Architecture.model_validate(SCRATCH)


def test_one_model_may_have_a_grid() -> None:
    teacher = one({"model": SCRATCH, "grid": {"epochs": [2, 3]}})
    assert [run.train for run in teacher.runs] == [Train(epochs=2), Train(epochs=3)]


@given(
    st.lists(
        st.tuples(st.sampled_from(FIELDS), st.sets(st.sampled_from([1, 2, 3]), min_size=1)),
        max_size=3,
    ),
    st.lists(
        st.dictionaries(
            st.sampled_from(FIELDS), st.sets(st.sampled_from([4, 5, 6]), min_size=1), max_size=3
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_runs_are_all_combinations_each_once(
    common: list[tuple[str, set[int]]], own: list[dict[str, set[int]]]
) -> None:
    def grid(values: dict[str, set[int]]) -> dict[str, list[float]]:
        rates = {field: sorted(n / 10 for n in values[field]) for field in values}
        return {f: rates[f] if f == "learning_rate" else [*values[f]] for f in values}

    candidates = [{"model": f"m{n}", "grid": grid(values)} for n, values in enumerate(own)]
    teacher = one({"candidates": candidates, "grid": grid(dict(common))})
    runs, expected = teacher.runs, 0
    for number, values in enumerate(own):
        size, merged = 1, grid(dict(common)) | grid(values)
        for field, its in merged.items():
            size *= len(its)
            mine = [run for run in runs if run.candidate == number]
            assert {dict(run.point)[field] for run in mine} == set(its)
            assert all(getattr(run.train, field) == dict(run.point)[field] for run in mine)
        expected += size
    assert len({(run.model, run.train) for run in runs}) == len(runs) == expected
    assert [run.candidate for run in runs] == sorted(run.candidate for run in runs)


def test_candidates_read_back_as_they_were_written() -> None:
    written = ["a", {"model": "./b", "grid": {"epochs": [2]}}, SCRATCH, "~/c"]
    read = job({"candidates": written, "grid": {"batch_size": [4, 8]}})
    assert job_of(read.model_dump(mode="json")) == read
    assert [type(one) for one in read.teachers[0].spec.candidates or ()] == [
        str,
        Candidate,
        Architecture,
        str,
    ]
    assert list(read.paths()) == [
        ("teacher.candidates.1.model", "./b"),
        ("teacher.candidates.3", "~/c"),
    ]


def test_a_network_from_scratch_has_positions_for_its_windows() -> None:
    train = {"max_length": 700}
    assert one({"candidates": [SCRATCH], "train": train}).positions == 700
    assert Teacher(candidates=("a",), max_length=900).positions == 900


@pytest.mark.parametrize(
    ("teacher", "path"),
    [
        ({}, "teacher"),
        ({"model": "a", "candidates": ["b"]}, "teacher"),
        ({"candidates": []}, "teacher.candidates"),
        ({"candidates": "a"}, "teacher.candidates"),
        ({"candidates": ["a b"]}, "teacher.candidates.0"),
        ({"candidates": ["a", {"model": "a b"}]}, "teacher.candidates.1.model"),
        ({"candidates": [{"grid": {}}]}, "teacher.candidates.0.model"),
        ({"candidates": [{"model": "a", "lr": 1}]}, "teacher.candidates.0.lr"),
        ({"candidates": [{"model": "a", "grid": 3}]}, "teacher.candidates.0.grid"),
        ({"candidates": ["a", "b", {"model": "a"}]}, "teacher"),
        ({"candidates": ["a", {"model": "a", "grid": {"epochs": [3]}}]}, "teacher"),
        ({"model": "a", "grid": 3}, "teacher.grid"),
        ({"model": "a", "grid": {"seed": [1]}}, "teacher.grid.seed"),
        ({"model": "a", "grid": {"epochs": 2}}, "teacher.grid.epochs"),
        ({"model": "a", "grid": {"epochs": []}}, "teacher.grid.epochs"),
        ({"model": "a", "grid": {"epochs": [2, 2]}}, "teacher.grid.epochs"),
        ({"model": "a", "grid": {"epochs": [0]}}, "teacher.grid.epochs.0"),
        ({"model": "a", "grid": {"batch_size": [True]}}, "teacher.grid.batch_size.0"),
        ({"model": "a", "grid": {"learning_rate": [1, 2]}}, "teacher.grid.learning_rate.1"),
        (BOTH_MEASURES, "teacher"),
        (OWN_GRID_OF_BOTH_MEASURES, "teacher"),
        ({"model": "a", "grid": {"batch_size": MANY, "epochs": MANY}}, "teacher"),
        ({"candidates": ["a"], "max_length": 64}, "teacher"),
    ],
    ids=str,
)
def test_a_teacher_that_cannot_be_is_refused_by_its_fields(
    teacher: dict[str, Any], path: str
) -> None:
    with pytest.raises(BadSpec) as caught:
        job(teacher)
    assert [bad.path for bad in caught.value.fields] == [path]


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        ({}, "neither model nor candidates is given: give the model"),
        ({"model": "a", "candidates": ["b"]}, "model and candidates are both given: keep"),
        (
            {"candidates": ["a", "b", {"model": "a"}]},
            "candidates.0 and candidates.2.model are the same model, and "
            "would be trained alike: drop one",
        ),
        (
            {"candidates": ["a", {"model": "a", "grid": {"epochs": [3]}}]},
            "would be trained alike (epochs 3): drop one, or give them other grids",
        ),
        (
            BOTH_MEASURES,
            "grid.batch_size and train.batch_tokens are two measures of one thing: drop "
            "one of them",
        ),
        (OWN_GRID_OF_BOTH_MEASURES, "candidates.1.grid.batch_size and train.batch_tokens are two"),
        (
            {"model": "a", "grid": {"batch_size": MANY, "epochs": MANY}},
            "candidates and grid make 1024 runs, a job has at most 1000: give fewer",
        ),
        ({"model": "a", "grid": {"epochs": [2, 2]}}, "2 is there more than"),
    ],
    ids=str,
)
def test_what_is_said_of_a_teacher_that_cannot_be(teacher: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSpec) as caught:
        job(teacher)
    (bad,) = caught.value.fields
    assert sentence in bad.message


def test_a_job_is_not_called_as_another_one_s_candidate() -> None:
    content = job({"model": "a"}).model_dump(mode="json")
    with pytest.raises(BadSpec) as caught:
        job_of(content | {"name": "ner-candidate-12"})
    assert [bad.path for bad in caught.value.fields] == ["name"]
    assert job_of(content | {"name": "ner-candidate-x"}).name == "ner-candidate-x"


@pytest.mark.parametrize(
    ("said", "gate"),
    [("off", "off"), ("'off'", "off"), ("false", "off"), ("on", "on"), ("true", "on")],
)
def test_the_gate_is_read_as_it_is_written(said: str, gate: str) -> None:
    """Without quotes YAML reads on and off as truth values."""
    read = read_job(
        "{task: named-entities, data: conll2002, student: {layers: 2}, teacher: {model: a}}",
        [f"teacher.gate={said}"],
    )
    (only,) = read.teachers
    assert only.spec.gate == gate
    written = read.model_dump(mode="json")
    assert written["teacher"].get("gate") == (None if gate == "on" else gate)  # as jobs of before
    assert job_of(written) == read


def test_a_gate_is_on_or_off() -> None:
    assert one({"model": "a"}).gate == "on"
    for said in ("of", 0, 1, None):
        with pytest.raises(BadSpec) as caught:
            job({"model": "a", "gate": said})
        assert [bad.path for bad in caught.value.fields] == ["teacher.gate"]
