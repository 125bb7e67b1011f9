"""Where models are found, with a hub of our own on this machine; and what a folder must hold."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from alambique.models.sources import SAMPLES, LocatedModel, check_folder, locate
from alambique.spec.errors import BadModel, UnknownName, Unreachable
from alambique.spec.outputs import Output
from alambique.spec.sources import Folder, Hub, Local

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TAGS = ("O", "B-PER")
Saved = Callable[..., Path]


def answered(folder: Path, fetched: list[str], path: str) -> tuple[int, bytes, dict[str, str]]:
    """The three routes of the hub that a snapshot asks for, over the files of one folder."""
    base, path = "/api/models/team/tiny", path.partition("?")[0]
    headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{path.rpartition("/")[2]}"'}
    if path in (base, f"{base}/revision/main", f"{base}/revision/{COMMIT}"):
        said = {"id": "team/tiny", "sha": COMMIT, "siblings": []}
        return 200, json.dumps(said).encode(), headers
    if path == f"{base}/tree/{COMMIT}":
        return 200, json.dumps([entry(file) for file in folder.iterdir()]).encode(), headers
    if path.startswith(f"/team/tiny/resolve/{COMMIT}/"):
        name = path.rpartition("/")[2]
        fetched.append(name)
        return 200, (folder / name).read_bytes(), headers
    if "/busy" in path:
        return 503, b"", {}
    return 404, b"", {"X-Error-Code": "RepoNotFound"}


def entry(file: Path) -> dict[str, object]:
    size = file.stat().st_size
    return {"type": "file", "path": file.name, "size": size, "oid": file.name}


@pytest.fixture
def hub(saved: Saved, serving: Callable[..., str]) -> tuple[str, list[str]]:
    """A hub with the repository team/tiny; its URL, and the files it has been asked for."""
    folder, fetched = saved("bert", Output.TAGS, TAGS), list[str]()
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / "modeling.py").write_text("raise SystemExit")
    return serving(partial(answered, folder, fetched)), fetched


def located(
    source: Hub | Local | Folder,
    tmp_path: Path,
    *,
    models: Path | None = None,
    endpoint: str | None = None,
) -> LocatedModel:
    return locate(
        source,
        models=models,
        cache=tmp_path / "cache",
        endpoint=endpoint,
    )


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_snapshot_of_the_hub_and_its_commit(
    hub: tuple[str, list[str]], tmp_path: Path, revision: str | None
) -> None:
    endpoint, fetched = hub
    found = located(Hub("team/tiny", revision), tmp_path, endpoint=endpoint)
    assert found.commit == COMMIT
    assert check_folder(found.folder)["model_type"] == "bert"
    assert set(fetched) == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_a_snapshot_that_is_there_needs_no_hub(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    endpoint, fetched = hub
    first = located(Hub("team/tiny", COMMIT), tmp_path, endpoint=endpoint)
    fetched.clear()
    assert located(Hub("team/tiny", COMMIT), tmp_path, endpoint=endpoint) == first
    assert fetched == []


@pytest.mark.parametrize("source", [Hub("team/other", None), Hub("team/tiny", "v9")])
def test_a_repository_that_the_hub_does_not_have_is_unknown(
    hub: tuple[str, list[str]], tmp_path: Path, source: Hub
) -> None:
    with pytest.raises(UnknownName, match=source.repository):
        located(source, tmp_path, endpoint=hub[0])


def test_a_hub_that_is_busy_may_be_asked_again(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="team/busy"):
        located(Hub("team/busy", None), tmp_path, endpoint=hub[0])


def test_a_hub_that_is_away_is_unreachable(tmp_path: Path, free_port: int) -> None:
    with pytest.raises(Unreachable, match="put its folder under ALAMBIQUE_MODELS"):
        located(Hub("team/tiny", None), tmp_path, endpoint=f"http://127.0.0.1:{free_port}")


@pytest.mark.parametrize("commit", ["../../victim", COMMIT[:39], None])
def test_a_hub_that_names_no_commit_is_not_believed(
    serving: Callable[..., str], tmp_path: Path, commit: str | None
) -> None:
    said = json.dumps({"id": "team/tiny", "sha": commit, "siblings": []}).encode()
    endpoint = serving(lambda _: (200, said, {}))
    with pytest.raises(Unreachable):
        located(Hub("team/tiny", None), tmp_path, endpoint=endpoint)


def test_a_name_under_the_folder_of_models(saved: Saved, tmp_path: Path) -> None:
    folder = saved("bert", Output.TAGS, TAGS, name="mine")
    assert located(Local("mine"), tmp_path, models=tmp_path) == LocatedModel(folder, None)
    with pytest.raises(UnknownName, match=r"no model 'yours' in .*, which has mine; the samples"):
        located(Local("yours"), tmp_path, models=tmp_path)
    with pytest.raises(UnknownName, match="set ALAMBIQUE_MODELS"):
        located(Local("mine"), tmp_path)


def test_the_samples_need_no_folder_of_models(tmp_path: Path) -> None:
    assert located(Local("sample-encoder"), tmp_path).folder == SAMPLES["sample-encoder"]


def test_a_path_is_the_folder_itself(saved: Saved, tmp_path: Path) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    assert located(Folder(str(folder)), tmp_path) == LocatedModel(folder, None)
    with pytest.raises(UnknownName, match="there is no folder"):
        located(Folder(str(tmp_path / "nowhere")), tmp_path)


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_whole_folder_passes(saved: Saved, family: str) -> None:
    assert check_folder(saved(family, Output.TAGS, TAGS))["model_type"] == family


def test_a_quantised_model_is_refused(saved: Saved) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {}}))
    with pytest.raises(BadModel, match="quantised"):
        check_folder(folder)


def test_a_folder_without_a_fast_tokenizer_is_refused(saved: Saved) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    (folder / "tokenizer.json").rename(folder / "vocab.txt")
    with pytest.raises(BadModel, match=r"no tokenizer\.json.*vocab\.txt, convert"):
        check_folder(folder)


def test_a_tokenizer_that_cannot_be_read_is_refused(saved: Saved) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BadModel, match=r"tokenizer\.json cannot be read"):
        check_folder(folder)


@pytest.mark.parametrize(
    ("name", "most"),
    [("tokenizer.json", 128 << 20), ("tokenizer_config.json", 8 << 20), ("config.json", 4 << 20)],
)
def test_a_file_that_is_far_too_large_is_not_read(saved: Saved, name: str, most: int) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    with (folder / name).open("ab") as file:
        file.truncate(most + 1)  # which takes no room
    with pytest.raises(BadModel, match=f"{name} .*{most + 1:,}"):
        check_folder(folder)


def test_a_tokenizer_of_another_model_is_refused(saved: Saved) -> None:
    folder = saved("bert", Output.TAGS, TAGS)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 50}))
    with pytest.raises(BadModel, match=r"gives ids up to \d+, the network knows 50"):
        check_folder(folder)
