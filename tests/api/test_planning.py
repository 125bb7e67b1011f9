"""Plans of jobs: with data of the hub, at hand for who fetches it; with several candidates."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alambique.api.planning import check_sizes, plan_of
from alambique.registry.database import Database
from alambique.spec.errors import BadSpec, NoData, UnknownName
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.tasks.costs import Plan
from alambique.tasks.datasets import HubSplit
from alambique.tasks.examples import Labelled
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns
from alambique.tasks.plan import plan as planned_of

JOB = Job.model_validate(
    {
        "task": "inference",
        "data": "xnli",
        "teacher": {"model": "sample-encoder", "train": {}},
        "student": {"layers": 2},
    }
)
SCRATCH = {"architecture": "bert", "layers": 2, "width": 32, "heads": 2, "ffn": 64}
COLUMNS = Columns(texts=("premise", "hypothesis"), label="label")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    database.upgrade()
    yield database
    database.dispose()


def choosing(*candidates: Any, **student: Any) -> Job:
    """A job on the sample's questions whose teacher is one of these, at three rates each."""
    return Job.model_validate(
        {
            "task": "question-answering",
            "data": {"name": "sample-questions", "limit": {"train": 4, "dev": 4, "test": 4}},
            "teacher": {"candidates": candidates, "grid": {"learning_rate": [0.1, 0.2, 0.3]}},
            "student": {"layers": 1, **student},
        }
    )


def _disk(plan: Plan, kept: int, runs: dict[int, int]) -> int:
    return plan.disk_bytes(12, kept=kept, runs=runs)


def test_the_costliest_candidate_is_planned_with(settings: Settings, database: Database) -> None:
    deep = SCRATCH | {"layers": 4}
    own = {"model": deep, "grid": {"learning_rate": [0.4], "epochs": [1, 2]}}
    plan = plan_of(choosing(SCRATCH, own, "sample-encoder"), settings, database)
    small, large, sample = plan.candidates
    assert [one.model for one in plan.candidates] == [
        "bert of 2 layers, from scratch",
        "bert of 4 layers, from scratch",
        "sample-encoder",
    ]
    assert [one.runs for one in plan.candidates] == [3, 2, 3]
    assert small.macs.full < large.macs.full
    costliest = max(plan.candidates, key=lambda one: one.macs.full)
    assert (plan.teacher.parameters, plan.teacher.macs) == (costliest.parameters, costliest.macs)
    runs = 3 * small.parameters + 2 * large.parameters + 3 * sample.parameters
    assert _disk(plan, 3, {0: 3, 1: 2, 2: 3}) - _disk(plan, 3, {}) == 3 * 4 * runs


def test_one_run_has_no_candidates(settings: Settings, database: Database) -> None:
    plan = plan_of(JOB, settings, database)
    assert plan.candidates == ()
    assert _disk(plan, 3, {0: 1}) == _disk(plan, 0, {})


@pytest.mark.parametrize("start", ["teacher", "random"])
def test_a_candidate_that_no_student_is_made_of_is_named(settings: Settings, start: str) -> None:
    odd = {"model": SCRATCH | {"layers": 1, "heads": 4}}
    student = {"start": start} | ({"layers": 2} if start == "teacher" else {"width": 30})
    with pytest.raises(BadSpec, match=r"^teacher\.candidates\.1\.model: "):
        check_sizes(choosing(SCRATCH, odd, **student), settings)


