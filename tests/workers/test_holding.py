"""Keeping a job: renewed while it is ours, interrupted when asked, ended when it is another's."""

import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from alambique.registry import jobs, leases, tables
from alambique.spec.errors import LostLease
from alambique.spec.states import Reason, StageName, State
from alambique.workers.pipeline.context import JobContext, forward_logs
from alambique.workers.pipeline.lease_keeper import LOST, LeaseKeeper

MakeContext = Callable[..., JobContext]
Away = Callable[[SecretStr], AbstractContextManager[None]]
LEASE = timedelta(minutes=1)
HOLDER = """
import sys, threading
from datetime import timedelta
from uuid import UUID

from alambique.registry.database import Database
from alambique.workers.pipeline.lease_keeper import LeaseKeeper
from alambique.workers.pipeline.context import JobContext, forward_logs

url, job, token = sys.argv[1:]
database, job, token = Database(url), UUID(job), int(token)
lease = timedelta(minutes=1)
with LeaseKeeper(database, job, token, lease=lease, heartbeat=0.05) as holding:
    # as a driver does
    with forward_logs(JobContext(job, token, None, None, database, holding, None)):
        holding.take(["stage:default:x"])
        print("held", flush=True)
        threading.Event().wait(60)
"""


def held(job_context: JobContext, heartbeat: float = 0.05) -> LeaseKeeper:
    return LeaseKeeper(
        job_context.database, job_context.id, job_context.token, lease=LEASE, heartbeat=heartbeat
    )


def test_the_lease_is_renewed_meanwhile(job_context: MakeContext) -> None:
    job = job_context()
    with job.database.read() as session:
        before = session.get_one(tables.Job, job.id).lease_until
    assert before is not None
    with held(job):
        pause, later = threading.Event(), before
        for _ in range(600):
            with job.database.read() as session:
                later = session.get_one(tables.Job, job.id).lease_until or before
            if later > before + timedelta(seconds=0.1):
                break
            pause.wait(0.05)
    assert later > before + timedelta(seconds=0.1)


@contextmanager
def holder(job: JobContext) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the job, and a stage of it."""
    command = [sys.executable, "-c", HOLDER, job.settings.database, str(job.id), str(job.token)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_process_whose_job_is_another_s_ends(job_context: MakeContext) -> None:
    job = job_context()
    with holder(job) as process:
        with job.database.write() as session:
            jobs.fail(session, job.id, job.token, Reason.LOST_WORKER, "its lease ran out")
            jobs.take(session, "another", LEASE, job_id=job.id)
        assert process.wait(30) == LOST
    with job.database.read() as session:
        row = jobs.find(session, job.id)
    assert (row.state, row.attempts) == (State.RUNNING, 2)


def test_a_process_whose_stage_another_may_do_by_now_ends(job_context: MakeContext) -> None:
    job = job_context()
    with holder(job) as process:
        with job.database.write() as session:
            leases.forget(session, f"job:{job.id}")
        assert process.wait(30) == LOST


def cancelled(job: JobContext) -> None:
    """Cancels a job that is held here, and waits for the interrupt: it may come at any time now."""
    with job.database.write() as session:
        jobs.cancel(session, job.id)
    threading.Event().wait(30)


def test_a_database_that_restarts_is_waited_for(
    job_context: MakeContext, away: Away, on_server: SecretStr, caplog: pytest.LogCaptureFixture
) -> None:
    job = job_context(database_url=on_server)
    keeper, pause = held(job, heartbeat=0.02), threading.Event()
    with keeper, forward_logs(replace(job, leases=keeper)):
        with away(on_server):
            job.report(StageName.TEACH, 0.5)
            for _ in range(600):
                if caplog.text.count("the database does not answer") > 5:
                    break
                pause.wait(0.05)
        assert caplog.text.count("the database does not answer") > 5
        with pytest.raises(KeyboardInterrupt):
            cancelled(job)
    assert keeper.asked == "cancel"
    job.database.dispose()


def test_a_deadline_is_seen_where_nobody_dispatches(job_context: MakeContext) -> None:
    job = job_context("deadline=1s")
    keeper = held(job)
    with pytest.raises(KeyboardInterrupt), keeper:
        threading.Event().wait(30)
    assert keeper.asked == "cancel"
    with job.database.write() as session:
        row = jobs.release(session, job.id, job.token)
    assert (row.state, row.reason) == (State.CANCELLED, Reason.DEADLINE)
    assert "its deadline was" in (row.message or "")


def test_a_job_that_is_another_s_already_is_not_begun(job_context: MakeContext) -> None:
    job = job_context()
    with job.database.write() as session:
        jobs.release(session, job.id, job.token)
    with pytest.raises(LostLease, match="stop"), held(job):
        pytest.fail("it was begun")


def test_a_wish_to_cancel_interrupts_the_main_thread(job_context: MakeContext) -> None:
    job = job_context()
    keeper = held(job)
    with pytest.raises(KeyboardInterrupt), keeper:
        cancelled(job)
    assert keeper.asked == "cancel"


def test_the_end_of_the_job_is_no_loss(job_context: MakeContext) -> None:
    """What comes after it, such as leaving Ray, is not interrupted by a lease that is gone."""
    job = job_context()
    with held(job) as keeper:
        keeper.stop()
        assert "heartbeat" not in [thread.name for thread in threading.enumerate()]
        with job.database.write() as session:
            row = jobs.finish(session, job.id, job.token, {})
    assert row.state is State.SUCCEEDED


def test_names_are_held_by_one_and_free_at_the_end(job_context: MakeContext) -> None:
    one, other = job_context(), job_context()
    with held(one) as mine, held(other) as theirs:
        assert mine.take(["a", "b"]) == ["a", "b"]
        assert theirs.take(["b", "c"]) == ["c"]
        mine.release(["b", "c"])
        assert theirs.take(["a", "b", "c"]) == ["b"]
    with one.database.write() as session:
        assert len(leases.take(session, ["a", "b", "c"], "test", LEASE)) == 3


def test_who_waits_says_so_once_and_gets_it(job_context: MakeContext) -> None:
    one, other = job_context(), job_context()
    said: queue.Queue[str] = queue.Queue()
    with held(one) as mine, held(other) as theirs:
        mine.take(["a"])
        wanted = (["a", "b"], lambda: said.put("waits"))
        waiter = threading.Thread(target=theirs.wait_for, args=wanted)
        waiter.start()
        assert said.get(timeout=30) == "waits"
        mine.release(["a"])
        waiter.join(30)
        assert not waiter.is_alive()
        assert mine.take(["a", "b"]) == []
    assert said.empty()


def test_who_begins_anew_has_left_nothing_locked(job_context: MakeContext) -> None:
    """A driver that was killed holds the names of its first attempt no longer."""
    job, other = job_context(), job_context()
    held(job).take(["a"])
    with held(job) as again, held(other) as theirs:
        assert theirs.take(["a"]) == ["a"]
        assert again.take(["a"]) == []
