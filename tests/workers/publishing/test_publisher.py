"""A version on the hub: one commit, a tag, public last, whoever else commits meanwhile."""

from pathlib import Path

from huggingface_hub import snapshot_download
from tests.releases import Registered, record
from tests.team_hub import READER, TeamHub
from tests.workers.publishing.endings import Ask, job_of_registered, published

from alambique.registry import jobs, publications, tables
from alambique.runtime.about import read_about
from alambique.spec.publication import target_of
from alambique.spec.states import PublicationState
from alambique.workers.publishing.publisher import Publisher

DOCUMENTS = {
    *("README.md", "LICENSES.md", "LICENSES/Apache-2.0.txt"),
    *("provenance.json", "bom.json", "pictures/front.svg", "pictures/front.es.svg"),
}


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
        again = jobs.submit(session, job_of_registered(registered))
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