def test_each_of_several_teachers_is_planned(settings: Settings, database: Database) -> None:
    first, second = SCRATCH | {"layers": 4}, [SCRATCH, SCRATCH | {"layers": 3}]
    job = choosing(SCRATCH).model_dump(mode="json", exclude={"teacher"})
    limit = {"train": 4, "dev": 4, "test": 4, "unlabelled": 12}
    data = {"name": "sample-questions", "unlabelled": "sample-questions", "limit": limit}
    teachers = [{"model": first, "train": {}}, {"candidates": second, "grid": {"epochs": [1, 2]}}]

    def planned(**said: Any) -> Plan:
        return plan_of(Job.model_validate(job | said), settings, database)

    plan = planned(teacher=teachers)
    assert [(one.name, one.macs) for one in plan.teachers] == [
        ("teacher", plan.candidates[0].macs),
        ("teacher-2", plan.candidates[2].macs),  # the costliest
    ]
    assert [one.runs for one in plan.candidates] == [1, 2, 2]
    assert (plan.teacher.macs, plan.student) == (
        plan.teachers[0].macs,
        planned(teacher=teachers[0]).student,
    )
    alone = planned(teacher=teachers[0]).cache.bytes or 0
    assert plan.cache.bytes == 2 * alone
    more = planned(teacher=teachers[0], data=data).cache.bytes or 0
    assert more > 3 * alone
    assert planned(teacher=teachers[0]).teachers == ()
    one, other = (p.disk_bytes(12, kept=0, runs={}) for p in (planned(teacher=teachers[0]), plan))
    assert other - one == 12 * 4 * plan.teachers[1].parameters + alone


def test_a_second_teacher_may_be_shallower_than_the_student(settings: Settings) -> None:
    job = choosing(SCRATCH).model_dump(mode="json", exclude={"teacher"})
    deep, shallow = ({"model": SCRATCH | {"layers": n}, "train": {}} for n in (2, 1))
    job["student"] = {"layers": 2}
    check_sizes(Job.model_validate(job | {"teacher": [deep, shallow]}), settings)
    with pytest.raises(BadSpec, match=r"^teacher\.0\.model: "):
        check_sizes(Job.model_validate(job | {"teacher": [shallow, deep]}), settings)


def test_only_data_that_was_not_asked_for_has_labels_that_are_supposed(
    settings: Settings, database: Database
) -> None:
    said = JOB.model_dump(mode="json") | {"task": "document-classification"}
    commit = "0" * 40
    job = Job.model_validate(said | {"data": {"name": f"hub:team/reviews@{commit}"}})
    assert "counted as of 2 labels" in str(plan_of(job, settings, database).cache.why)

    def gone(source: HubSplit) -> Path:
        raise NoData(f"{source.repository} is not there")

    with pytest.raises(NoData):
        plan_of(job, settings, database, fetch=gone)
    wrong = {"name": f"hub:team/reviews@{commit}", "columns": {"texto": "a"}}
    with pytest.raises(BadSpec) as caught:
        plan_of(Job.model_validate(said | {"data": wrong}), settings, database)
    assert paths(caught) == ["data.columns.texto"]


