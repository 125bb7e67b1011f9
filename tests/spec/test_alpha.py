"""alpha of an objective: what it makes of two weights, and what is said where it has no place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.combinations import needs_outputs, search_combinations
from alambique.spec.errors import BadSpec
from alambique.spec.field_paths import with_field
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.reading import job_of, read_job
from alambique.spec.space import Between, axes, job_with_values
from alambique.spec.suite import read_suite

JOB = """
task: named-entities
data: conll2002
teacher: {model: mini-es}
student: {layers: 2}
objective: [{kind: hidden, weight: 3}, {kind: gold, weight: 5}, {kind: logits, weight: 7}]
"""
SUITE = """
name: balance
shared: {teacher: {model: mini-es}, objective: [{kind: gold}, {kind: logits}]}
tasks: {ner: {task: named-entities, data: conll2002}}
students: {small: {layers: 2}}
"""
UNIT = "{low: 0, high: 1}"


def weights(job: Job) -> dict[str, Any]:
    return {term.label: term.weight for term in job.objective}


def searching(space: str, *overrides: str) -> Job:
    return read_job(JOB, [*overrides, f"search={{space: {{{space}}}, trials: 4, scheduler: none}}"])


def refused(space: str, *overrides: str) -> list[tuple[str, str, str | None]]:
    """The path, message and value of each fault of a search."""
    with pytest.raises(BadSpec) as caught:
        searching(space, *overrides)
    return [(bad.path, bad.message, bad.found) for bad in caught.value.fields]


@given(st.floats(0, 1))
def test_gold_has_alpha_and_logits_the_rest(alpha: float) -> None:
    found = weights(
        job_with_values(searching(f"objective.alpha: {UNIT}"), {"objective.alpha": alpha})
    )
    assert found == {
        "hidden": 3,
        "gold": alpha,
        "logits": pytest.approx(1 - alpha, abs=1e-12),
    }
    assert found["gold"] + found["logits"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("alpha", [0, 0.1, 0.3, 0.9, 1])
def test_a_job_that_says_both_weights_is_the_same_job(alpha: float) -> None:
    rest = {0: 1, 0.1: 0.9, 0.3: 0.7, 0.9: 0.1, 1: 0}[alpha]
    said = [f"objective.1.weight={alpha}", f"objective.2.weight={rest}"]
    by_alpha = read_job(JOB, [f"objective.alpha={alpha}"])
    assert by_alpha == read_job(JOB, said)
    assert by_alpha == job_with_values(read_job(JOB), {"objective.alpha": alpha})
    assert job_of(by_alpha.model_dump(mode="json")) == by_alpha


def test_it_is_a_dimension_beside_others_of_the_terms() -> None:
    job = searching(f"objective.alpha: {UNIT}, objective.logits.temperature: [1, 2]")
    assert axes(job)[0] == Between("objective.alpha", 0, 1, log=False, whole=False)
    found = job_with_values(job, {"objective.alpha": 0.25, "objective.logits.temperature": 2})
    assert found.objective[2].model_dump(include={"weight", "temperature"}) == {
        "weight": 0.75,
        "temperature": 2,
    }
    values = [one.values for one in search_combinations(job, "objective").each]
    assert {one["objective.alpha"] for one in values} == {0, 1}


def test_it_takes_the_place_of_a_weight_that_changes() -> None:
    fading = "objective.2.weight={start: 1, end: 0}"
    assert weights(read_job(JOB, [fading, "objective.alpha=0.5"]))["logits"] == 0.5


def test_it_is_of_the_first_training_too() -> None:
    first = "intermediate={objective: [{kind: gold}, {kind: logits}]}"
    job = searching("intermediate.objective.alpha: [0.2, 0.4]", first)
    found = job_with_values(job, {"intermediate.objective.alpha": 0.4})
    assert found.intermediate is not None
    assert [term.weight for term in found.intermediate.objective] == [0.4, 0.6]
    assert weights(found) == weights(job)


@pytest.mark.parametrize(
    "space",
    [
        "objective.alpha: [0.5, 1.5]",
        "objective.alpha: {low: -0.5, high: 1}",
        "objective.alpha: [much]",
        "objective.alpha: [true]",
        "objective.alpha: [[0.5]]",
    ],
)
def test_what_is_no_part_of_one_is_refused(space: str) -> None:
    ((path, _, _),) = refused(space)
    assert path == "search.space.objective.alpha"


def test_what_is_said_of_what_is_no_part_of_one() -> None:
    ((_, message, _),) = refused("objective.alpha: [much]")
    assert "a number from 0 to 1, found 'much'" in message


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ("[{kind: logits}]", "has none of kind gold: add {kind: gold}"),
        ("[{kind: gold}, {kind: hidden}]", "has none of kind logits: add {kind: logits}"),
        (
            "[{kind: gold}, {kind: logits}, {kind: logits, name: soft, temperature: 4}]",
            "has 2 of kind logits: keep one of them, or vary the weight of each",
        ),
        (
            "[{kind: gold}, {kind: logits}, {kind: hidden, name: alpha}]",
            "a term is called alpha: give the term another name",
        ),
    ],
)
def test_it_weighs_one_gold_and_one_logits_term(terms: str, sentence: str) -> None:
    ((path, message, _),) = refused(f"objective.alpha: {UNIT}", f"objective={terms}")
    assert path == "search.space.objective.alpha"
    assert sentence in message
    with pytest.raises(BadSpec) as caught:
        read_job(JOB, [f"objective={terms}", "objective.alpha=0.5"])
    assert str(caught.value).startswith("--set objective.alpha: ")


def test_an_objective_that_the_file_does_not_give_has_no_alpha() -> None:
    with pytest.raises(BadSpec, match=r"^--set objective.alpha: .*: give it, objective: \["):
        read_job(JOB.partition("objective")[0], ["objective.alpha=0.5"])
    ((path, _, _),) = refused("intermediate.objective.alpha: [0.5]")
    assert path == "search.space.intermediate.objective.alpha"


@pytest.mark.parametrize(
    "other",
    [
        "objective.gold.weight: [1, 2]",
        "objective.2.weight: [1, 2]",
        "objective.logits: [{kind: logits, temperature: 2}]",
        "objective: [[{kind: gold}, {kind: logits}]]",
    ],
)
def test_a_weight_is_not_varied_twice(other: str) -> None:
    faults = refused(f"objective.alpha: {UNIT}, {other}")
    path = other.partition(":")[0]
    both = {"objective.alpha": path, path: "objective.alpha"}
    assert faults
    for where, message, _ in faults:
        varied = both[where.removeprefix("search.space.")]
        assert message == f"{varied} is varied too: keep one of the two"


def test_weights_of_other_terms_are_varied_beside_it() -> None:
    job = searching(f"objective.alpha: {UNIT}, objective.hidden.weight: [1, 2]")
    found = job_with_values(job, {"objective.hidden.weight": 2, "objective.alpha": 0})
    assert weights(found) == {"hidden": 2, "gold": 0, "logits": 1}


def test_outputs_are_needed_unless_gold_labels_are_all_that_is_learnt() -> None:
    both = "objective=[{kind: gold}, {kind: logits}]"
    assert not read_job(JOB, [both, "objective.alpha=1"]).needs_outputs
    assert needs_outputs(searching(f"objective.alpha: {UNIT}", both))
    assert needs_outputs(searching("objective.alpha: [0]", both))
    assert not needs_outputs(searching("objective.alpha: [1], train.epochs: [1, 2]", both))


def test_gold_labels_alone_teach_nothing_of_what_has_none() -> None:
    said = ["data={name: conll2002, unlabelled: mlqa}", "objective=[{kind: gold}, {kind: logits}]"]
    assert searching("objective.alpha: {low: 0, high: 0.9}", *said).data.unlabelled == "mlqa"
    ((path, message, found),) = refused(f"objective.alpha: {UNIT}", *said)
    assert (path, found) == ("search.space.objective.alpha", "1")
    assert message.startswith("data.unlabelled: ")


def test_of_answers_alpha_may_not_leave_the_ends_of_words_alone() -> None:
    """Logits by mse teach no other position: alpha 0 is refused, unless the loss varies too."""
    said = ["task=question-answering", "data=sqac", "objective=[{kind: gold}, {kind: logits}]"]
    mse = "objective.1.loss=mse"
    ((path, _, found),) = refused("objective.alpha: [0, 0.5]", *said, mse)
    assert (path, found) == ("search.space.objective.alpha", "0")
    job = searching("objective.alpha: [0, 0.5], objective.logits.loss: [kl, mse]", *said)
    with pytest.raises(BadSpec):
        job_with_values(job, {"objective.alpha": 0, "objective.logits.loss": "mse"})


def test_a_suite_varies_it() -> None:
    said = ["grid={objective.alpha: [0, 0.2], objective.1.temperature: [1, 2]}"]
    found = {str(cell.point): weights(job) for cell, job in jobs_of(read_suite(SUITE, said))}
    assert len(found) == 4
    assert {point: each["gold"] for point, each in found.items()} == {
        point: 0.2 if "0.2" in point else 0 for point in found
    }
    (_, job), *_ = jobs_of(read_suite(SUITE, ["shared.objective.alpha=0.25"]))
    assert weights(job) == {"gold": 0.25, "logits": 0.75}


@pytest.mark.parametrize(
    "said",
    [
        ["grid={objective.alpha: [0, 2]}"],
        ["grid={objective.alpha: [0, 1], objective.0.weight: [1]}"],
        ["shared.objective=[{kind: logits}]", "grid={objective.alpha: [0, 1]}"],
    ],
)
def test_a_suite_that_cannot_names_its_grid(said: list[str]) -> None:
    with pytest.raises(BadSpec) as caught:
        jobs_of(read_suite(SUITE, said))
    assert {bad.path for bad in caught.value.fields} == {"grid.objective.alpha"}


def test_elsewhere_alpha_is_a_field_like_others() -> None:
    assert with_field({}, "train.alpha", 3) == {"train": {"alpha": 3}}
    assert with_field({"search": {}}, "search.space.objective.alpha", 3) == {
        "search": {"space": {"objective": {"alpha": 3}}}
    }
