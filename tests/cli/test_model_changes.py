"""What the commands say of versions: aliases, tags, notes, deletion, and the files that go."""

import json
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from alambique.spec.settings import Settings

Here = Callable[..., str]


def test_an_alias_is_set_used_and_removed(here: Here, version: str) -> None:
    assert here("models", "alias", f"{version}@1", "champion") == (
        f"{version}@champion: {version}@1\n"
    )
    found = json.loads(here("models", "show", f"{version}@champion", "--json"))
    assert (found["number"], found["aliases"]) == (1, ["champion"])
    assert "aliases: champion" in here("models", "show", f"{version}@champion")
    removed = here("models", "alias", version, "champion", "--remove", "--json")
    assert [move["number"] for move in json.loads(removed)["moves"]] == [1, None]
    here("models", "show", f"{version}@champion", code=1)
    shown = here("models", "show", version)
    assert "champion (UTC): 1 since" in shown
    assert "none since" in shown


@pytest.mark.parametrize("model", ["{}", "{}@latest", "{}@", "@1", "{}@1234567890"])
def test_an_alias_is_given_to_a_number(here: Here, version: str, model: str) -> None:
    for command in (("alias", "champion"), ("delete",), ("restore",)):
        here("models", command[0], model.format(version), *command[1:], code=1)


def test_a_model_is_shown_with_all_its_versions(here: Here, version: str) -> None:
    here("models", "alias", f"{version}@1", "champion")
    here("models", "tag", version, "audited")
    here("models", "note", f"{version}@champion", "[good] \x1b one")
    found = json.loads(here("models", "show", version, "--json"))
    assert found["model"]["versions"] == 1
    assert [one["tags"] for one in found["versions"]] == [["audited"]]
    assert [one["name"] for one in found["aliases"]] == ["champion"]
    drawn = here("models", "show", version)
    for word in ("champion", "audited", "87.50", "[good] \\x1b one"):
        assert word in drawn
    assert here("models", "tag", version, "audited", "--remove") == f"{version}@1: no tags\n"


def test_models_are_listed_by_what_is_asked(here: Here, version: str) -> None:
    here("models", "tag", version, "listed")

    def names(*options: object) -> list[str]:
        found = json.loads(here("models", "list", "--tag", "listed", "--json", *options))
        return [model["name"] for model in found["items"]]

    assert names() == names("--metric", "f1>=0.8", "--max-parameters", "2e6") == [version]
    assert names("--metric", "f1<=0.8") == names("--min-macs", 6001) == []
    assert names("--pareto") == [version]
    assert names("--pareto", "--cost", "ms") == []  # it was not timed
    assert "87.50" in here("models", "list", "--tag", "listed")
    here("models", "list", "--metric", "f1", code=1)
    here("models", "tag", version, "listed", "--remove")


def test_a_deleted_version_comes_back_until_its_files_go(
    here: Here,
    version: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    name, folder = f"{version}@1", Path(settings.artifact_root) / version
    here("models", "delete", name)
    told = StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", told)
        here("models", "download", name, "--to", tmp_path / "gone", code=1)
    assert f"models restore {name}" in told.getvalue()
    assert version not in here("models", "list")
    assert name in here("models", "versions", version, "--deleted")
    assert here("models", "restore", name) == f"{name}\n"
    assert version in here("models", "list")

    here("models", "delete", name)
    assert "would free 0.0 MB in 0 folders" in here("models", "gc", "--dry-run")  # 30 days
    monkeypatch.setenv("ALAMBIQUE_RETENTION", "0")
    assert version in here("models", "gc", "--dry-run")
    assert folder.is_dir()
    freed = json.loads(here("models", "gc", "--json"))
    assert [one["folder"] for one in freed["folders"]] == [version]
    assert (freed["bytes"], freed["versions"][0]["name"]) == (2, name)
    assert not folder.exists()
    here("models", "restore", name, code=1)


def test_all_that_needs_no_server_works_without_one(serverless: Here, version: str) -> None:
    name = f"{version}@1"
    serverless("models", "alias", name, "champion")
    serverless("models", "tag", name, "audited")
    serverless("models", "note", name, "good")
    serverless("models", "delete", name, code=1)
    assert "audited" in serverless("models", "show", version)
    assert version in serverless("models", "list", "--tag", "audited", "--metric", "f1>=0.8")
    serverless("models", "list", "--pareto")
    serverless("models", "tag", name, "audited", "--remove")
    serverless("models", "alias", version, "champion", "--remove")
    serverless("models", "delete", name)
    assert name in serverless("models", "versions", version, "--deleted")
    assert serverless("models", "restore", name) == f"{name}\n"
