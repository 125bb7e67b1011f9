"""Killed and stalled at every point: each job's effects happen exactly once."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import select

from alambique.registry import jobs, tables, versions
from alambique.registry.database import Database
from alambique.spec.states import State

TAKERS = Path(__file__).with_name("takers.py")
JOBS = 40


def test_every_effect_happens_once_whoever_dies(empty_url: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(TAKERS), empty_url], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > JOBS // 4
    database = Database(empty_url)
    _every_job_is_done_once(database)
    _every_attempt_is_accounted_for(database)
    database.dispose()


def _every_job_is_done_once(database: Database) -> None:
    with database.read() as session:
        rows = jobs.page(session, limit=2 * JOBS).items
        made = versions.page(session, limit=2 * JOBS).items
        effects = session.scalars(select(tables.Event).filter_by(kind="effect")).all()
        stages = session.scalars(select(tables.StageDone)).all()
    assert {row.name for row in rows} == {f"job-{number}" for number in range(JOBS)}
    assert len(rows) == len(made) == len(effects) == len(stages) == JOBS
    assert {row.state for row in rows} == {State.SUCCEEDED}
    assert {version.job_id for version in made} == {row.id for row in rows}
    assert sorted(version.number for version in made) == list(range(1, JOBS + 1))
    done = {row.id: row.token for row in rows}
    assert {effect.job_id: effect.content["token"] for effect in effects} == done
    assert {row.id: row.result for row in rows} == {
        job_id: {"token": token} for job_id, token in done.items()
    }


def _every_attempt_is_accounted_for(database: Database) -> None:
    with database.read() as session:
        rows = jobs.page(session, limit=2 * JOBS).items
        for row in rows:
            query = select(tables.Attempt).filter_by(job_id=row.id).order_by(tables.Attempt.token)
            attempts = session.scalars(query).all()
            assert [one.token for one in attempts] == list(range(1, row.token + 1))
            *lost, last = [one.outcome for one in attempts]
            assert set(lost) <= {State.RETRYING}
            assert last is State.SUCCEEDED
            told = [one for one in jobs.events(session, row.id) if one.kind == "state"]
            assert len(told) == 1 + 2 * len(attempts)
