"""A search as a job says it: what is said of a wrong one, and the jobs that it makes."""

from typing import Any

import pytest

from alambique.spec.combinations import needs_outputs, search_combinations
from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import NAMED, BadField
from alambique.spec.job import Job
from alambique.spec.objective import Gold, Hidden, Logits, Relations
from alambique.spec.reading import job_of, read_job
from alambique.spec.search import Goal, Search
from alambique.spec.space import Between, Listed, axes, job_with_values, trial_count

TEXT = """
task: named-entities
data: conll2002
teacher: {model: mini-es}
student: {layers: 2}
"""
COOLING = "{start: 4, end: 1}"
ALL_TERMS = (
    "objective=[{kind: gold}, {kind: hidden, mapping: [[0, 1], [1, 3]]}, {kind: relations}, "
    "{kind: logits, temperature: {start: 4, end: 1}}]",
    "intermediate={objective: [{kind: hidden}], train: {epochs: 2}}",
)
FOUR = "student.layers: [1, 2], train.epochs: [3, 4]"


def searching(space: str, more: str = "trials: 4", *overrides: str) -> Job:
    return read_job(TEXT, (f"search={{space: {{{space}}}, {more}}}", *overrides))


def search(space: str, more: str = "trials: 4") -> Search:
    found = searching(space, more).search
    assert found is not None
    return found


def refused(space: str, more: str = "trials: 4") -> tuple[BadField, ...]:
    """The fields that are to blame."""
    with pytest.raises(BadSpec) as caught:
        searching(space, more)
    return caught.value.fields


def test_what_is_not_said_has_its_default() -> None:
    found = search(FOUR)
    assert (found.sampler, found.scheduler, found.concurrent) == ("tpe", "asha", 1)
    assert found.targets == (Goal("loss", "min"),)


def test_a_search_reads_back_from_what_it_is_stored_as() -> None:
    job = searching(
        "objective: [[{kind: gold}], [{kind: logits}]], train.dropout: {low: 0, high: 0.5}",
        "trials: 3, goals: [f1 max, macs min], scheduler: none",
    )
    assert job_of(job.model_dump(mode="json")) == job


