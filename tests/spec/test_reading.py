"""From a job file to a job: what is said of a wrong one, and what overrides change."""

import pickle
from collections.abc import Callable

import pytest

from alambique.spec.errors import BadSpec
from alambique.spec.field_errors import NAMED
from alambique.spec.job import Job
from alambique.spec.objective import Gold, Logits
from alambique.spec.reading import job_of, read_job

TEXT = """
task: named-entities
data: conll2002
teacher: {model: mini-es}
student: {layers: 2}
"""


ARCHITECTURE = "{architecture: bert, layers: 2, width: 32, heads: 2, ffn: 64}"


def refused(text: str, *overrides: str) -> list[str]:
    """Each line of what is said of a wrong job."""
    with pytest.raises(BadSpec) as caught:
        read_job(text, overrides)
    return str(caught.value).splitlines()


def test_what_is_not_said_has_its_default() -> None:
    job = read_job(TEXT)
    assert (job.project, job.priority, job.objective) == ("default", 50, (Logits(),))
    assert job.data.name == "conll2002"


def test_a_job_reads_back_from_what_it_is_stored_as() -> None:
    job = read_job(
        TEXT,
        (
            "objective=[{kind: logits, loss: mse, temperature: 2}, {kind: gold, weight: 0.5}]",
            "teacher.model={architecture: bert, layers: 2, width: 32, heads: 2, ffn: 64}",
            "teacher.train={}",
            "student.keep=[0, 1]",
            "deadline=30d",
        ),
    )
    assert job_of(job.model_dump(mode="json")) == job
    assert [type(term) for term in job.objective] == [Logits, Gold]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, 2]", "found a list"),
        ("", "empty"),
        ("just words", "found only 'just words'"),
        ("a: [1", "line 1"),
        ("\ttask: x", "line 1"),
        ("[" * 5000, "too deep"),
    ],
)
def test_a_text_that_is_no_job_file(text: str, sentence: str) -> None:
    message = "\n".join(refused(text))
    assert "job file" in message
    assert sentence in message


def test_a_key_that_is_there_twice() -> None:
    assert refused(TEXT + "task: question-answering\n") == [
        "not a job file: line 6: task is given a second time: keep one"
    ]
    nested = TEXT + "train:\n  epochs: 1\n  seed: 2\n  epochs: 3\n"
    assert "line 9: epochs" in refused(nested)[0]


