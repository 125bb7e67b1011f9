"""Bad input is told before anything is spent: data, names, sizes."""

import importlib.machinery
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from alambique.registry import jobs
from alambique.spec.errors import (
    AlambiqueError,
    BadData,
    BadSpec,
    NoData,
    NotEnoughDisk,
    UnknownName,
)
from alambique.tasks.data import Splits
from alambique.tasks.examples import Answer, Question, read
from alambique.tasks.formats import conll, squad
from alambique.workers.pipeline.context import JobContext
from alambique.workers.stages import check
from alambique.workers.stages.check import check_job

MakeContext = Callable[..., JobContext]
Refused = Callable[..., None]


@pytest.mark.parametrize(
    ("setting", "url"), [("redis_url", "foo://x"), ("artifacts", "nosuch://somewhere")]
)
def test_a_store_of_no_known_kind(
    job_context: MakeContext, refused: Refused, setting: str, url: str
) -> None:
    refused(job_context(**{setting: url}), BadSpec, f"ALAMBIQUE_{setting.upper()}")


@pytest.mark.parametrize(("form", "installs"), [("openvino", False), ("openvino-int8", True)])
def test_a_format_whose_engine_is_not_installed(
    job_context: MakeContext,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    installs: bool,
) -> None:
    found = importlib.machinery.ModuleSpec("openvino", None) if installs else None
    monkeypatch.setattr(check, "find_spec", lambda name: found if name == "openvino" else None)
    lacking = "nncf" if installs else "openvino"
    refused(job_context(f"compress=[{form}]"), BadSpec, f"{form} is made with {lacking}, which")


@pytest.mark.parametrize(
    ("overrides", "kind", "said"),
    [
        (["data.name=conll2003"], UnknownName, ["'conll2003'", "choose one of", "conll2002"]),
        (["data.name=conll2002"], NoData, ["conll2002", "ALAMBIQUE_DATA", "train.conll"]),
        (["data.name=sample-questions"], BadSpec, ["for question-answering", "named-entities"]),
        (["data.test=mlqa"], BadSpec, ["mlqa is for question-answering"]),
        (["data.name=FOLDER/at/all"], NoData, ["FOLDER/at/all/train", "*.conll"]),
        (["teacher.model=mini"], UnknownName, ["'mini'", "ALAMBIQUE_MODELS", "hub id"]),
        (["teacher.model=FOLDER/none"], UnknownName, ["FOLDER/none", "config.json"]),
        (["teacher.model=registry:tiny@7"], UnknownName, ["tiny"]),
        (["student.start=mini"], UnknownName, ["'mini'", "ALAMBIQUE_MODELS"]),
        (["student.layers=3"], BadSpec, ["3 layers", "a model of 2", "at most 2"]),
        (
            ["teacher.model.architecture=bert", "train.max_length=600"],
            BadSpec,
            ["train.max_length is 600", "positions for 512", "lower it"],
        ),
    ],
)
def test_what_is_not_there_or_does_not_fit(
    job_context: MakeContext,
    tmp_path: Path,
    overrides: Sequence[str],
    kind: type[AlambiqueError],
    said: Sequence[str],
    refused: Refused,
) -> None:
    asked, told = ([one.replace("FOLDER", f"{tmp_path}") for one in x] for x in (overrides, said))
    refused(job_context(*asked), kind, *told)


def test_a_folder_of_data_without_the_file(
    job_context: MakeContext, tmp_path: Path, refused: Refused
) -> None:
    job = job_context("data.name=conll2002", data=tmp_path)
    refused(job, NoData, str(tmp_path / "conll2002" / "train.conll"), "ALAMBIQUE_DATA")


def test_squared_distances_for_answers_need_gold(job_context: MakeContext) -> None:
    with pytest.raises(BadSpec, match=r"add \{kind: gold, weight: …\} above 0"):
        job_context("task=question-answering", "objective=[{kind: logits, loss: mse}]")


@pytest.fixture
def entities(tmp_path: Path, few: Callable[[str], Splits]) -> Path:
    """A folder of data with the sample's first sentences."""
    folder, splits = tmp_path / "entities", few("named-entities")
    folder.mkdir()
    for split in ("train", "dev", "test"):
        conll.write(folder / f"{split}.conll", getattr(splits, split))
    return folder


