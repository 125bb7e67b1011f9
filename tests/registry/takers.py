"""Run by test_takers.py: `takers.py URL`. Many processes do 40 jobs; most attempts are disturbed.

The first processes upgrade the (empty) database and post all jobs under the same keys, at once;
then all take jobs until all are over. In an attempt its process is killed, or stalls until it has
lost the job, as `PLANS` says. A killed process is replaced. An attempt has
three effects: a stage, a version, and an event "effect" in the transaction that ends the job.
Prints how many processes were killed.
"""

import os
import signal
import sys
import time
from datetime import timedelta

from sqlalchemy.orm import Session

from alambique.registry import jobs, stages, versions
from alambique.registry.database import Database
from alambique.registry.records import JobRow
from alambique.registry.transitions import HELD, Retries
from alambique.spec.errors import LostLease
from alambique.spec.job import Job
from alambique.spec.states import StageName, State

JOBS = 40
PROCESSES = 8
LEASE = timedelta(milliseconds=250)
LOOK = 0.03
"""Seconds between two looks at the database, as a dispatcher does it."""
PATIENT = Retries(attempts=1000)
PLANS = (
    "nothing",
    "kill taken",
    "stall taken",
    "kill recording",
    "kill recorded",
    "stall recorded",
    "kill finishing",
)


def main(url: str) -> None:
    database = Database(url)  # has no connection yet: each process makes its own
    running = {_start(database, number, first=True) for number in range(PROCESSES)}
    killed = 0
    while running:
        process, status = os.wait()
        running.remove(process)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            killed += 1
            running.add(_start(database, PROCESSES + killed, first=False))
        elif status != 0:
            for other in running:
                os.kill(other, signal.SIGKILL)
            sys.exit(f"a process ended with status {status}")
    sys.stdout.write(str(killed))


def _start(database: Database, number: int, *, first: bool) -> int:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            if first:
                prepare(database)
            work(database, f"process-{number}")
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return process


def prepare(database: Database) -> None:
    database.upgrade()
    for number in range(JOBS):
        job = {
            "name": f"job-{number}",
            "task": "named-entities",
            "data": "sample-ner",
            "teacher": {"model": "sample-encoder"},
            "student": {"layers": 2},
        }
        with database.write() as session:
            jobs.submit(session, Job.model_validate(job), key=f"key-{number}")


def work(database: Database, name: str) -> None:
    while True:
        with database.write() as session:
            jobs.reap(session, retries=PATIENT)
            row = jobs.take(session, name, LEASE)
        if row is not None:
            attempt(database, row)
        elif over(database):
            return
        else:
            time.sleep(LOOK)


def over(database: Database) -> bool:
    with database.read() as session:
        left = [state for state in State if not state.over]
        return not any(jobs.page(session, state=state, limit=1).items for state in left)


def attempt(database: Database, row: JobRow) -> None:
    plan = planned(row)
    try:
        disturb(database, row, plan, "taken")
        with database.write() as session:
            record(session, row)
            disturb(database, row, plan, "recording")
        disturb(database, row, plan, "recorded")
        with database.write() as session:
            jobs.note(session, row.id, row.token, "effect", {"token": row.token})
            jobs.finish(session, row.id, row.token, {"token": row.token})
            disturb(database, row, plan, "finishing")
    except LostLease:
        return
    if plan.startswith("stall"):
        raise AssertionError(f"{row.name}: attempt {row.token} wrote after it had lost the job")


def planned(row: JobRow) -> str:
    """Every first attempt has a plan, and the second one of every fourth job."""
    number = int((row.name or "").removeprefix("job-"))
    disturbed = row.token == 1 or (row.token == 2 and number % 4 == 0)
    return PLANS[(number + 3 * row.token) % len(PLANS)] if disturbed else "nothing"


def record(session: Session, row: JobRow) -> None:
    output = {"token": row.token}
    stages.record(session, row.id, row.token, row.project, row.name or "", StageName.TEACH, output)
    versions.record(
        session,
        row.id,
        row.token,
        name="model",
        role="student",
        task=row.task,
        labels=("O",),
        parameters=1,
        macs_linear=1,
        macs_full=1,
        weights="weights",
        artifact=f"attempt-{row.token}",
        details=output,
    )


def disturb(database: Database, row: JobRow, plan: str, point: str) -> None:
    if plan == f"kill {point}":
        os.kill(os.getpid(), signal.SIGKILL)
    if plan == f"stall {point}":
        stall(database, row)


def stall(database: Database, row: JobRow) -> None:
    """Until the job is not this attempt's any more (whoever looks may find that)."""
    while True:
        with database.write() as session:
            jobs.reap(session, retries=PATIENT)
            found = jobs.find(session, row.id)
        if found.token != row.token or found.state not in HELD:
            return
        time.sleep(LOOK)


if __name__ == "__main__":
    main(sys.argv[1])
