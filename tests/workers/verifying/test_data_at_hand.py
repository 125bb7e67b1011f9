"""Examples that a model was measured on: where this machine has them, else what brings them."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from pyarrow import Table, parquet
from tests.workers.verifying.folders import forge_list

from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.tasks.catalogue import dataset
from alambique.tasks.datasets import Hub
from alambique.tasks.examples import content_hash
from alambique.workers.publishing.data_at_hand import DataFolders, NotAtHand, examples_of
from alambique.workers.publishing.findings import Verdict
from alambique.workers.publishing.verification import verify

PAIRS = [
    {"premise": f"Ana vive en la casa {number}.", "hypothesis": "Ana vive.", "label": number % 3}
    for number in range(12)
]


def job(name: str = "xnli", **data: Any) -> Job:
    return job_of(
        {
            "task": "inference",
            "data": {"name": name} | data,
            "teacher": {"model": "sample-encoder"},
            "student": {"layers": 1},
        }
    )


@pytest.fixture
def source() -> Hub:
    """Where the catalogue finds xnli."""
    source = dataset("xnli").source
    assert isinstance(source, Hub)
    return source


@pytest.fixture
def cache(tmp_path: Path, source: Hub) -> Path:
    """What huggingface_hub leaves of a test split that was fetched at the catalogue's commit."""
    repository = f"datasets--{source.repository.replace('/', '--')}"
    path = tmp_path / "hf" / repository / "snapshots" / source.revision / source.paths["test"]
    path.parent.mkdir(parents=True)
    parquet.write_table(Table.from_pylist(PAIRS), path)
    return tmp_path / "hf"


@pytest.fixture
def expected(tmp_path: Path, source: Hub) -> str:
    """The hash of these examples, by the file that a job has of them."""
    parquet.write_table(Table.from_pylist(PAIRS), tmp_path / "test.parquet")
    read: Any = source.read(tmp_path / "test.parquet")
    return content_hash(getattr(read, "examples", read))


def test_a_split_in_the_cache_of_the_hub_is_at_hand(
    tmp_path: Path, cache: Path, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    folders = DataFolders(None, tmp_path / "home", cache)
    found = examples_of(job(), "test", expected, folders)
    assert not isinstance(found, NotAtHand), found
    assert content_hash(found) == expected
    assert len(found) == len(PAIRS)
    first: Any = examples_of(job(limit={"test": 5}), "test", content_hash(found[:5]), folders)
    assert content_hash(first) == content_hash(found[:5])


def test_without_it_the_command_is_said_that_brings_it(
    tmp_path: Path, cache: Path, expected: str, source: Hub
) -> None:
    for folders in (
        DataFolders(None, tmp_path / "home"),
        DataFolders(None, tmp_path / "home", tmp_path / "none"),
    ):
        found = examples_of(job(), "test", expected, folders)
        assert isinstance(found, NotAtHand)
        command = found.reason.partition("`")[2].partition("`")[0]
        assert shlex.split(command) == [
            *("hf", "download", "--repo-type", "dataset", source.repository),
            *(source.paths["test"], "--revision", source.revision),
        ]


def test_other_examples_are_not_taken_for_them(tmp_path: Path, cache: Path) -> None:
    found = examples_of(job(), "test", "0" * 64, DataFolders(None, tmp_path / "home", cache))
    assert isinstance(found, NotAtHand)
    assert "other examples" in found.reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("./mine", "was a file of its publisher's"),
        (f"hub:team/reviews@{'a' * 40}", "run the job that reads it"),
    ],
)
def test_data_of_a_publishers_own_says_why_it_is_not_at_hand(
    tmp_path: Path, name: str, reason: str
) -> None:
    found = examples_of(job(name), "test", "0" * 64, DataFolders(None, tmp_path / "home", tmp_path))
    assert isinstance(found, NotAtHand)
    assert reason in found.reason


def test_a_task_that_is_not_installed_here_is_said(
    folder: Path, keys: Path, nowhere: DataFolders
) -> None:
    """One of a publisher's own, whose module is no part of what is published."""

    def edit(predicate: dict[str, Any]) -> None:
        predicate["alambique_model"]["task"] = "stars"

    forge_list(folder, edit, keys / "ours.pem")
    about = json.loads((folder / "alambique.json").read_text())
    assert about["task"] != "stars"
    report = verify(folder, nowhere, key=keys / "ours.pub")
    (unknown,) = report.of(Verdict.NO_DATA)
    assert "stars" in str(unknown.note)
    assert [each.subject for each in report.of(Verdict.FALSE)] == ["task of the model"]