def test_broken_conll_is_named_by_line(
    job_context: MakeContext, entities: Path, refused: Refused
) -> None:
    with (entities / "dev.conll").open("a") as out:
        out.write("Jaén\n")
    line = len((entities / "dev.conll").read_text().splitlines())
    job = job_context(f"data.name={entities}")
    refused(job, BadData, f"dev.conll:{line}: 1 columns in 'Jaén'", "expected a word and its tag")


def test_a_split_without_examples_is_refused(
    job_context: MakeContext, entities: Path, refused: Refused
) -> None:
    (entities / "test.conll").write_text("\n\n")
    refused(
        job_context(f"data.name={entities}"), BadData, "the test split of", "no examples", "give it"
    )


def test_a_split_of_another_size_than_the_catalogue_tells(
    job_context: MakeContext, entities: Path, refused: Refused
) -> None:
    entities.rename(entities.with_name("conll2002"))
    said = "of conll2002 (conll2002/train.conll) has 40 examples, expected 8323: the file is cut"
    refused(
        job_context("data.name=conll2002", data=entities.parent), BadData, said, "give its folder"
    )


def test_splits_that_share_examples_are_told_in_the_log_and_to_readers_of_the_table(
    job_context: MakeContext, entities: Path
) -> None:
    shutil.copy(entities / "train.conll", entities / "test.conll")
    job = job_context(f"data.name={entities}")
    told = check_job(job).data.warnings
    with job.database.read() as session:
        (logged,) = jobs.logs(session, job.id)
    assert logged.content["lines"] == [f"warning: {warning}" for warning in told]
    assert logged.content["lines"] == [
        "warning: 12 of 12 test examples share their text with train, such as test.conll:1: scores "
        "on test may be too good"
    ]


def test_damaged_examples_are_written_again(job_context: MakeContext) -> None:
    path = check_job(job_context()).data.files["train"]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"Lugo", b"Vigo"))
    with pytest.raises(BadData, match="its checksum is that of another content"):
        read(path)
    assert check_job(job_context()).data.files["train"] == path
    assert path.read_bytes() == whole


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A folder of data with one question in each split."""
    folder = tmp_path / "questions"
    folder.mkdir()
    for split in ("train", "dev", "test"):
        context = f"Ana nació en Jaén, dice {split}."
        squad.write(
            folder / f"{split}.json", [Question(split, "¿Dónde?", context, (Answer("Jaén", 13),))]
        )
    return folder


@pytest.mark.parametrize(
    ("broken", "by", "said"),
    [
        ('"data":', '"data"', ["dev.json:1:", "broken JSON", "repair the file"]),
        ('"answer_start": 13', '"answer_start": 12', ["at answer_start 12", "it is at 13"]),
        ('"context"', '"contexto"', ["has no 'context'", "paragraph 1"]),
    ],
)
def test_broken_squad_is_named_by_file(
    job_context: MakeContext,
    questions: Path,
    broken: str,
    by: str,
    said: Sequence[str],
    refused: Refused,
) -> None:
    path = questions / "dev.json"
    path.write_text(path.read_text().replace(broken, by))
    job = job_context("task=question-answering", f"data.name={questions}")
    refused(job, BadData, str(path), *said)


def test_a_job_that_the_disk_has_no_room_for_is_refused(
    job_context: MakeContext, refused: Refused
) -> None:
    """Some petabytes, which the plan counts and nobody makes."""
    sizes = {"layers": 1000, "width": 1_000_000, "heads": 1000, "ffn": 1_000_000}
    job = job_context(*(f"teacher.model.{field}={size}" for field, size in sizes.items()))
    refused(job, NotEnoughDisk, "make room", "ALAMBIQUE_HOME")


def test_a_name_that_is_another_task_s(
    job_context: MakeContext, register_version: Callable[[JobContext, str], None]
) -> None:
    register_version(job_context("name=mine"), "mine-teacher")
    with pytest.raises(BadSpec, match=r"'mine-teacher' .* is for question-answering, this job"):
        check_job(job_context("name=mine"))


def test_more_workers_than_this_machine_has_room_for(
    job_context: MakeContext, refused: Refused
) -> None:
    job = job_context("resources.workers=2", "resources.cpus=1000")
    refused(job, BadSpec, "needs 2000 CPUs", "lower workers", "ALAMBIQUE_RAY_ADDRESS")