def test_an_alias_is_another_key() -> None:
    job = read_job(TEXT + "train: &same {epochs: 5}\n", ("name=x",))
    shared = TEXT.replace("{model: mini-es}", "{model: mini-es, train: &t {epochs: 5}}")
    assert read_job(shared + "train: *t\n", ("name=x",)).train == job.train


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("layer=3", "layer"),
        ("train.learning_rates=0.1", "train.learning_rates"),
        ("train.learning_rate=high", "train.learning_rate"),
        ("train.learning_rate=-1", "train.learning_rate"),
        ("student.layers=0", "student.layers"),
        ("student.layers=2.5", "student.layers"),
        ("student.keep=middle", "student.keep"),
        ("student.keep=[0]", "student"),
        ("teacher.model=registry:tiny", "teacher.model"),
        ("teacher.model={architecture: lstm}", "teacher.model"),
        (f"teacher.model={ARCHITECTURE}", "teacher"),
        (f"student.start={ARCHITECTURE}", "student.start"),
        ("teacher={model: mini-es, max_length: 64}", "teacher"),
        ("objective=[{kind: hopes}]", "objective.0"),
        ("objective=[{kind: logits, temperature: 0}]", "objective.0.temperature"),
        ("objective=[{kind: gold}, {kind: gold}]", "objective"),
        ("objective=[{kind: logits, weight: 0}]", "objective"),
        ("objective={}", "objective"),
        ("train={batch_size: 8, batch_tokens: 512}", "train"),
        ("train={max_length: 64, stride: 64}", "train"),
        ("deadline=soon", "deadline"),
        ("task=to translate", "task"),
        ("name=../../etc", "name"),
        ("name=mine-teacher", "name"),
        ("name=mine-gold-only", "name"),
        ("student={layers: 2, start: random, keep: last}", "student"),
        ("compare=[gold-only, gold-only]", "compare"),
    ],
)
def test_each_bad_field_is_named(override: str, path: str) -> None:
    assert refused(TEXT, override)[0].split(":")[0] == path


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "teacher=3",
            "teacher: expected a mapping of fields, such as {model: team/model} (found 3)",
        ),
        (
            "deadline=soon",
            "deadline: expected a number and a unit: 90s, 15m, 6h, 2d (found 'soon')",
        ),
        ("deadline=90", "deadline: expected a number and a unit: 90s, 15m, 6h, 2d (found 90)"),
        ("deadline=0.001s", "deadline: expected at least 1s and at most 3650d (found '0.001s')"),
        ("deadline=999999999d", "at most 3650d"),
        ("name=ñ", "name: expected letters, digits, '.', '_' and '-'"),
        ("data.limit=3", "data.limit: expected a mapping, such as {train: 2000} (found 3)"),
        (
            "objective=[{kind: hopes}]",
            "objective.0: expected a mapping whose kind is 'gold', 'logits'",
        ),
        ("train.epochs=true", "train.epochs: expected a whole number (found True)"),
        ("train.epochs='3'", "train.epochs: expected a whole number (found '3')"),
        ("train.epochs=20000", "train.epochs: expected at most 10000 (found 20000)"),
        (f"student.layers=1{'0' * 30}", "student.layers: expected at most 1000"),
        ("train.seed=-1", "train.seed: expected at least 0 (found -1)"),
        ("train.learning_rate=true", "train.learning_rate: expected a number (found True)"),
        ("train.clip=.inf", "train.clip: expected a number that is finite (found inf)"),
        (
            f"teacher={{model: {ARCHITECTURE[:-1]}, vocabulary: 99}}}}",
            "vocabulary: expected at least 100",
        ),
        (f"teacher.model={ARCHITECTURE}", "say how to train it"),
        (f"student.start={ARCHITECTURE}", "say start: random"),
        ("teacher={model: mini-es, max_length: 64}", "stride 128 is not below max_length 64"),
        ("student.layers=0", "student.layers: expected more than 0 (found 0)"),
        ("train.dropout=1", "train.dropout: expected less than 1 (found 1)"),
        ("student.keep=[0]", "student: keep lists 1 layers, the student has 2: give one for each"),
        ("objective=[{kind: logits, loss: l1}]", "objective.0.loss: expected 'kl', 'ce' or 'mse'"),
        ("teacher={candidates: []}", "teacher.candidates: the list is empty: give something"),
        ("teacher={candidates: a}", "teacher.candidates: expected a list, such as [a, b]"),
        ("teacher.model=a b", "teacher.model: 'a b' names no model: expected a hub id"),
        ("train={no: 3}", "train: a name in it is no text, as YAML reads it: put it in quotes"),
        ("data.limit={1: 3}", "data.limit: a name in it is no text, as YAML reads it"),
    ],
)
def test_a_refusal_says_what_would_be_right(override: str, sentence: str) -> None:
    assert sentence in "\n".join(refused(TEXT, override))


def test_answers_by_mse_alone_are_refused_where_the_objective_says_so() -> None:
    asked = TEXT.replace("named-entities", "question-answering")
    (said,) = refused(asked, "objective=[{kind: logits, loss: mse}]")
    assert said.startswith("objective: logits by mse compare only the ends of words")
    read_job(TEXT, ("objective=[{kind: logits, loss: mse}]",))


def test_of_a_missing_field_nothing_was_found() -> None:
    assert refused("task: named-entities\ndata: conll2002\nstudent: {layers: 2}") == [
        "teacher: the field is missing: give it"
    ]


def test_all_bad_fields_are_named_at_once() -> None:
    lines = refused(TEXT, "layer=3", "train.epochs=0", "student.layers=x")
    assert sorted(line.split(":")[0] for line in lines) == [
        "layer",
        "student.layers",
        "train.epochs",
    ]


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("tsk=x", "task"),
        ("train.learning_rates=0.1", "learning_rate"),
        ("data.limits={}", "limit"),
        ("teacher={modle: mini-es}", "model"),
        ("teacher=[{model: a}, {model: b, wieght: 2}]", "weight"),
        ("teacher={candidates: [{model: a, gird: {}}]}", "grid"),
        (f"teacher.model={ARCHITECTURE[:-1]}, vocabulari: 200}}", "vocabulary"),
        ("objective=[{kind: logits, temprature: 2}]", "temperature"),
        ("objective=[{kind: hidden, projections: none}]", "projection"),
        ("objective=[{kind: gold, weight: {start: 1, ends: 0}}]", "end"),
        ("intermediate={objective: [{kind: hidden}], trian: {}}", "train"),
        ("search={trials: 1, space: {train.clip: {low: 1, hihg: 2}}}", "high"),
        ("search={trials: 1, space: {train.clips: [1]}}", "clip"),
    ],
)
def test_an_unknown_field_names_the_nearest_of_its_own_record(override: str, near: str) -> None:
    assert f"did you mean {near}?" in "\n".join(refused(TEXT, override))


