"""Run by test_takers.py: `takers.py URL`. Many processes do 40 jobs; most attempts are disturbed.

Each process upgrades the (empty) database, posts all jobs under the same keys, and takes jobs until
all are over. In the first two attempts at a job it is killed, or stalls until it has lost the job,
as `PLANS` says. A killed process is replaced. An attempt has three effects: a stage, a version, and
an event "effect" in the transaction that ends the job. Prints how many processes were killed.
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
from alambique.spec.states import Stage

JOBS = 40
PROCESSES = 8
LEASE = timedelta(milliseconds=250)
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
    running = {_start(url, number) for number in range(PROCESSES)}
    killed = 0
    while running:
        process, status = os.wait()
        running.remove(process)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            killed += 1
            running.add(_start(url, PROCESSES + killed))
        elif status != 0:
            sys.exit(f"a process ended with status {status}")
    sys.stdout.write(str(killed))


def _start(url: str, number: int) -> int:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work(url, f"process-{number}")
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return process


def work(url: str, name: str) -> None:
    database = Database(url)
    database.upgrade()
    for number in range(JOBS):
        post(database, number)
    while not over(database):
        with database.write() as session:
            jobs.reap(session, retries=PATIENT)
            row = jobs.take(session, name, LEASE)
        if row is None:
            time.sleep(0.01)  # between two looks, as a dispatcher does
        else:
            attempt(database, row)


def post(database: Database, number: int) -> None:
    job = {
        "name": f"job-{number}",
        "task": "named-entities",
        "data": "sample-ner",
        "teacher": {"model": "sample-encoder"},
        "student": {"layers": 2},
    }
    with database.write() as session:
        jobs.submit(session, Job.model_validate(job), key=f"key-{number}")


def over(database: Database) -> bool:
    with database.read() as session:
        return all(row.state.over for row in jobs.page(session, limit=JOBS).items)


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
    number = int((row.name or "").removeprefix("job-"))
    return PLANS[(number + 3 * row.token) % len(PLANS)] if row.token <= 2 else "nothing"


def record(session: Session, row: JobRow) -> None:
    output = {"token": row.token}
    stages.done(session, row.id, row.token, row.project, row.name or "", Stage.TEACH, output)
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
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1])
