"""What a publication is refused for, and what that leaves as it was."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from tests.releases import Registered
from tests.team_hub import READER, TeamHub
from tests.workers.publishing.endings import (
    Ask,
    published,
    refused,
)

from alambique.registry import publications, tables
from alambique.spec.publication import target_of
from alambique.spec.settings import Settings
from alambique.workers.publishing.publisher import Publisher


def test_files_of_somebody_else_are_left_alone(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    repository = team.create("team/pico")
    repository.add("my model", "", {**repository.head.files, "README.md": b"mine"})
    asked()
    assert "name another repository" in refused(publisher)
    assert repository.head.files["README.md"] == b"mine"
    ours = "alambique-publication: x\nalambique-model: default/pico"
    repository.add("ours", ours, {"config.json": b"{}", "mine.py": b""})
    asked()
    assert "mine.py" in refused(publisher)
    assert {"create", "preupload", "commit"} & set(team.steps) == {"create"}


def test_the_tag_of_another_model_is_left_alone(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    repository = team.create("team/pico")
    ours = "alambique-publication: x\nalambique-model: default/pico"
    other = repository.add("other v1", ours, {"config.json": b"{}"})
    repository.tags["v1"] = other.id
    asked()
    assert "another v1" in refused(publisher)
    assert repository.tags == {"v1": other.id}
    assert repository.head is other


@pytest.mark.parametrize("model", ["default/tiny", "other/pico"])
def test_the_repository_of_another_model_is_left_alone(
    asked: Ask, publisher: Publisher, team: TeamHub, model: str
) -> None:
    repository = team.create("team/pico")
    theirs = f"alambique-publication: x\nalambique-model: {model}"
    other = repository.add("theirs v7", theirs, {"config.json": b"{}"})
    asked()
    assert f"holds another model of this platform ({model}" in refused(publisher)
    assert repository.head is other


def test_what_is_for_a_team_is_not_put_where_all_see_it(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    team.create("team/pico", private=False)
    asked()
    assert "--public" in refused(publisher)
    assert team.publications("team/pico") == []


@pytest.mark.parametrize(("token", "status"), [("hf_unknown", 401), (READER, 403)])
def test_a_token_that_is_refused(
    asked: Ask, publisher: Publisher, team: TeamHub, token: str, status: int
) -> None:
    publisher.settings = Settings(home=publisher.settings.home, hub_token=token)
    asked()
    message = refused(publisher)
    assert f"status {status}" in message
    assert "ALAMBIQUE_HUB_TOKEN" in message
    assert token not in message
    assert "pico" not in team.repositories


def test_the_token_of_the_project_comes_first(
    asked: Ask, publisher: Publisher, team: TeamHub, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "alambique_hub_token.default").write_text(f"{READER}\n")
    (secrets / "alambique_hub_token").write_text("hf_writer")
    settings = Settings(home=publisher.settings.home, hub_token="hf_writer", secrets=secrets)
    publisher.settings = settings
    asked()
    assert "403" in refused(publisher)
    (secrets / "alambique_hub_token.default").unlink()
    asked()
    published(publisher)
    assert settings.without_publishing().hub_token is None


def test_without_a_token_it_says_where_to_put_one(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    publisher.settings = Settings(home=publisher.settings.home)
    asked()
    assert "alambique_hub_token.default" in refused(publisher)
    assert team.steps == []


def test_bad_metadata_is_refused(asked: Ask, publisher: Publisher, team: TeamHub) -> None:
    publisher.documents = (lambda *_: {"README.md": b"---\n[: no\n---\n"},)
    asked()
    assert "Invalid metadata" in refused(publisher)
    assert team.publications("team/pico") == []


def test_the_token_stands_nowhere(
    asked: Ask,
    publisher: Publisher,
    team: TeamHub,
    registered: Registered,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="alambique")
    publisher.settings = Settings(home=registered.settings.home, hub_token="hf_s3cret")
    asked()
    refused(publisher)
    team.tokens["hf_s3cret"] = "write"
    asked()
    published(publisher)
    registered.database.dispose()
    holding = [
        path
        for path in registered.settings.home.rglob("*")
        if path.is_file() and b"hf_s3cret" in path.read_bytes()
    ]
    assert holding == []
    assert "hf_s3cret" not in caplog.text
    assert "published to" in caplog.text


def test_a_form_of_a_network_is_refused(
    publisher: Publisher, registered: Registered, team: TeamHub
) -> None:
    with registered.database.write() as session:
        row = session.get_one(tables.Version, registered.version.id)
        row.details = {**row.details, "student": "pico@7"}
        version = replace(registered.version, details=row.details)
        publications.request(session, version, target_of("hub:team/pico"))
    assert "publish that one" in refused(publisher)