def test_of_another_branch_or_a_far_name_nothing_is_meant() -> None:
    for override in ("objective=[{kind: gold, temperature: 2}]", "wishing=1", f"{'task' * 99}=1"):
        (line,) = refused(TEXT, override)
        assert "no such field" in line
        assert "did you mean" not in line


def test_of_very_many_bad_fields_the_first_ones_are_named() -> None:
    with pytest.raises(BadSpec) as caught:
        job_of({f"k{number}": 1 for number in range(4000)})
    assert len(caught.value.fields) == NAMED
    # task, data, teacher and student are missing too
    assert str(caught.value).splitlines()[-1].startswith(f"and {4004 - NAMED:,} more")


@pytest.mark.parametrize(
    "override",
    [
        f"{'k' * 100_000}=1",
        f"name={'k' * 100_000}",
        f"teacher.model={'k' * 100_000}",
        f"data={'k' * 100_000}",
        f"objective=[{{kind: {'k' * 100_000}}}]",
        f"train.epochs={'[' * 60}1{']' * 60}",
        f"task=[{'1, ' * 9000}]",
    ],
)
def test_what_is_told_of_a_long_value_is_short(override: str) -> None:
    assert all(len(line) < 1500 for line in refused(TEXT, override))


def test_a_path_of_very_many_parts_is_refused() -> None:
    deep = ".".join("a" * 400)
    assert "has more than 32 parts" in refused(TEXT, f"{deep}=1")[0]
    (space,) = refused(TEXT, f"search={{trials: 1, space: {{student.{deep}: [1]}}}}")
    assert space.startswith("search.space.student.a.a")


def test_a_time_and_a_date_are_texts() -> None:
    assert refused(TEXT, "deadline=1:30") == [
        "deadline: expected a number and a unit: 90s, 15m, 6h, 2d (found '1:30')"
    ]
    assert refused(TEXT, "priority=1:30")[0].startswith("priority: expected a whole number")
    assert refused(TEXT, "train.epochs=010")[0].startswith("train.epochs: expected a whole")
    assert read_job(TEXT, ("name=2026-11-28",)).name == "2026-11-28"


@pytest.mark.parametrize("override", ["train", "=3", "train.epochs=[1", "objective.3.weight=1"])
def test_an_override_that_cannot_be_set(override: str) -> None:
    text = TEXT + "objective: [{kind: gold}]\n"
    assert refused(text, override)[0].startswith("--set")


def test_an_item_of_a_list_that_the_file_has_not() -> None:
    said = refused(TEXT, "objective.0.weight=0.5")[0]
    assert "no list objective in the file" in said
    assert "give the whole list, objective: […]" in said


def test_a_field_of_what_has_no_fields() -> None:
    assert "teacher.model is 'mini-es'" in refused(TEXT, "teacher.model.layers=2")[0]


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("train.epochs=7", lambda job: job.train.epochs == 7),
        ("train.learning_rate=5e-4", lambda job: job.train.learning_rate == 5e-4),
        ("data.limit.train=20", lambda job: job.data.limit == {"train": 20}),
        ("objective.0.temperature=2", lambda job: job.objective == (Logits(temperature=2.0),)),
        ("compare=[gold-only]", lambda job: job.compare == ("gold-only",)),
    ],
)
def test_an_override_reaches_its_field(override: str, read: Callable[[Job], bool]) -> None:
    job = read_job(TEXT + "objective: [{kind: logits}]\n", (override,))
    assert read(job)
    assert job.data.name == "conll2002"


def test_the_fields_to_blame_outlive_pickle() -> None:
    """By which errors travel between processes; a cause does not."""
    with pytest.raises(BadSpec) as caught:
        job_of({"task": "named-entities", "priority": -1})
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.fields == caught.value.fields != ()
    assert (str(copy), copy.more_fields) == (str(caught.value), 0)