@pytest.mark.parametrize(
    ("space", "path"),
    [
        ("student.layer: [1]", "student.layer"),
        ("train.rate: {low: 1, high: 2}", "train.rate"),
        ("layers: [1]", "layers"),
        ("teacher.train.epochs: [1]", "teacher.train.epochs"),
        ("data.name: [conll2002]", "data.name"),
        ("task: [inference]", "task"),
        ("resources.workers: [1, 2]", "resources.workers"),
        ("search.trials: [1, 2]", "search.trials"),
        ("train: [{epochs: 1}]", "train"),
        ("student.layers: [2, 0]", "student.layers"),
        ("student.layers: [2, 2.5]", "student.layers"),
        ("student.layers: {low: 0, high: 3}", "student.layers"),
        ("train.dropout: {low: 0, high: 1}", "train.dropout"),
        ("train.learning_rate: {low: 0.2, high: 0.1}", "train.learning_rate"),
        ("train.learning_rate: {low: 0.1, high: 0.1}", "train.learning_rate"),
        ("train.learning_rate: {low: 0, high: 1, log: true}", "train.learning_rate"),
        ("train.learning_rate: {low: 0.1}", "train.learning_rate.high"),
        ("train.learning_rate: 0.1", "train.learning_rate"),
        ("student.layers: []", "student.layers"),
        ("student.layers: [2, 2]", "student.layers"),
        ("student.keep: [[0, 1], [0]]", "student.keep"),
        ("student.start: [teacher, mini-es]", "student.start"),
        ("train.stride: [64, 384]", "train.stride"),
        ("intermediate.objective.hidden.weight: [1, 2]", "intermediate.objective.hidden.weight"),
        ("intermediate.train.epochs: [1, 2]", "intermediate.train.epochs"),
        ("objective.gold.weight: [1]", "objective.gold.weight"),
        ("objective.logits.weight: [1, -1]", "objective.logits.weight"),
        ("objective.0.loss: [kl, l1]", "objective.0.loss"),
        ("objective.5.loss: [kl]", "objective.5.loss"),
        ("objective: [[{kind: hopes}]]", "objective"),
        ("student: [{layers: 2}], student.layers: [1]", "student.layers"),
    ],
)
def test_each_bad_dimension_is_named(space: str, path: str) -> None:
    assert refused(space)[-1].path == f"search.space.{path}"


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ("layers: [1]", "such as student.layers"),
        ("task: [inference]", "a suite"),
        ("resources.workers: [1, 2]", "the same for all trials"),
        ("train: [{epochs: 1}]", "name one of the fields"),
        ("train.learning_rate: {low: 0.2, high: 0.1}", "turn them round"),
        ("train.learning_rate: {low: 0.1, high: 0.1}", "list of it, [0.1]"),
        ("train.learning_rate: {low: 0, high: 1, log: true}", "logarithm"),
        ("train.learning_rate: 0.1", "a list"),
        ("student.start: [teacher, mini-es]", "students of a suite"),
        ("train.stride: [64, 384]", "train: stride 384"),
        ("intermediate.objective.hidden.weight: [1, 2]", "no term hidden, it has none"),
        ("objective.gold.weight: [1]", "no term gold, it has logits"),
        ("objective.5.loss: [kl]", "no index of a list of 1"),
        ("student: [{layers: 2}], student.layers: [1]", "student is varied too"),
    ],
)
def test_what_is_said_of_a_bad_dimension(space: str, sentence: str) -> None:
    assert sentence in refused(space)[-1].message


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("trials: 1000000", "search.trials"),
        ("trials: 0", "search.trials"),
        ("sampler: random", "search"),
        ("sampler: grid, trials: 3", "search"),
        ("sampler: gp, trials: 3", "search.sampler"),
        ("trials: 3, goals: []", "search.goals"),
        ("trials: 3, goals: [f1]", "search.goals.0"),
        ("trials: 3, goals: [loss min, f1 min]", "search.goals.1"),
        ("trials: 3, goals: [macs max]", "search.goals.0"),
        ("trials: 3, goals: [f1 max, f1 max]", "search.goals"),
        ("trials: 3, concurrent: 0", "search.concurrent"),
        ("trials: 3, budget: 5", "search.budget"),
    ],
)
def test_each_bad_field_is_named(more: str, path: str) -> None:
    assert [bad.path for bad in refused(FOUR, more)] == [path]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("trials: 1000000", "1,000,000 trials"),
        ("sampler: random", "trials is missing"),
        ("sampler: grid, trials: 3", "4 points and trials is 3"),
        ("trials: 3, goals: [f1]", "such as f1 max"),
        ("trials: 3, goals: [macs max]", "the other way round"),
        ("trials: 3, goals: [f1 max, f1 max]", "f1 is there more than once"),
    ],
)
def test_what_is_said_of_a_bad_field(more: str, sentence: str) -> None:
    (bad,) = refused(FOUR, more)
    assert sentence in bad.message


def test_a_grid_has_a_limit_and_no_ranges() -> None:
    (bad,) = refused("train.seed: {low: 1, high: 9}, student.layers: [1]", "sampler: grid")
    assert bad.path == "search.space.train.seed"
    assert bad.message.startswith("a grid tries listed values")
    wide = [f"train.{field}: {list(range(1, 101))}" for field in ("seed", "epochs", "patience")]
    (bad,) = refused(", ".join(wide), "sampler: grid")
    assert bad.path == "search"
    assert bad.message.startswith("the grid has 1,000,000 points")
    (bad,) = refused(f"train.seed: {list(range(2000))}")
    assert bad.path == "search"
    assert bad.message.startswith("the space lists 2,000 values")


def test_there_are_only_so_many_dimensions() -> None:
    bogus = ", ".join(f"train.bogus{number}: [1]" for number in range(2000))
    (bad,) = refused(bogus)
    assert bad.path == "search.space"
    assert bad.message.startswith("there are 2,000 dimensions, and a search has at most 64")
    assert len(refused(", ".join(f"train.bogus{number}: [1]" for number in range(64)))) == NAMED


def test_a_fault_that_another_dimension_may_cure_is_left_to_the_trials() -> None:
    job = searching("student.layers: [1, 2], student.keep: [[0], [0, 1]]", "sampler: grid")
    assert job_with_values(job, {"student.layers": 1, "student.keep": [0]}).student.keep == (0,)
    with pytest.raises(BadSpec) as caught:
        job_with_values(job, {"student.layers": 2, "student.keep": [0]})
    assert [bad.path for bad in caught.value.fields] == ["student"]