def test_data_of_the_hub_is_planned_once_it_is_fetched(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    def fetch(source: HubSplit) -> Path:
        file = tmp_path / f"{source.split}.parquet"
        pair = Labelled("1", (f"Ana vive en {source.split}.", "Ana vive."), "entailment")
        tables.write(file, COLUMNS, [pair])
        return file

    apart = plan_of(JOB, settings, database)
    fetched = plan_of(JOB, settings, database, fetch=fetch)
    assert apart.cache.bytes is None
    assert "facebook/xnli" in str(apart.cache.why)
    assert fetched.cache.why is None
    assert (fetched.cache.bytes or 0) > 0
    assert fetched.student == apart.student


def searching(space: dict[str, Any], **more: Any) -> Job:
    """A job that searches, over the sample's questions."""
    search = {"space": space, "trials": 8, "scheduler": "none", **more}
    content = choosing(SCRATCH, SCRATCH | {"layers": 4}).model_dump(mode="json")
    return Job.model_validate(content | {"search": search, "train": {"epochs": 2}})


def test_a_search_has_its_cost(settings: Settings, database: Database) -> None:
    space = {"student.layers": [1, 2], "student.ffn": [32, 64], "train.epochs": [2, 5]}
    found = plan_of(searching(space), settings, database).search
    alone = plan_of(choosing(SCRATCH, SCRATCH | {"layers": 4}, layers=2), settings, database)
    assert found is not None
    assert (found.trials, found.epochs) == (8, 8 * 5)
    assert found.student == alone.student
    assert found.macs == 8 * 5 * 3 * 4 * alone.student.macs.full  # of 4 examples
    assert plan_of(choosing(SCRATCH), settings, database).search is None


def test_a_teacher_beside_the_student_has_its_cost(settings: Settings, database: Database) -> None:
    job = choosing(SCRATCH | {"layers": 4}, layers=2).model_dump(mode="json")
    layers = [{"kind": "hidden", "mapping": "last"}, {"kind": "relations"}, {"kind": "logits"}]
    first = {"objective": [{"kind": "gold"}], "train": {"epochs": 5}}
    job |= {"objective": layers, "intermediate": first, "train": {"epochs": 3}}
    plan = plan_of(Job.model_validate(job), settings, database)
    assert plan.beside is not None
    assert plan.beside.macs == 4 * 3 * plan.teacher.macs.full  # of 4 examples
    states = 3 + 3  # of two layers and the embeddings; queries, keys and values of the last
    assert plan.beside.bytes == 4 * 384 * 32 * states * 4  # windows of 384, 32 wide
    search = {"space": {"intermediate.train.epochs": [2, 9]}, "sampler": "grid", "trials": 2}
    found = plan_of(Job.model_validate(job | {"search": search}), settings, database).search
    assert found is not None
    each = 3 * (9 + 3) * plan.student.macs.full + 3 * plan.teacher.macs.full
    assert (found.epochs, found.macs) == (2 * (9 + 3), 2 * 4 * each)
    assert plan_of(choosing(SCRATCH), settings, database).beside is None


def test_a_search_whose_student_cannot_be_is_refused(
    settings: Settings, database: Database
) -> None:
    with pytest.raises(BadSpec) as caught:
        plan_of(searching({"student.layers": [1, 3]}), settings, database)
    (bad,) = caught.value.fields
    assert (bad.path, bad.found) == ("search.space.student.layers", "3")
    with pytest.raises(BadSpec, match=r"trials of .* do not measure accuracy") as caught:
        plan_of(searching({"train.epochs": [1, 3]}, goals=["accuracy max"]), settings, database)
    assert paths(caught) == ["search.goals.0"]
    # with other heads it can
    plan_of(
        searching(
            {"student.width": [32, 24], "student.heads": [2, 3], "student.start": ["random"]}
        ),
        settings,
        database,
    )


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("objective.relations.heads", [2, 5]),
        ("objective.relations.layer", [1, 50]),
        ("objective.hidden.mapping", ["last", [[0, 99]]]),
        ("intermediate.objective.relations.heads", [2, 7]),
    ],
)
def test_what_a_search_teaches_is_tried_before_anything_is_spent(
    settings: Settings, database: Database, path: str, values: list[Any]
) -> None:
    with pytest.raises(BadSpec) as caught:
        plan_of(layered({path: values}), settings, database)
    (bad,) = caught.value.fields
    assert (bad.path, bad.found) == (f"search.space.{path}", repr(values[1]))


def paths(caught: pytest.ExceptionInfo[BadSpec]) -> list[str]:
    """Of the fields that are to blame."""
    return [bad.path for bad in caught.value.fields]


def layered(space: dict[str, Any], **more: Any) -> Job:
    """A job that searches, whose students are taught by layers too."""
    terms = [{"kind": "hidden"}, {"kind": "relations", "heads": 2}, {"kind": "logits"}]
    first = {"objective": [{"kind": "relations", "heads": 2}]}
    plain = choosing(SCRATCH | {"layers": 4}).model_dump(mode="json")
    search = {"space": space, "trials": 8, "scheduler": "none", **more}
    return Job.model_validate(plain | {"objective": terms, "intermediate": first, "search": search})


