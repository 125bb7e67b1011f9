"""Publications: one for each version and target, held under a fence, tried again or given up."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.job_results import job_result, result_row

from alambique.registry import jobs, publication_requests, publications, versions
from alambique.registry.database import Database
from alambique.registry.job_result import JobResult
from alambique.registry.publications import Retries
from alambique.registry.records import JobRow, Publication, Version
from alambique.spec.errors import Conflict, LostLease, UnknownName
from alambique.spec.publication import LicenceOverride, Publish, target_of
from alambique.spec.states import PublicationState, State

LEASE = timedelta(minutes=1)
GONE = timedelta(seconds=-1)
HUB = target_of("hub:team/tiny")
WORD = LicenceOverride(by="Eva", note="the authors have agreed")


@pytest.fixture
def version(
    database: Database, posted: Callable[..., JobRow], taken: Callable[..., JobRow]
) -> Callable[..., Version]:
    """Records a version of a job that runs; of the same job, another role."""
    posted()
    job = taken()

    def record(name: str = "tiny", role: str = "student") -> Version:
        with database.write() as session:
            return versions.record(
                session,
                job.id,
                job.token,
                name=name,
                role=role,
                task=job.task,
                labels=("O",),
                parameters=1,
                macs_linear=1,
                macs_full=1,
                weights="w" * 64,
                artifact="x",
            )

    return record


@pytest.fixture
def asked(database: Database, version: Callable[..., Version]) -> Callable[..., Publication]:
    """Asks for the one version to be published, with other arguments where they are given."""
    one = version()

    def ask(to: str = "hub:team/tiny", **more: Any) -> Publication:
        with database.write() as session:
            return publications.request(session, one, target_of(to), **more)

    return ask


def take(database: Database, lease: timedelta = LEASE, **which: Any) -> Publication:
    with database.write() as session:
        row = publications.take(session, "worker", lease, **which)
    assert row is not None
    return row


def nothing_to_take(database: Database) -> bool:
    with database.write() as session:
        return publications.take(session, "worker", LEASE) is None


def reaped(database: Database, **retries: Any) -> tuple[Publication, ...]:
    with database.write() as session:
        return publications.reap(session, **retries)


def test_a_version_has_one_publication_in_each_place(
    database: Database, asked: Callable[..., Publication]
) -> None:
    first, again = asked(), asked()
    assert first.id == again.id
    assert (first.state, first.private, first.attempts) == (PublicationState.WAITING, True, 0)
    assert asked("folder:tiny").id != first.id
    with database.read() as session:
        assert len(publications.page(session).items) == 2
        assert publications.find(session, first.id) == again
        with pytest.raises(UnknownName):
            publications.find(session, first.version_id)


def test_what_is_published_stays_and_may_become_public(
    database: Database, asked: Callable[..., Publication]
) -> None:
    asked()
    held = take(database)
    with database.write() as session:
        done = publications.finish(session, held.id, held.token, commit="c" * 40, url="https://h")
    assert (done.state, done.commit, done.holder) == (PublicationState.PUBLISHED, "c" * 40, None)
    assert done.published_at is not None
    assert asked() == done
    assert nothing_to_take(database)
    public = asked(private=False)
    assert (public.id, public.state, public.private) == (done.id, PublicationState.WAITING, False)
    assert asked().private  # not taken yet: what is asked last counts


def test_asked_again_what_was_refused_waits_with_what_is_asked_now(
    database: Database, asked: Callable[..., Publication]
) -> None:
    asked()
    held = take(database)
    with database.write() as session:
        refused = publications.refuse(session, held.id, held.token, "its licence forbids it")
    assert (refused.state, refused.message) == (PublicationState.REFUSED, "its licence forbids it")
    assert nothing_to_take(database)
    again = asked(override=WORD, private=False)
    assert (again.state, again.attempts, again.message) == (PublicationState.WAITING, 0, None)
    assert again.override == {"by": "Eva", "note": "the authors have agreed"}
    assert take(database).token == held.token + 1


def test_one_that_is_being_published_is_left_alone(
    database: Database, asked: Callable[..., Publication]
) -> None:
    asked()
    held = take(database)
    assert asked() == held
    with pytest.raises(Conflict, match="as it was asked for before"):
        asked(private=False)
    assert nothing_to_take(database)


def test_a_stale_worker_changes_nothing(
    database: Database, asked: Callable[..., Publication]
) -> None:
    asked()
    stale = take(database, GONE)
    assert [row.state for row in reaped(database)] == [PublicationState.WAITING]
    held = take(database)
    assert (held.token, held.attempts) == (stale.token + 1, 2)
    for act in (
        lambda session: publications.renew(session, stale.id, stale.token, LEASE),
        lambda session: publications.finish(session, stale.id, stale.token, commit=None, url="u"),
        lambda session: publications.refuse(session, stale.id, stale.token, "no"),
        lambda session: publications.postpone(session, stale.id, stale.token, "later"),
        lambda session: publications.release(session, stale.id, stale.token),
    ):
        with pytest.raises(LostLease), database.write() as session:
            act(session)
    with database.read() as session:
        assert publications.find(session, held.id) == held


def test_a_renewed_lease_is_not_reaped(
    database: Database, asked: Callable[..., Publication]
) -> None:
    asked()
    held = take(database, GONE)
    with database.write() as session:
        publications.renew(session, held.id, held.token, LEASE)
    assert reaped(database) == ()


def test_pauses_grow_and_end(database: Database, asked: Callable[..., Publication]) -> None:
    asked()
    retries = Retries(attempts=3, pause=timedelta(0))
    for attempt in (1, 2, 3):
        held = take(database)
        assert held.attempts == attempt
        with database.write() as session:
            ended = publications.postpone(session, held.id, held.token, "down", retries=retries)
    assert ended.state is PublicationState.FAILED
    assert ended.message is not None
    assert "3 attempts" in ended.message
    assert "down" in ended.message
    assert nothing_to_take(database)
    assert asked().attempts == 0
    held = take(database)
    with database.write() as session:
        waits = publications.postpone(session, held.id, held.token, "down")
    assert waits.not_before is not None
    assert waits.not_before - waits.updated_at > timedelta(seconds=9)
    assert nothing_to_take(database)
    assert asked().not_before is None  # whoever asks again has seen to it


def test_one_whose_workers_die_each_time_is_given_up(
    database: Database, asked: Callable[..., Publication]
) -> None:
    asked()
    for _ in range(2):
        take(database, GONE)
        ended = reaped(database, retries=Retries(attempts=2))
    assert [row.state for row in ended] == [PublicationState.FAILED]


def test_one_that_is_put_down_has_lost_no_attempt(
    database: Database, asked: Callable[..., Publication]
) -> None:
    asked()
    held = take(database)
    with database.write() as session:
        released = publications.release(session, held.id, held.token)
    assert (released.state, released.attempts, released.holder) == ("waiting", 0, None)
    assert take(database).token == held.token + 1


def test_the_oldest_comes_first_unless_one_is_named(
    database: Database, asked: Callable[..., Publication]
) -> None:
    first, second, third = asked("folder:a"), asked("folder:b"), asked("folder:c")
    assert take(database, publication_id=second.id).id == second.id
    assert [take(database).id for _ in range(2)] == [first.id, third.id]


def test_pages_are_filtered(
    database: Database, asked: Callable[..., Publication], version: Callable[..., Version]
) -> None:
    first = asked()
    other = version("other", "teacher")
    with database.write() as session:
        second = publications.request(session, other, HUB)
        publications.take(session, "worker", LEASE, publication_id=second.id)

        def found(**filters: Any) -> list[Any]:
            return [row.id for row in publications.page(session, **filters).items]

        assert found() == [second.id, first.id]
        assert found(name="other") == found(version_id=other.id) == [second.id]
        assert found(state=PublicationState.WAITING) == [first.id]
        assert found(project="nobody") == []
        names = publications.version_names(session, {first.version_id, other.id})
        assert names[other.id] == ("default", "other", 1)
        page = publications.page(session, limit=1)
        assert publications.page(session, limit=1, cursor=page.next).items[0].id == first.id


@pytest.mark.parametrize("killed", [True, False])
def test_a_job_ends_with_its_publication_or_not_at_all(
    database: Database, version: Callable[..., Version], killed: bool
) -> None:
    made = version()
    assert made.job_id is not None
    publish = Publish(repository="team/tiny", private=False, override=WORD)
    content = job_result(result_row("teacher"), result_row("distilled", version="tiny@1"))
    result = JobResult.model_validate(content)
    try:
        with database.write() as session:
            row = jobs.find(session, made.job_id)
            row = jobs.finish(session, row.id, row.token, content)
            publication_requests.request_of_job(session, row, publish, result)
            if killed:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    with database.read() as session:
        row = jobs.find(session, made.job_id)
        found = publications.page(session, job_id=made.job_id).items
    assert row.state is (State.RUNNING if killed else State.SUCCEEDED)
    assert len(found) == (0 if killed else 1)
    for one in found:
        assert (one.target, one.private, one.version_id) == ("hub:team/tiny", False, made.id)
        assert one.override is not None


def test_a_job_ends_though_a_person_has_its_student_published_otherwise(
    database: Database, version: Callable[..., Version]
) -> None:
    made = version()
    assert made.job_id is not None
    with database.write() as session:
        publications.request(session, made, HUB, private=False)
    held = take(database)
    content = job_result(result_row("teacher"), result_row("distilled", version="tiny@1"))
    result = JobResult.model_validate(content)
    publish = Publish(repository=str(HUB).removeprefix("hub:"), private=True)
    with database.write() as session:
        row = jobs.find(session, made.job_id)
        row = jobs.finish(session, row.id, row.token, content)
        assert publication_requests.request_of_job(session, row, publish, result) is None
    with database.read() as session:
        assert jobs.find(session, made.job_id).state is State.SUCCEEDED
        assert publications.find(session, held.id) == held


def test_of_a_search_the_student_with_the_lowest_loss_is_published(
    database: Database, version: Callable[..., Version]
) -> None:
    worse, best = version("tiny", "student-1"), version("tiny", "student-2")
    assert best.job_id is not None
    rows = [
        result_row("distilled", trial=number, version=f"tiny@{one.number}", validation=validation)
        for number, one, validation in (
            (1, worse, {"loss": 0.5, "metric": 0.9}),
            (2, best, {"loss": 0.25, "metric": 0.1}),
        )
    ]
    result = JobResult.model_validate(job_result(result_row("gold-only"), *rows))
    with database.write() as session:
        row = jobs.find(session, best.job_id)
        asked = publication_requests.request_of_job(session, row, Publish(folder="tiny"), result)
        none = JobResult.model_validate(job_result(result_row("teacher")))
        nothing = publication_requests.request_of_job(session, row, Publish(folder="t"), none)
    assert asked is not None
    assert (asked.version_id, nothing) == (best.id, None)


def test_a_deleted_version_is_not_published(
    database: Database, version: Callable[..., Version]
) -> None:
    from dataclasses import replace

    made = version()
    deleted = replace(made, deleted_at=made.created_at)
    with pytest.raises(Conflict, match="deleted"), database.write() as session:
        publications.request(session, deleted, HUB)