def test_a_range_holds_what_its_field_takes() -> None:
    found = axes(
        searching(
            "student.layers: {low: 1, high: 2}, train.warmup: {low: 0, high: 1}, "
            "objective.logits.temperature: {low: 1, high: 8, log: true}, student.keep: [first]"
        )
    )
    assert found == (
        Between("student.layers", 1, 2, log=False, whole=True),
        Between("train.warmup", 0, 1, log=False, whole=False),
        Between("objective.logits.temperature", 1, 8, log=True, whole=False),
        Listed("student.keep", ("first",)),
    )


@pytest.mark.parametrize(
    ("space", "whole"),
    [
        ("train.dropout: {low: 0.5, high: 0.9}", False),
        ("train.dropout: {low: 0, high: 0.75}", False),
        ("train.warmup: {low: 0.6, high: 0.9}", False),
        ("train.warmup: {low: 0, high: 1}", False),
        ("train.learning_rate: {low: 0.25, high: 1}", False),
        ("train.clip: {low: 1, high: 2}", False),
        ("student.layers: {low: 1, high: 3}", True),
        ("student.layers: {low: 999, high: 1000}", True),
        ("train.seed: {low: 4294967294, high: 4294967295}", True),
        ("train.batch_size: {low: 8, high: 32}", True),
        ("intermediate.train.epochs: {low: 1, high: 3}", True),
        ("intermediate.objective.hidden.weight: {low: 1, high: 3}", False),
        ("objective.hidden.embeddings: {low: 0, high: 1}", True),
        ("objective.1.mapping.0.1: {low: 0, high: 3}", True),
        ("objective.relations.heads: {low: 2, high: 4}", True),
        ("objective.logits.temperature.start: {low: 2, high: 4}", False),
        ("objective.alpha: {low: 0, high: 1}", False),
    ],
)
def test_a_range_is_of_whole_numbers_where_its_field_is_declared_so(
    space: str, whole: bool
) -> None:
    (found,) = axes(searching(space, "trials: 4", *ALL_TERMS))
    assert isinstance(found, Between)
    assert found.whole is whole


@pytest.mark.parametrize(
    ("space", "more", "most"),
    [
        (FOUR, "trials: 3", 3),
        (FOUR, "trials: 9", 4),
        (FOUR, "sampler: grid", 4),
        (FOUR, "sampler: grid, trials: 100", 4),
        ("train.warmup: {low: 0, high: 1}", "trials: 9", 9),
        ("student.layers: {low: 1, high: 3}", "trials: 8", 3),
        ("student.layers: {low: 1, high: 3}, train.seed: [1, 2]", "trials: 8", 6),
        ("student.layers: {low: 1, high: 3}, train.warmup: {low: 0, high: 1}", "trials: 8", 8),
    ],
)
def test_how_many_trials_there_are(space: str, more: str, most: int) -> None:
    job = searching(space, more)
    assert job.search is not None
    assert trial_count(job.search, axes(job)) == most


def test_of_very_many_combinations_some_of_everywhere_are_looked_at() -> None:
    few = search_combinations(searching(FOUR), "student")
    assert [one.values for one in few.each] == [{"student.layers": 1}, {"student.layers": 2}]
    assert [job.student.layers for job in few.jobs] == [1, 2]
    assert few.whole
    wide = {field: list(range(1, 101)) for field in ("layers", "width", "heads", "ffn")}
    job = searching(", ".join(f"student.{field}: {values}" for field, values in wide.items()))
    found = search_combinations(job, "student")
    assert found == search_combinations(job, "student")
    assert 0 < len(found.each) <= 500
    assert not found.whole
    for field in wide:
        seen = {one.values[f"student.{field}"] for one in found.each}
        assert min(seen) == 1
        assert max(seen) == 100
        assert len(seen) > 90


@pytest.mark.parametrize(
    ("dimension", "values", "whole"),
    [
        ("student.layers: [3, 1, 2]", [3, 1, 2], True),
        ("student.layers: {low: 2, high: 5}", [2, 3, 4, 5], True),
        ("student.layers: {low: 2, high: 900}", [2, 900], False),
        # of what takes any number, the ends stand for all
        ("train.learning_rate: {low: 1.0e-5, high: 1.0e-3, log: true}", [1e-5, 1e-3], True),
        ("objective.logits.weight: [0.5, 0, 2, 1]", [0, 2], True),
        ("objective.logits.weight: [1, 3, 2]", [1, 3], True),
        (
            "objective.logits.temperature: [1, {start: 4, end: 1}]",
            [1, {"start": 4, "end": 1}],
            True,
        ),
        ("objective.logits.loss: [kl, mse]", ["kl", "mse"], True),
    ],
)
def test_what_of_a_dimension_is_looked_at(dimension: str, values: list[Any], whole: bool) -> None:
    job = searching(dimension, "trials: 4", OBJECTIVE)
    found = search_combinations(job, "student", "objective", "train")
    assert [value for one in found.each for value in one.values.values()] == values
    assert found.whole is whole