def test_a_value_that_fits_one_student_of_the_search_is_tried(
    settings: Settings, database: Database
) -> None:
    space = {"objective.hidden.mapping": [[[0, 1], [1, 3]], "last"], "student.layers": [1, 2]}
    plan_of(layered(space), settings, database)
    plan_of(layered(space | {"student.layers": {"low": 1, "high": 4}}), settings, database)
    wide = {"student.start": ["random"], "student.width": [32, 64]}
    projected = {"objective.hidden.projection": ["none", "shared"]}
    plan_of(layered(wide | projected), settings, database)
    narrow = layered(wide | {"student.width": [64]} | projected)
    with pytest.raises(BadSpec) as caught:
        plan_of(narrow, settings, database)
    (bad,) = caught.value.fields
    assert (bad.path, bad.found) == ("search.space.objective.hidden.projection", "'none'")


def test_losses_that_are_not_one_loss_are_no_goal(settings: Settings, database: Database) -> None:
    hidden, logits = {"kind": "hidden"}, {"kind": "logits"}
    space = {"objective": [[hidden], [logits]]}
    with pytest.raises(BadSpec, match=r"the objective itself.*\[f1 max\]") as caught:
        plan_of(searching(space), settings, database)
    assert paths(caught) == ["search.goals.0"]
    plan_of(searching(space, goals=["f1 max"]), settings, database)
    plan_of(searching({"objective": [[logits], [hidden, logits]]}), settings, database)
    alone = searching({"student.keep": ["first", "last"]}).model_dump(mode="json")
    alone |= {"objective": [hidden]}  # of which every student has the same
    plan_of(Job.model_validate(alone), settings, database)
    alone["search"]["space"] = {"student.layers": [1, 2]}
    with pytest.raises(BadSpec) as caught:
        plan_of(Job.model_validate(alone), settings, database)
    assert paths(caught) == ["search.goals.0"]
    met = hidden | {"mapping": [[0, 1]]}  # as many layers of every student
    plan_of(Job.model_validate(alone | {"objective": [met]}), settings, database)
    alone["search"]["space"] = {"objective": [[hidden, logits], [logits]]}
    plan_of(Job.model_validate(alone), settings, database)


def test_what_is_not_looked_at_refuses_nothing(settings: Settings, database: Database) -> None:
    """Seven heads fit one width of ten, and of a thousand combinations not all are looked at."""
    space = {
        "student.start": ["random"],
        "student.width": list(range(10, 101, 10)),
        "student.heads": list(range(1, 11)),
        "student.ffn": list(range(32, 321, 32)),
    }
    found = plan_of(searching(space), settings, database).search
    assert found is not None
    wide = choosing(SCRATCH, start="random", width=100, heads=10, ffn=320)
    assert found.student == plan_of(wide, settings, database).student
    narrow = searching(space | {"student.width": [10, 20], "student.ffn": [32, 64]})
    with pytest.raises(BadSpec) as caught:
        plan_of(narrow, settings, database)
    (bad,) = caught.value.fields
    assert (bad.path, bad.found) == ("search.space.student.heads", "3")


WEIGHT = {"low": 0.1, "high": 1.0}


LAYERS = "search.space.student.layers"


@pytest.mark.parametrize(
    ("space", "path", "found"),
    [
        # what else is varied, a number that is no whole one or many of these, hides no bad value
        ({"student.layers": [40, 41], "objective.logits.weight": WEIGHT}, "search.space", None),
        ({"student.layers": [2, 40], "objective.logits.weight": WEIGHT}, LAYERS, "40"),
        ({"student.layers": [2, 40], "intermediate.train.learning_rate": WEIGHT}, LAYERS, "40"),
        ({"student.layers": {"low": 20, "high": 40}}, "search.space", None),
        (
            {
                "student.layers": [2, 40],
                "objective.hidden.mapping": ["uniform", "first", "last"],
                "objective.logits.weight": [number / 100 for number in range(1, 300)],
            },
            LAYERS,
            "40",
        ),
        ({"train.max_length": [64, 128], "train.stride": [200, 300]}, "search.space", None),
        (
            {"train.max_length": [64, 128], "train.stride": [32, 300]},
            "search.space.train.stride",
            "300",
        ),
        (
            {"train.batch_size": [8, 16], "train.batch_tokens": [512, 1024]},
            "search.space",
            None,
        ),
    ],
)
def test_a_value_that_makes_no_student_is_refused_whatever_else_is_varied(
    settings: Settings,
    database: Database,
    space: dict[str, Any],
    path: str,
    found: str | None,
) -> None:
    with pytest.raises(BadSpec) as caught:
        plan_of(layered(space), settings, database)
    assert (path, found) in [(bad.path, bad.found) for bad in caught.value.fields]


