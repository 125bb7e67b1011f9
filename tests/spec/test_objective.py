"""The terms of an objective as a job says them: what is refused, and what changes over time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import BadField
from alambique.spec.objective import (
    Gold,
    Hidden,
    Logits,
    Relations,
    Term,
    intermediate_losses,
    is_active,
)
from alambique.spec.reading import job_of, read_job
from alambique.spec.schedules import Change, at, highest

JOB = """
task: named-entities
data: conll2002
teacher: {model: mini-es}
student: {layers: 2}
"""
NUMBERS = st.floats(0, 100)


def refused(*overrides: str) -> tuple[BadField, ...]:
    """The fields that are to blame."""
    with pytest.raises(BadSpec) as caught:
        read_job(JOB, overrides)
    return caught.value.fields


ANGLE = "{kind: hidden}, {kind: hidden, name: angle, loss: cosine, projection: none}"


@pytest.mark.parametrize(
    ("term", "path"),
    [
        ("{kind: hidden, mapping: middle}", "objective.0.mapping"),
        ("{kind: hidden, mapping: []}", "objective.0.mapping"),
        ("{kind: hidden, mapping: [[0, 1], [1]]}", "objective.0.mapping.1.1"),
        ("{kind: hidden, mapping: [[0, -1]]}", "objective.0.mapping.0.1"),
        ("{kind: hidden, loss: cosine, reduction: tinybert}", "objective.0"),
        ("{kind: hidden, loss: pkd, reduction: textbrewer}", "objective.0"),
        ("{kind: attention, loss: kl, reduction: tinybert}", "objective.0"),
        ("{kind: logits, reduction: tinybert}", "objective.0"),
        ("{kind: attention, heads: 3}", "objective.0.heads"),
        ("{kind: relations, pairs: []}", "objective.0.pairs"),
        ("{kind: relations, pairs: [qx]}", "objective.0.pairs.0"),
        ("{kind: relations, heads: 0}", "objective.0.heads"),
        ("{kind: gold, weight: -1}", "objective.0.weight"),
        ("{kind: gold, weight: {start: 1}}", "objective.0.weight.end"),
        ("{kind: gold, weight: {start: 1, end: 0, over: 0}}", "objective.0.weight.over"),
        ("{kind: logits, temperature: {start: 4, end: 0}}", "objective.0.temperature"),
        ("{kind: gold, weight: 0}", "objective"),
        ("{kind: gold}, {kind: gold}", "objective"),
        ("{kind: hidden, name: far}, {kind: relations, name: far}", "objective"),
        ("{kind: gold, name: Far.away}", "objective.0.name"),
        ("{kind: hidden, name: '0'}", "objective.0.name"),
        (ANGLE, "objective"),
    ],
)
def test_a_term_that_cannot_be_is_named(term: str, path: str) -> None:
    assert [bad.path for bad in refused(f"objective=[{term}]")] == [path]


@pytest.mark.parametrize(
    ("term", "sentence"),
    [
        ("{kind: hidden, mapping: []}", "the map has no pair: give"),
        ("{kind: hidden, loss: cosine, reduction: tinybert}", "reduction tinybert is"),
        ("{kind: hidden, loss: pkd, reduction: textbrewer}", "is of mse and cosine, not of pkd"),
        ("{kind: attention, loss: kl, reduction: tinybert}", "is of score-mse, not of kl"),
        ("{kind: logits, reduction: tinybert}", "reduction tinybert is of ce, not of kl"),
        ("{kind: relations, pairs: []}", "expected at least one of qq, kk"),
        ("{kind: gold, weight: 0}", "every term has weight 0: nothing would be learnt"),
        ("{kind: gold}, {kind: gold}", "two terms are called gold: give one of them a"),
        (ANGLE, "terms of kind hidden share their projections, and these are none and share"),
    ],
)
def test_what_is_said_of_a_term_that_cannot_be(term: str, sentence: str) -> None:
    (bad,) = refused(f"objective=[{term}]")
    assert sentence in bad.message


def test_terms_of_one_kind_have_names() -> None:
    terms = "{kind: relations, layer: 3}, {kind: relations, name: last}, {kind: logits}"
    job = read_job(JOB, [f"objective=[{terms}]"])
    assert [term.label for term in job.objective] == ["relations", "last", "logits"]
    assert job_of(job.model_dump(mode="json")) == job
    assert "name" not in Hidden().model_dump()  # keys of stages are as without names


def test_an_intermediate_training_is_held_to_the_same() -> None:
    (bad,) = refused("intermediate={objective: [{kind: hidden, weight: 0}]}")
    assert bad.path == "intermediate.objective"


def test_spans_by_mse_alone_have_no_anchor_before_either() -> None:
    change = "intermediate={objective: [{kind: logits, loss: mse}]}"
    (bad,) = refused("task=question-answering", change)
    assert bad.path == "intermediate"
    for other in ("{kind: gold}", "{kind: logits, name: soft}"):
        read_job(JOB, ["task=question-answering", change.replace("mse}", f"mse}}, {other}")])


@given(NUMBERS, NUMBERS, st.floats(0.01, 1), st.floats(0, 1), st.sampled_from(["linear", "cosine"]))
def test_a_change_goes_from_start_to_end(
    start: float, end: float, over: float, done: float, shape: str
) -> None:
    change = Change.model_validate({"start": start, "end": end, "over": over, "shape": shape})
    assert at(change, 0.0) == start
    assert at(change, 1.0) == pytest.approx(end)
    assert at(change, over) == pytest.approx(end)
    low, high = sorted((start, end))
    assert low - 1e-9 <= at(change, done) <= high + 1e-9
    assert highest(change) == high
    assert at(start, done) == highest(start) == start


def test_a_term_counts_that_ever_has_weight() -> None:
    later = Hidden(weight=Change(start=0, end=1))
    terms: list[Term] = [Gold(weight=0.0), later, Relations(weight=0.0), Logits()]
    assert [is_active(term) for term in terms] == [False, True, False, True]
    assert intermediate_losses(terms) == [later]
