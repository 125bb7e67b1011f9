"""Deleted versions: out of every list, back until they are collected, and never lost to lineage."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.registry.made_versions import recorded, running, several

from alambique.registry import aliases, deletion, model_search, tables, tags, versions
from alambique.registry.database import Database
from alambique.registry.dialects import now
from alambique.registry.records import Edge, Version
from alambique.spec.errors import BadSpec, Conflict, Deleted, Stale, UnknownName
from alambique.spec.job import Job
from alambique.spec.states import PublicationState

MODEL = "default", "tiny-ner"
NO_TIME = timedelta(0)


def delete(database: Database, number: int, expected: set[str] | None = None) -> Version:
    with database.write() as session:
        return deletion.delete(session, *MODEL, number, expected=expected)


def restore(database: Database, number: int) -> Version:
    with database.write() as session:
        return deletion.restore(session, *MODEL, number)


def collect(database: Database, retention: timedelta = NO_TIME) -> list[str]:
    with database.write() as session:
        return [each.name for each in deletion.collect(session, retention)]


def test_a_deleted_version_is_out_of_every_list(database: Database, job: Job) -> None:
    made = several(database, job, 3)
    assert delete(database, 3).deleted_at is not None
    with database.read() as session:
        assert versions.find(session, *MODEL) == made[1]
        assert versions.page(session).items == (made[1], made[0])
        assert [each.number for each in versions.page(session, deleted=True).items] == [3]
        (model,) = model_search.models(session).items
        assert (model.versions, model.latest, model.match) == (2, made[1], None)
        assert versions.by_weights(session, "default", "w" * 64) == made[1]
        asked = {("tiny-ner", each) for each in ("1", "2", "3", "latest")}
        assert versions.find_existing(session, "default", asked) == asked - {("tiny-ner", "3")}
        with pytest.raises(Deleted, match="models restore tiny-ner@3"):
            versions.find(session, *MODEL, 3)
        assert versions.get(session, made[2].id).deleted_at
        assert versions.find_recorded(session, *MODEL, 3).id == made[2].id


def test_a_restored_version_is_as_it_was(database: Database, job: Job) -> None:
    made = several(database, job, 2)
    delete(database, 2)
    with pytest.raises(Deleted):
        delete(database, 2)
    assert restore(database, 2) == made[1]
    assert restore(database, 2) == made[1]
    with database.read() as session:
        assert versions.find(session, *MODEL) == made[1]


def test_a_model_without_versions_is_no_model_until_one_is_back(
    database: Database, job: Job
) -> None:
    several(database, job, 2)
    for number in (1, 2):
        delete(database, number)
    with database.read() as session:
        assert model_search.models(session).items == ()
        assert versions.find_existing(session, "default", {("tiny-ner", "latest")}) == set()
        for look in (versions.model, versions.find):
            with pytest.raises(Deleted, match="--deleted"):
                look(session, *MODEL)
    # numbers are not given again
    assert recorded(database, running(database, job)).number == 3


def test_what_an_alias_points_to_is_not_deleted(database: Database, job: Job) -> None:
    several(database, job, 2)
    with database.write() as session:
        aliases.point(session, *MODEL, "champion", 1)
    with pytest.raises(Conflict, match="champion"):
        delete(database, 1)
    with database.write() as session:
        aliases.point(session, *MODEL, "champion", 2)
    delete(database, 1)
    with database.write() as session, pytest.raises(Deleted):
        aliases.point(session, *MODEL, "champion", 1)


@pytest.mark.parametrize("state", PublicationState)
def test_what_is_about_to_be_published_is_not_deleted(
    database: Database, job: Job, state: PublicationState
) -> None:
    (version,) = several(database, job, 1)
    with database.write() as session:
        at = now(session)
        place = {"target": "hub:team/tiny", "private": True}
        times = {"created_at": at, "updated_at": at}
        publication = tables.Publication(
            id=uuid4(), version_id=version.id, state=state, **place, **times
        )
        session.add(publication)
    if state.over:
        assert delete(database, 1).deleted_at
    else:
        with pytest.raises(Conflict, match="hub:team/tiny"):
            delete(database, 1)


def test_who_knows_an_older_version_deletes_nothing(database: Database, job: Job) -> None:
    (version,) = several(database, job, 1)
    with database.write() as session:
        noted = tags.add_note(session, *MODEL, 1, "good", expected={version.tag})
    with pytest.raises(Stale):
        delete(database, 1, expected={version.tag})
    deleted = delete(database, 1, expected={noted.tag})
    assert len({version.tag, noted.tag, deleted.tag}) == 3


def test_an_alias_and_a_deletion_do_not_pass_each_other(database: Database, job: Job) -> None:
    several(database, job, 8)

    def delete_or_point(number: int) -> None:
        try:
            if number % 2:
                delete(database, number // 2 + 1)
            else:
                with database.write() as session:
                    aliases.point(session, *MODEL, f"a{number}", number // 2 + 1)
        except (Conflict, Deleted):
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(delete_or_point, range(16)))
    with database.read() as session:
        pointed = {each.number for each in aliases.of_model(session, *MODEL)}
        deleted = {each.number for each in versions.page(session, deleted=True).items}
    assert pointed | deleted == set(range(1, 9))
    assert not pointed & deleted


def test_what_is_collected_keeps_its_row_and_is_not_restored(database: Database, job: Job) -> None:
    parent = recorded(database, running(database, job))
    child = recorded(
        database, running(database, job), name="child", lineage=[Edge("teacher", parent.id)]
    )
    delete(database, 1)
    assert collect(database, timedelta(days=1)) == []
    assert collect(database) == ["tiny-ner@1"]
    assert collect(database) == []
    with pytest.raises(Deleted, match="files were removed"):
        restore(database, 1)
    with database.read() as session:
        assert versions.get(session, child.id).lineage == (Edge("teacher", parent.id),)
        assert versions.get(session, parent.id).collected_at
        with pytest.raises(Deleted, match="files were removed"):
            versions.find(session, *MODEL, 1)


def test_who_has_what_in_the_artifacts(database: Database, job: Job) -> None:
    rows = [running(database, job) for _ in range(3)]
    shared = recorded(database, rows[0], artifact="shared")
    recorded(database, rows[1], artifact="shared")
    lonely = recorded(database, rows[2], artifact="lonely")
    for number in (1, 3):
        delete(database, number)
    with database.read() as session:
        before = deletion.file_use(session)
        planned = deletion.file_use(session, deletion.expired(session, NO_TIME))
    assert (set(before.named), set(before.released)) == ({"shared", "lonely"}, set())
    collect(database)
    with database.read() as session:
        after = deletion.file_use(session)
    assert after == planned
    assert (set(after.named), set(after.released)) == ({"shared"}, {"lonely"})
    assert after.collected == {shared.id, lonely.id}
    assert after.tokens == {row.id: row.token for row in rows}


def test_files_that_were_collected_are_not_registered_again(database: Database, job: Job) -> None:
    several(database, job, 1, artifact="shared")
    row = running(database, job)
    delete(database, 1)
    recorded(database, row, artifact="shared", name="second")  # not collected yet
    with database.write() as session:
        deletion.delete(session, "default", "second", 1)
    collect(database)
    with pytest.raises(Conflict, match="submit the job again"):
        recorded(database, running(database, job), artifact="shared", name="third")


def test_tags_and_notes_are_read_with_their_version(database: Database, job: Job) -> None:
    several(database, job, 2)
    with database.write() as session:
        for tag in ("rápido", "audited", "rápido"):
            tags.add_tag(session, *MODEL, 1, tag)
        for text in (" the first ", "the second"):
            tags.add_note(session, *MODEL, "1", text)
    with database.read() as session:
        found = versions.find(session, *MODEL, 1)
    assert found.tags == ("audited", "rápido")
    assert [note.text for note in found.notes] == ["the first", "the second"]
    with database.write() as session:
        assert tags.remove_tag(session, *MODEL, 1, "audited").tags == ("rápido",)
    with database.write() as session, pytest.raises(UnknownName, match="rápido"):
        tags.remove_tag(session, *MODEL, 1, "audited")


@pytest.mark.parametrize("tag", ["", "two words", "a/b", "-x", "a" * 97])
def test_a_word_that_is_no_tag_is_refused(database: Database, job: Job, tag: str) -> None:
    several(database, job, 1)
    with database.write() as session, pytest.raises(BadSpec, match="tag"):
        tags.add_tag(session, *MODEL, 1, tag)


@pytest.mark.parametrize("text", ["", " \n", "x" * 10_001])
def test_a_note_says_something(database: Database, job: Job, text: str) -> None:
    several(database, job, 1)
    with database.write() as session, pytest.raises(BadSpec, match="note"):
        tags.add_note(session, *MODEL, 1, text)


def test_nothing_is_said_of_a_deleted_version(database: Database, job: Job) -> None:
    several(database, job, 1)
    delete(database, 1)
    with database.write() as session, pytest.raises(Deleted):
        tags.add_note(session, *MODEL, 1, "gone")
    with database.write() as session, pytest.raises(Deleted):
        tags.add_tag(session, *MODEL, 1, "gone")