def test_of_no_dimension_the_job_is_looked_at() -> None:
    job = searching("train.epochs: [3, 4]")
    assert list(search_combinations(job, "student").jobs) == [job_with_values(job, {})]


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({"student.layers": 1}, lambda job: job.student.layers == 1),
        ({"student.width": None}, lambda job: job.student.width is None),
        ({"objective.logits.temperature": 4}, lambda job: job.objective[0].temperature == 4),
        ({"objective.0.weight": 0.5}, lambda job: job.objective[0].weight == 0.5),
        ({"objective": [{"kind": "gold"}]}, lambda job: job.objective == (Gold(),)),
        ({"train.batch_size": 8}, lambda job: job.train.batch_size == 8),
    ],
)
def test_a_trial_is_the_job_with_its_values(values: dict[str, Any], changed: Any) -> None:
    job = searching(FOUR, "sampler: grid", "train={epochs: 7, seed: 5}")
    found = job_with_values(job, values)
    assert changed(found)
    assert (found.search, found.train.epochs, found.train.seed) == (None, 7, 5)
    assert job_with_values(job, {}) == job.model_copy(update={"search": None})


def test_a_term_with_a_name_is_varied_by_it() -> None:
    terms = "objective=[{kind: hidden}, {kind: hidden, name: angle, loss: cosine}]"
    job = searching(
        "objective.angle.weight: [1, 2], objective.hidden.weight: [1, 3]", "trials: 2", terms
    )
    found = job_with_values(job, {"objective.angle.weight": 2, "objective.hidden.weight": 3})
    assert [(term.label, term.weight) for term in found.objective] == [("hidden", 3), ("angle", 2)]
    (bad,) = refused("objective.logits.name: [soft, softer]")
    assert bad.path == "search.space.objective.logits.name"
    assert "vary another field of it" in bad.message
    (bad,) = refused("objective.angel.weight: [1, 2]")
    assert bad.path == "search.space.objective.angel.weight"


def test_what_a_student_learns_before_is_varied_too() -> None:
    first = "intermediate={objective: [{kind: relations}, {kind: hidden}], train: {epochs: 3}}"
    space = "intermediate.objective.hidden.loss: [mse, cosine], intermediate.train.epochs: [2, 4]"
    job = searching(space, "sampler: grid", first)
    found = job_with_values(
        job, {"intermediate.objective.hidden.loss": "cosine", "intermediate.train.epochs": 2}
    )
    assert found.intermediate is not None
    relations, hidden = found.intermediate.objective
    assert (relations, hidden) == (Relations(), Hidden(loss="cosine"))
    assert (found.intermediate.train.epochs, found.intermediate.train.schedule) == (2, "constant")
    assert found.objective == job.objective


def test_outputs_are_needed_where_any_trial_needs_them() -> None:
    gold = "objective=[{kind: gold}]"
    assert not needs_outputs(searching(FOUR, "sampler: grid", gold))
    both = "objective: [[{kind: gold}], [{kind: logits}]]"
    assert needs_outputs(searching(both, "sampler: grid", gold))
    assert needs_outputs(searching("objective.gold.weight: [0, 1]", "trials: 2", OBJECTIVE))
    assert isinstance(searching(FOUR).objective[0], Logits)


@pytest.mark.parametrize("before", ["", "intermediate."])
def test_outputs_are_needed_where_a_combination_needs_them(before: str) -> None:
    """Of answers, logits by mse are not learnt without gold labels."""
    terms = "[{kind: hidden}, {kind: logits, loss: mse, weight: 0}, {kind: gold, weight: 0}]"
    said = ["task=question-answering", "data=sqac", "objective=[{kind: gold}]"]
    said.append(f"{before}objective={terms}")
    each = ", ".join(f"{before}objective.{kind}.weight: [0, 1]" for kind in ("logits", "gold"))
    assert needs_outputs(searching(each, "sampler: grid", *said))


OBJECTIVE = "objective=[{kind: gold}, {kind: logits, weight: 1.0}]"
