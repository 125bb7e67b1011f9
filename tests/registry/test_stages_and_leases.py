"""Stages done once, and things held by one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from alambique.registry import jobs, leases, stages
from alambique.registry.database import Database
from alambique.registry.records import JobRow, Lease, StageDone
from alambique.spec.job import Job
from alambique.spec.states import StageName

LEASE = timedelta(minutes=1)
BUCKETS = [f"teacher/{n}" for n in range(16)]


@pytest.fixture
def two(database: Database, job: Job) -> tuple[JobRow, JobRow]:
    """Two jobs of one project, both running."""
    with database.write() as session:
        jobs.submit(session, job)
        jobs.submit(session, job)
        first, second = (jobs.take(session, name, LEASE) for name in ("first", "second"))
    assert first is not None
    assert second is not None
    return first, second


def test_the_last_to_do_a_stage_has_done_it(database: Database, two: tuple[JobRow, JobRow]) -> None:
    first, second = two
    with database.read() as session:
        assert stages.find(session, "default", "k") is None
    for row, output in ((first, {"weights": "a"}), (second, {"weights": "b"})):
        with database.write() as session:
            done = stages.record(
                session, row.id, row.token, "default", "k", StageName.TEACH, output
            )
        assert done == StageDone("k", StageName.TEACH, output, row.id)
    with database.read() as session:
        assert stages.find(session, "default", "k") == done
        assert stages.find(session, "other", "k") is None


def test_a_stage_of_a_failed_transaction_is_not_done(
    database: Database, two: tuple[JobRow, JobRow]
) -> None:
    def fail() -> None:
        with database.write() as session:
            stages.record(session, two[0].id, two[0].token, "default", "k", StageName.TEACH, {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as session:
        assert stages.find(session, "default", "k") is None


def test_what_one_holds_another_does_not_get(database: Database) -> None:
    with database.write() as session:
        mine = leases.take(session, ["b", "a", "a"], "me", LEASE)
    with database.write() as session:
        theirs = leases.take(session, ["a", "b", "c"], "they", LEASE)
    assert mine == (Lease("a", 1), Lease("b", 1))
    assert theirs == (Lease("c", 1),)


def test_a_lease_that_ran_out_is_taken_and_its_old_holder_fenced(database: Database) -> None:
    with database.write() as session:
        (old,) = leases.take(session, ["a"], "me", timedelta(0))
        (new,) = leases.take(session, ["a"], "they", LEASE)
    assert (old.token, new.token) == (1, 2)
    with database.write() as session:
        assert leases.renew(session, [old], LEASE) == ()
        leases.release(session, [old])
        assert leases.renew(session, [new], LEASE) == (new,)
        assert leases.take(session, ["a"], "me", LEASE) == ()


def test_a_lease_is_kept_by_renewing_and_freed_by_dropping(database: Database) -> None:
    with database.write() as session:
        held = leases.take(session, ["a", "b"], "me", timedelta(0))
        assert leases.renew(session, held, LEASE) == held
        assert leases.take(session, ["a", "b"], "they", LEASE) == ()
        leases.release(session, held)
        assert leases.renew(session, held, LEASE) == ()
        again = leases.take(session, ["a", "b"], "they", LEASE)
        leases.release(session, held)
        assert leases.renew(session, again, LEASE) == again


def test_who_begins_anew_has_nothing(database: Database) -> None:
    with database.write() as session:
        mine = leases.take(session, ["a", "b"], "me", LEASE)
        theirs = leases.take(session, ["c"], "they", LEASE)
        leases.forget(session, "me")
        assert leases.renew(session, [*mine, *theirs], LEASE) == theirs
        assert [one.name for one in leases.take(session, ["a", "b", "c"], "me", LEASE)] == [
            "a",
            "b",
        ]


def test_many_at_once_share_the_buckets_without_overlap(database: Database) -> None:
    together = Barrier(6)

    def take(holder: int) -> tuple[Lease, ...]:
        together.wait()
        wanted = BUCKETS if holder % 2 else BUCKETS[::-1]
        with database.write() as session:
            return leases.take(session, wanted, str(holder), LEASE)

    with ThreadPoolExecutor(6) as pool:
        names = [one.name for got in pool.map(take, range(6)) for one in got]
    assert sorted(names) == sorted(BUCKETS)
