"""The same server on PostgreSQL: a job from being posted to its last event."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import httpx2
from pydantic import SecretStr

from alambique.api.client import Client
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.settings import Settings

Serve = Callable[[Settings, int], AbstractContextManager[str]]


def test_a_job_on_postgres(postgres_url: str, tmp_path: Path, serve: Serve, job: Job) -> None:
    settings = Settings(home=tmp_path, database_url=SecretStr(postgres_url))
    database = Database(settings.database)
    database.upgrade()
    with serve(settings, 0) as url, Client(url, pause=0.05) as client:
        posted = client.submit(job, key="once")
        assert client.submit(job, key="once").id == posted.id
        events = client.watch(posted.id)
        assert next(events).content["state"] == "queued"
        with database.write() as session:
            row = jobs.take(session, "test", timedelta(minutes=1), job_id=posted.id)
        assert row is not None
        assert next(events).content["state"] == "running"
        with database.write() as session:
            jobs.finish(session, row.id, row.token, {"rows": []})
        assert [event.content["state"] for event in events] == ["succeeded"]
        assert [found.id for found in client.jobs(project=job.project).items] == [posted.id]
    database.dispose()


def test_a_database_that_is_away_is_said_to_be(
    tmp_path: Path, serve: Serve, free_port: int
) -> None:
    away = SecretStr(f"postgresql+psycopg://user:hunter2@127.0.0.1:{free_port}/none")
    with serve(Settings(home=tmp_path, database_url=away), 0) as url:
        answer = httpx2.get(f"{url}/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "hunter2" not in answer.text