def test_what_is_said_of_a_space_that_makes_no_student(
    settings: Settings, database: Database
) -> None:
    space = {"student.layers": {"low": 20, "high": 40}}
    with pytest.raises(BadSpec, match=r"no combination .* student.layers: 20: "):
        plan_of(layered(space), settings, database)


@pytest.mark.parametrize(
    "space",
    [
        {"student.width": {"low": 32, "high": 90}, "student.heads": [4]},
        {"student.width": {"low": 33, "high": 901}, "student.heads": [4]},
        {"student.layers": {"low": 2, "high": 40}, "student.start": ["teacher"]},
    ],
)
def test_a_number_of_a_range_is_left_to_the_trials(
    settings: Settings, database: Database, space: dict[str, Any]
) -> None:
    """That heads share some widths only, who gives a range of them does not mind."""
    assert plan_of(layered({"student.start": ["random"]} | space), settings, database).search


@pytest.mark.parametrize(
    ("term", "path", "sentence"),
    [
        ({"kind": "relations", "heads": 5}, "objective.1.heads", "heads: one of 1, 2, 4"),
        ({"kind": "relations", "layer": 9}, "objective.1.layer", "0 to 3: give one of those"),
        ({"kind": "hidden", "mapping": [[0, 9]]}, "objective.1.mapping", "give pairs of those"),
        ({"kind": "attention", "mapping": "3k"}, "objective.1.mapping", "give the map 'uniform'"),
    ],
)
def test_a_term_that_cannot_compare_is_told_by_its_field(
    settings: Settings, database: Database, term: dict[str, Any], path: str, sentence: str
) -> None:
    job = choosing(SCRATCH | {"layers": 4}, layers=2).model_dump(mode="json")
    for head, fields in (("", {}), ("intermediate.", {"objective": [{"kind": "gold"}]})):
        terms = {"objective": [{"kind": "logits"}, term]}
        said_so = {"intermediate": terms, **fields} if head else terms
        with pytest.raises(BadSpec, match=sentence) as caught:
            plan_of(Job.model_validate(job | said_so), settings, database)
        assert [bad.path for bad in caught.value.fields] == [head + path]


def test_a_config_is_read_once() -> None:
    """Of the hub, each time would be a request."""
    config = {"model_type": "bert", "num_hidden_layers": 4, "hidden_size": 32, "vocab_size": 200}
    config |= {"num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 512}
    read: list[object] = []

    def config_of(source: object) -> dict[str, Any]:
        read.append(source)
        return config

    job = layered({"student.layers": [1, 2, 3], "objective.hidden.mapping": ["last", "first"]})
    said = job.model_dump(mode="json") | {"teacher": {"model": "a/b"}}
    said["student"] |= {"start": "c/d"}
    planned_of(Job.model_validate(said), UnknownName("not at hand"), config_of=config_of)
    assert len(read) == 2


def test_the_disk_holds_the_students_of_all_trials(settings: Settings, database: Database) -> None:
    space = {"student.layers": [1, 2], "train.epochs": [2, 5]}
    search, none = searching(space, trials=4), searching(space, trials=1)
    with_search, one = (plan_of(job, settings, database) for job in (search, none))
    assert with_search.search is not None
    each = with_search.search.student.parameters
    assert _disk(with_search, 2, {}) - _disk(one, 2, {}) == 3 * 2 * each * 4
