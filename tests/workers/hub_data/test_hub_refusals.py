"""Data of the hub that cannot be had, read or used: what is said, and what is never read."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alambique.spec.errors import BadData, BadSpec, NoData, NotEnoughDisk, Unreachable
from alambique.tasks.datasets import HubSplit
from alambique.workers.hub_data import HubFetcher

if TYPE_CHECKING:
    from tests.local_hub import Hub

from tests.workers.hub_data.reviews import REPOSITORY, loaded, put


def test_labels_of_the_job_are_those_of_the_data(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path
) -> None:
    said = {
        "hub": f"{REPOSITORY}@{repository[1]}",
        "subset": "es",
        "columns": {"text": "opinion", "label": "tono"},
        "splits": {"test": "validation"},
        "labels": ["bad", "fair", "good"],
    }
    with pytest.raises(BadData, match=r"names its labels itself, \['mala', .*give those"):
        loaded(said, "document-classification", hub, tmp_path / "home")


BROKEN = {
    "README.md": b"---\nconfigs: [\n---\n",
    "train.csv.gz": b"\x1f\x8b\x08\x00" + b"x" * 20,
    "train.tar": b"x" * 600,
    "train.parquet": b"PAR1" + b"x" * 20 + b"PAR1",
}


@pytest.mark.parametrize("first", [None, 2])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_a_fault_of_the_data(
    name: str, first: int | None, hub: "Hub", tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / name).write_bytes(BROKEN[name])
    if name == "README.md":
        put(folder / "train.parquet", [{"text": "a"}])
    commit = hub.add("datasets/team/broken", folder)
    fetch = HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch
    with pytest.raises(BadData, match="cannot be read"):
        fetch(HubSplit("team/broken", commit, "train", first=first))


def test_a_full_disk_is_no_fault_of_the_data(
    hub: "Hub",
    tmp_path: Path,
    largest_file: Callable[[int], AbstractContextManager[None]],
) -> None:
    folder = tmp_path / "large"
    put(folder / "train.parquet", [{"text": f"{n} {os.urandom(50).hex()}"} for n in range(3000)])
    commit = hub.add("datasets/team/large", folder)
    fetch = HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch
    with largest_file(50_000), pytest.raises(NotEnoughDisk, match="has no room"):
        fetch(HubSplit("team/large", commit, "train", first=2000))


@pytest.mark.parametrize(
    ("split", "kind", "message"),
    [
        (
            {"split": "test", "subset": "es"},
            BadData,
            r"no split 'test', only 'train', 'validation'",
        ),
        ({"split": "train", "subset": "fr"}, BadData, r"Available: \['es', 'gl'\].*data\.subset"),
        ({"split": "train"}, BadData, r"\['es', 'gl'\].*name a subset"),
        ({"split": "train", "repository": "team/none"}, NoData, "team/none"),
    ],
)
def test_what_the_hub_does_not_have_is_named(
    repository: tuple[Path, str],
    hub: "Hub",
    tmp_path: Path,
    split: dict[str, Any],
    kind: type[Exception],
    message: str,
) -> None:
    asked = HubSplit(**{"repository": REPOSITORY, "revision": repository[1], **split})
    with pytest.raises(kind, match=message):
        HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch(asked)


def test_no_program_of_a_repository_is_run(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path
) -> None:
    folder, commit = repository
    (folder / "reviews.py").write_text("raise SystemExit('run')")
    split = HubSplit(REPOSITORY, commit, "train", subset="es")
    with pytest.raises(BadData, match="scripts are no longer supported"):
        HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch(split)


ELSEWHERE = (
    *(("PATH", "README.md"), ("file://PATH", "README.md"), ("file:PATH", "README.md")),
    *(("../a.csv", "README.md"), ("URL/a.csv", "README.md"), ("PATH", ".huggingface.yaml")),
    ("hf://datasets/team/other@main/a.csv", "README.md"),
)


@pytest.mark.parametrize(("named", "told_in"), ELSEWHERE)
def test_what_a_repository_says_is_its_data_and_is_not_in_it(
    named: str, told_in: str, hub: "Hub", tmp_path: Path, serving: Callable[..., str]
) -> None:
    """Its README may name files of this machine, or what only our token may read."""
    mine, other = tmp_path / "mine.csv", tmp_path / "other"
    other.mkdir()
    for file in (mine, other / "a.csv"):
        file.write_text("text,label\nsecreto,uno\n")
    hub.add("datasets/team/other", other)
    folder = tmp_path / "evil"
    folder.mkdir()
    asked = list[str]()

    def answer(path: str) -> tuple[int, bytes, dict[str, str]]:
        asked.append(path)
        return 404, b"", {}

    address = serving(answer)
    at = named.replace("PATH", str(mine)).replace("URL", address)
    files = f"  data_files:\n  - split: train\n    path: {at}\n"
    mark = "---\n" if told_in == "README.md" else ""
    (folder / told_in).write_text(f"{mark}configs:\n- config_name: default\n{files}{mark}")
    commit = hub.add("datasets/team/evil", folder)
    fetch = HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch
    with pytest.raises(BadData, match=r"README names '.*' as data, which is no file of"):
        fetch(HubSplit("team/evil", commit, "train", first=1))
    assert asked == []
    assert not list((tmp_path / "home").rglob("*.parquet"))


CHECKS = """
import sys
import datasets
from alambique.workers.hub_data_messages import LoadRequest
from alambique.workers.hub_data_process import check_files
nothing = dict.fromkeys(("subset", "path", "field", "first"))
request = LoadRequest(
    repository="team/a", revision="0" * 40, split="train", alone=True, parent=1, out=".", **nothing
)
check_files(request, datasets.load_dataset_builder("csv", data_files=sys.argv[1]))
"""


def test_what_the_library_makes_of_it_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("text\nuno\n")
    command = [sys.executable, "-c", CHECKS, str(tmp_path / "mine.csv")]
    own = os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert "mine.csv', which is no file of that repository at that commit" in done.stderr


def test_a_hub_that_does_not_answer_is_unreachable(
    tmp_path: Path, serving: Callable[..., str]
) -> None:
    endpoint = serving(lambda _: (501, b"", {}))  # a status for which nobody waits
    split = HubSplit(REPOSITORY, "0" * 40, "train")
    with pytest.raises(Unreachable, match=REPOSITORY):
        HubFetcher(tmp_path / "home", log=print, endpoint=endpoint).fetch(split)


@pytest.mark.parametrize(
    ("task", "said", "path"),
    [
        ("document-classification", {"columns": {"texto": "a"}}, "data.columns.texto"),
        ("named-entities", {"columns": {"tag": "a"}}, "data.columns.tag"),
        ("question-answering", {"labels": ["a"]}, "data.labels"),
        ("general", {"labels": ["a"]}, "data.labels"),
    ],
)
def test_fields_that_do_not_suit_the_task_are_refused(
    task: str, said: dict[str, Any], path: str, hub: "Hub", tmp_path: Path
) -> None:
    data = {"hub": f"{REPOSITORY}@{'0' * 40}"} | said
    with pytest.raises(BadSpec) as caught:
        loaded(data, task, hub, tmp_path / "home")
    assert [bad.path for bad in caught.value.fields] == [path]
