"""A version on the hub: one commit, a tag, public last; or a refusal that says what to do."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import snapshot_download
from tests.releases import Registered, record
from tests.team_hub import READER, TeamHub
from tests.workers.publishing.publish_once import varying

from alambique.registry import jobs, publications, tables
from alambique.registry.records import Publication
from alambique.runtime.about import read_about
from alambique.spec.publication import target_of
from alambique.spec.settings import Settings
from alambique.spec.states import PublicationState
from alambique.workers.publishing.publisher import Publisher, publishing

DOCUMENTS = {
    *("README.md", "LICENSES.md", "LICENSES/Apache-2.0.txt"),
    *("provenance.json", "bom.json", "pictures/front.svg", "pictures/front.es.svg"),
}
Ask = Callable[..., Publication]


def published(publisher: Publisher) -> Publication:
    row = publisher.publish_next()
    assert row is not None
    assert (row.state, row.message) == (PublicationState.PUBLISHED, None)
    return row


def refused(publisher: Publisher) -> str:
    row = publisher.publish_next()
    assert row is not None
    assert row.state is PublicationState.REFUSED
    return str(row.message)


def postponed(publisher: Publisher) -> str:
    row = publisher.publish_next()
    assert row is not None
    assert (row.state, row.holder) == (PublicationState.WAITING, None)
    assert row.not_before is not None
    return str(row.message)


def ask_anew(registered: Registered, row: Publication) -> None:
    """Makes a publication due that waits for its next attempt."""
    with registered.database.write() as session:
        session.get_one(tables.Publication, row.id).not_before = None


def test_one_commit_a_tag_and_the_very_files(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered, tmp_path: Path
) -> None:
    asked()
    row = published(publisher)
    repository = team.repositories["team/pico"]
    assert (repository.private, repository.tags) == (True, {"v1": row.commit})
    assert row.url == f"{team.endpoint}/team/pico"
    assert repository.head.id == row.commit
    assert repository.head.title == "pico v1"
    assert str(row.id) in repository.head.message
    files = {file.name for file in registered.version.files}
    assert set(repository.head.files) == files | {".gitattributes"} | DOCUMENTS
    fetched = snapshot_download(
        "team/pico", endpoint=team.endpoint, token=READER, cache_dir=tmp_path, revision="v1"
    )
    assert read_about(Path(fetched)).labels == registered.version.labels
    assert list((registered.settings.home / "staging").iterdir()) == []


def test_twice_is_once(asked: Ask, publisher: Publisher, team: TeamHub) -> None:
    first = asked()
    done = published(publisher)
    assert asked() == done
    assert publisher.publish_next() is None
    assert len(team.publications("team/pico")) == 1
    assert first.id == done.id


def test_public_is_last(asked: Ask, publisher: Publisher, team: TeamHub) -> None:
    asked(private=False)
    published(publisher)
    assert not team.repositories["team/pico"].private
    assert team.steps[-1] == "settings"
    assert team.steps.index("commit") < team.steps.index("tag")


def test_a_private_one_becomes_public_without_another_commit(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    asked()
    before = published(publisher)
    asked(private=False)
    assert published(publisher).commit == before.commit
    assert not team.repositories["team/pico"].private
    assert len(team.publications("team/pico")) == 1


def test_the_next_version_replaces_the_files_of_the_one_before(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered
) -> None:
    asked()
    publisher.documents = (lambda *_: {"NOTICE": b"of version 1"},)
    published(publisher)
    with registered.database.write() as session:
        again = jobs.submit(session, _job(registered))
        row = jobs.take(session, "driver", registered.settings.lease_time, job_id=again.id)
    assert row is not None
    second = record(registered.settings, registered.database, row, seed=2)
    with registered.database.write() as session:
        result = dict(registered.job.result or {})
        result["rows"][1]["version"] = "pico@2"
        jobs.finish(session, row.id, row.token, result)
        publications.request(session, second, target_of("hub:team/pico"))
    publisher.documents = ()
    published(publisher)
    repository = team.repositories["team/pico"]
    assert list(repository.tags) == ["v1", "v2"]
    assert "NOTICE" not in repository.head.files
    assert len(repository.commits) == 3


def _job(registered: Registered) -> Any:
    from alambique.spec.reading import job_of

    return job_of(registered.job.spec)


def test_a_stale_parent_is_looked_at_again(asked: Ask, publisher: Publisher, team: TeamHub) -> None:
    team.create("team/pico")
    others = iter([b"# theirs", b"# theirs again"])

    def meanwhile(step: str) -> None:
        if step == "commit" and (card := next(others, None)):
            repository = team.repositories["team/pico"]
            mark = "alambique-publication: of another version\nalambique-model: default/pico"
            repository.add("theirs", mark, {**repository.head.files, "README.md": card})

    team.before = meanwhile
    asked()
    row = published(publisher)
    repository = team.repositories["team/pico"]
    assert [one.title for one in repository.commits] == [
        *("initial commit", "theirs", "theirs", "pico v1")
    ]
    assert repository.head.id == row.commit
    assert team.steps.count("commit") == 3


def test_the_commit_of_another_worker_is_found(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    row = asked()
    team.create("team/pico")

    def meanwhile(step: str) -> None:
        if step == "commit" and not team.publications("team/pico"):
            repository = team.repositories["team/pico"]
            repository.add("pico v1", f"alambique-publication: {row.id}", {"config.json": b"{}"})

    team.before = meanwhile
    assert published(publisher).commit == team.repositories["team/pico"].head.id
    assert len(team.publications("team/pico")) == 1


def test_a_commit_far_down_the_history_is_found(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    row = asked()
    repository = team.create("team/pico")
    mine = repository.add("pico v1", f"alambique-publication: {row.id}", {"config.json": b"{}"})
    for number in range(5):
        repository.add(f"edit {number}", "", {**repository.head.files})
    assert published(publisher).commit == mine.id
    assert repository.tags == {"v1": mine.id}
    assert "commit" not in team.steps


def test_others_that_never_rest_leave_it_for_later(
    asked: Ask, publisher: Publisher, team: TeamHub
) -> None:
    team.create("team/pico")

    def meanwhile(step: str) -> None:
        if step == "commit":
            team.repositories["team/pico"].add("theirs", "", {})

    team.before = meanwhile
    asked()
    assert "others keep changing" in postponed(publisher)
    assert team.publications("team/pico") == []


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


@pytest.mark.parametrize("url", ["the hub's own", "http://127.0.0.1:9"])
def test_a_hub_that_is_down_is_asked_again_later(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered, url: str
) -> None:
    row = asked()
    team.down = True
    publisher.endpoint = team.endpoint if "own" in url else url
    assert "tried again" in postponed(publisher)
    assert publisher.publish_next() is None
    team.down, publisher.endpoint = False, team.endpoint
    ask_anew(registered, row)
    published(publisher)


def test_bad_metadata_is_refused(asked: Ask, publisher: Publisher, team: TeamHub) -> None:
    publisher.documents = (lambda *_: {"README.md": b"---\n[: no\n---\n"},)
    asked()
    assert "Invalid metadata" in refused(publisher)
    assert team.publications("team/pico") == []


def test_an_answer_that_is_lost_after_the_commit_makes_no_second_one(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered
) -> None:
    row = asked()
    publisher.documents = (varying,)
    endings = iter([httpx2.ReadError("cut")])

    def cut(step: str) -> None:
        if step == "commit" and (error := next(endings, None)):
            raise error

    team.after = cut
    assert "does not answer" in postponed(publisher)
    ask_anew(registered, row)
    published(publisher)
    assert len(team.publications("team/pico")) == 1


def test_a_slow_hub_holds_nobody_up_and_a_stop_puts_it_down(
    asked: Ask, team: TeamHub, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait(step: str) -> None:
        if step == "create":
            reached.set()
            go_on.wait(60)

    team.before = wait
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", team.endpoint)
    row = asked()
    stop = threading.Event()
    with publishing(registered.settings, registered.database, stop):
        assert reached.wait(60)
        # the queue of jobs is the database's: it is free while the hub is waited for
        with registered.database.write() as session:
            posted = jobs.submit(session, _job(registered))
            taken = jobs.take(session, "x", registered.settings.lease_time, job_id=posted.id)
        assert taken is not None
        stop.set()
        go_on.set()
    with registered.database.read() as session:
        left = publications.find(session, row.id)
    assert (left.state, left.attempts, left.holder) == (PublicationState.WAITING, 0, None)
    assert team.publications("team/pico") == []


def test_whose_lease_is_lost_writes_nothing_more(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered
) -> None:
    row = asked()
    publisher.settings = registered.settings.model_copy(update={"heartbeat": 0.01})
    looked = threading.Event()

    def take_away(step: str) -> None:
        if step == "preupload":
            with registered.database.write() as session:
                held = session.get_one(tables.Publication, row.id)
                held.token += 1
                held.lease_until = held.created_at
            while threading.active_count() and not looked.is_set():
                if not any(thread.name == "publication" for thread in threading.enumerate()):
                    looked.set()

    team.before = take_away
    left = publisher.publish_next()
    assert left is not None
    assert (left.state, left.token) == (PublicationState.PUBLISHING, 2)
    assert "commit" not in team.steps
    team.before = lambda step: None
    published(publisher)
    assert len(team.publications("team/pico")) == 1


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


def test_a_family_is_a_collection(
    asked: Ask, publisher: Publisher, team: TeamHub, registered: Registered
) -> None:
    asked("hub:team/pico", collection="six-tasks")
    published(publisher)
    asked("hub:team/pico-too", collection="six-tasks")
    published(publisher)
    (collection,) = team.collections.values()
    assert (collection["title"], collection["private"]) == ("six-tasks", True)
    assert [item["id"] for item in collection["items"]] == ["team/pico", "team/pico-too"]
    # killed before it was recorded: the same once more
    with registered.database.write() as session:
        for row in publications.page(session).items:
            session.get_one(tables.Publication, row.id).state = PublicationState.WAITING
    assert publisher.publish_next() is not None
    assert len(collection["items"]) == 2


def test_a_form_of_a_network_is_refused(
    publisher: Publisher, registered: Registered, team: TeamHub
) -> None:
    with registered.database.write() as session:
        row = session.get_one(tables.Version, registered.version.id)
        row.details = {**row.details, "student": "pico@7"}
        version = replace(registered.version, details=row.details)
        publications.request(session, version, target_of("hub:team/pico"))
    assert "publish that one" in refused(publisher)
