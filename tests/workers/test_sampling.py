"""Which values trials get: functions of what was tried, which never try the same twice."""

from typing import Any

import pytest

from alambique.spec.job import Job
from alambique.spec.reading import read_job
from alambique.spec.search import Search
from alambique.spec.space import axes
from alambique.workers.search.sampling import PastTrial, dimension_importance, propose_trial

TEXT = """
task: named-entities
data: conll2002
teacher: {model: mini-es}
student: {layers: 2}
"""
RANGES = (
    "student.layers: [1, 2, 4], train.learning_rate: {low: 1.0e-5, high: 1.0e-2, log: true}, "
    "train.epochs: {low: 2, high: 9}"
)
LISTS = "student.keep: [first, last], objective: [[{kind: gold}], [{kind: logits}]]"


def searching(space: str, more: str) -> Job:
    return read_job(TEXT, (f"search={{space: {{{space}}}, {more}}}",))


def search_of(job: Job) -> Search:
    assert job.search is not None
    return job.search


def tried(job: Job, number: int, seed: int = 1) -> list[dict[str, Any]]:
    """The values of so many trials, each of which has ended with a loss before the next begins."""
    search, found, past = search_of(job), list[dict[str, Any]](), list[PastTrial]()
    while len(found) < number:
        values = propose_trial(search, axes(job), past, seed=seed, number=len(found) + 1)
        if values is None:
            break
        found.append(values)
        past.append(PastTrial(values, tuple(loss(values) for _ in search.goals)))
    return found


def loss(values: dict[str, Any]) -> float:
    """Best at 2 layers, whatever else."""
    return float(abs(values.get("student.layers", 2) - 2)) + 0.1


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("goals", ["[loss min]", "[f1 max, macs min]"])
def test_values_are_of_their_dimensions(sampler: str, goals: str) -> None:
    job = searching(RANGES, f"trials: 12, sampler: {sampler}, goals: {goals}")
    found = tried(job, 12)
    assert len({str(values) for values in found}) == 12
    for values in found:
        assert values["student.layers"] in (1, 2, 4)
        assert 1e-5 <= values["train.learning_rate"] <= 1e-2
        assert values["train.epochs"] in range(2, 10)
        assert values["train.learning_rate"] == float(f"{values['train.learning_rate']:.4g}")
    assert len({values["train.epochs"] for values in found}) > 2


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_what_is_listed_is_combined_once(sampler: str) -> None:
    found = tried(searching(LISTS, f"trials: 9, sampler: {sampler}"), 9)
    assert len(found) == len({str(values) for values in found}) == 4
    assert found[0]["objective"] in ([{"kind": "gold"}], [{"kind": "logits"}])


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize(
    ("space", "most"),
    [
        ("student.layers: {low: 1, high: 3}", 3),
        ("student.layers: {low: 1, high: 3}, student.keep: [first, last]", 6),
        ("student.layers: {low: 1, high: 16, log: true}", 16),
        # of four digits there are eleven
        ("train.warmup: {low: 0.1, high: 0.101}", 11),
        ("train.seed: {low: 0, high: 4294967295}", 20),
    ],
)
def test_nothing_is_tried_twice(sampler: str, space: str, most: int) -> None:
    found = tried(searching(space, f"trials: 20, sampler: {sampler}"), 20)
    assert len({str(values) for values in found}) == len(found) == most


def test_a_grid_has_the_order_of_its_lists() -> None:
    found = tried(searching("student.layers: [2, 1], train.epochs: [3, 4]", "sampler: grid"), 9)
    assert [tuple(values.values()) for values in found] == [(2, 3), (2, 4), (1, 3), (1, 4)]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_seed_decides(sampler: str) -> None:
    job = searching(RANGES, f"trials: 7, sampler: {sampler}")
    assert tried(job, 7) == tried(job, 7) != tried(job, 7, seed=2)


def test_a_search_that_goes_on_proposes_what_it_would_have_proposed() -> None:
    job = searching(RANGES, "trials: 9")
    whole = tried(job, 9)
    past = [PastTrial(values, (loss(values),)) for values in whole[:6]]
    assert propose_trial(search_of(job), axes(job), past, seed=1, number=7) == whole[6]


def test_trials_that_run_or_failed_are_told_too() -> None:
    job = searching(RANGES, "trials: 20")
    one, other, *_ = tried(job, 20)
    past = [PastTrial(one, None), PastTrial(other, None, failed=True)]
    assert propose_trial(search_of(job), axes(job), past, seed=1, number=3) not in (
        None,
        one,
        other,
    )
    assert propose_trial(search_of(job), axes(job), past, seed=1, number=21) is None


def test_tpe_tries_more_of_what_did_well() -> None:
    space = "student.layers: [1, 2, 4, 6, 8], train.warmup: {low: 0, high: 1}"
    found = tried(searching(space, "trials: 40"), 40)
    assert sum(values["student.layers"] == 2 for values in found[10:]) > 15


def test_the_dimension_that_decides_is_the_important_one() -> None:
    job = searching(RANGES, "trials: 20, sampler: random")
    past = [PastTrial(values, (loss(values),)) for values in tried(job, 20)]
    found = dimension_importance(axes(job), past, seed=1)
    assert list(found) == ["student.layers", "train.learning_rate", "train.epochs"]
    known = [part for part in found.values() if part is not None]
    assert sum(known) == pytest.approx(1)
    assert known[0] == max(known) > 0.5
    assert dimension_importance(axes(job), past, seed=1) == found


def test_nothing_is_said_of_few_trials_or_equal_ones() -> None:
    job = searching(RANGES, "trials: 20")
    values = tried(job, 8)
    nothing = {axis.path: None for axis in axes(job)}
    assert (
        dimension_importance(axes(job), [PastTrial(v, (loss(v),)) for v in values[:3]], seed=1)
        == nothing
    )
    assert (
        dimension_importance(axes(job), [PastTrial(v, (0.5,)) for v in values], seed=1) == nothing
    )
    assert dimension_importance(axes(job), [PastTrial(v, None) for v in values], seed=1) == nothing
