"""The cost of validating a job or a suite; counted, and never timed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import NAMED
from alambique.spec.matrix import jobs_of
from alambique.spec.reading import job_of
from alambique.spec.suite import suite_of
from alambique.spec.validation_cost import MAX_COST, count_nodes, validation_cost

JOB: dict[str, Any] = {
    "task": "named-entities",
    "data": "conll2002",
    "teacher": {"model": "mini-es"},
    "student": {"layers": 2},
}
TERMS = [{"kind": "gold", "name": f"a{number}"} for number in range(600)]


def faults_of(error: pytest.ExceptionInfo[BadSpec]) -> tuple[str, ...]:
    return tuple(bad.path for bad in error.value.fields)


def suite(**changes: Any) -> dict[str, Any]:
    return {"name": "s", "shared": JOB, "tasks": {"a": {}}, "students": {"b": {}}} | changes


VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=30,
)


@given(VALUES, VALUES)
def test_the_cost_grows_with_the_content_and_with_the_trials(one: Any, other: Any) -> None:
    nodes = [count_nodes(value, MAX_COST) for value in ([one, other], [one], [other])]
    assert nodes[0] == nodes[1] + nodes[2]
    alone = validation_cost({"a": one})
    assert validation_cost({"a": [one]}) == alone + 1
    assert validation_cost({"a": one, "search": {"space": {"x": [1, 2]}}}) > 5 * alone


def test_a_value_that_holds_itself_is_counted_to_the_limit() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    assert MAX_COST < count_nodes(endless, MAX_COST) < MAX_COST + 10


def test_a_search_of_many_values_over_a_large_job_is_refused() -> None:
    def searched(values: int, terms: int) -> dict[str, Any]:
        space = {"train.seed": list(range(values))}
        return JOB | {"objective": TERMS[:terms], "search": {"space": space, "trials": 1}}

    job_of(searched(values=2, terms=600))
    with pytest.raises(BadSpec) as caught:
        job_of(searched(values=1000, terms=600))
    assert faults_of(caught) == ("search.space",)


def test_a_suite_of_many_cells_of_a_large_job_is_refused() -> None:
    large = JOB | {"objective": TERMS}
    jobs_of(suite_of(suite(shared=large, seeds=[1, 2])))
    with pytest.raises(BadSpec) as caught:
        jobs_of(suite_of(suite(shared=large, seeds=list(range(5000)))))
    assert faults_of(caught) == ("suite",)


def test_a_suite_of_many_bad_cells_is_not_looked_at_to_its_end() -> None:
    tasks: dict[str, Any] = {f"a{number}": {} for number in range(1000)}
    shared = JOB | {"k": 1}
    with pytest.raises(BadSpec) as caught:
        jobs_of(suite_of(suite(shared=shared, tasks=tasks | {"a90": {"own": 1}})))
    assert set(faults_of(caught)) == {"shared.k", "tasks.a90.own"}
    with pytest.raises(BadSpec) as caught:
        jobs_of(suite_of(suite(shared=shared, tasks=tasks | {"a900": {"own": 1}})))
    assert faults_of(caught) == ("shared.k",)
    every = {name: {"own": 1} for name in tasks}
    with pytest.raises(BadSpec) as caught:
        jobs_of(suite_of(suite(tasks=every)))
    assert len(faults_of(caught)) == NAMED


def test_a_grid_of_a_suite_varies_only_so_many_fields() -> None:
    with pytest.raises(BadSpec, match="it varies 65 fields, and a suite at most 64"):
        suite_of(suite(grid={f"train.k{number}": [1] for number in range(65)}))


def test_a_job_has_only_so_many_teachers_and_those_beyond_are_not_looked_at() -> None:
    teachers: list[dict[str, Any]] = [{"model": f"m{number}"} for number in range(32)]
    job_of(JOB | {"teacher": teachers})
    with pytest.raises(BadSpec) as caught:
        job_of(JOB | {"teacher": [*teachers, *({"hopes": 1} for _ in range(900))]})
    assert faults_of(caught) == ("teacher",)


def test_a_teacher_and_a_goal_of_many_that_is_there_twice_is_named() -> None:
    teachers = [{"model": f"m{number}"} for number in range(31)]
    with pytest.raises(BadSpec) as caught:
        job_of(JOB | {"teacher": [*teachers, teachers[3]]})
    assert faults_of(caught) == ("teacher.31",)
    search = {"space": {"train.seed": [1]}, "trials": 1}
    goals = [f"x{number} max" for number in range(3000)]
    with pytest.raises(BadSpec, match="x7 is there more than once"):
        job_of(JOB | {"search": search | {"goals": [*goals, "x7 max"]}})
