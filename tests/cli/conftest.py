"""The real program, run as a user runs it, against a real server: `alambique api`."""

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE
from uuid import uuid4

import pytest
from tests.job_results import job_result, result_row

from alambique.cli import main
from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import File, Metric
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings

PROGRAM = str(Path(sys.executable).with_name("alambique"))
Alambique = Callable[..., "subprocess.CompletedProcess[str]"]
Here = Callable[..., str]
Start = Callable[..., "subprocess.Popen[str]"]

JOB = """
name: tiny
task: named-entities
data: conll2002
teacher:
  model: {architecture: bert, layers: 2, width: 32, heads: 2, ffn: 64}
  train: {epochs: 1}
student: {layers: 1}
"""


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of the session's server."""
    return Settings(home=tmp_path_factory.mktemp("home"))


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """What the program reads, and nothing of this machine's own settings."""
    kept = {name: value for name, value in os.environ.items() if "ALAMBIQUE" not in name}
    return kept | {"ALAMBIQUE_HOME": str(settings.home)} | more


@pytest.fixture(scope="session")
def url(settings: Settings) -> Iterator[str]:
    """Of `alambique api` with a database that `alambique db upgrade` made."""
    own = environment(settings)
    subprocess.run([PROGRAM, "db", "upgrade"], env=own, check=True)
    command = [PROGRAM, "api", "--port", "0"]
    server = subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()
    assert "http://" in line
    yield line.split()[-1]
    server.terminate()
    assert server.wait(20) == 0
    server.stdout.close()


@pytest.fixture(scope="session")
def database(settings: Settings, url: str) -> Iterator[Database]:
    """The server's database: tests move jobs in it as workers do."""
    database = Database(settings.database)
    yield database
    database.dispose()


@pytest.fixture
def alambique(settings: Settings, url: str) -> Alambique:
    """Runs the program with these arguments; keywords are settings."""

    def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        own = environment(settings, **{"ALAMBIQUE_URL": url, **more})
        command = [PROGRAM, *map(str, arguments)]
        return subprocess.run(command, env=own, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def here(
    settings: Settings,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Here:
    """What the program prints, called in this process, which is faster than a new one."""
    monkeypatch.setenv("ALAMBIQUE_HOME", str(settings.home))
    monkeypatch.setenv("ALAMBIQUE_URL", url)

    def run(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", [PROGRAM, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
        return capsys.readouterr().out

    return run


@pytest.fixture
def start(settings: Settings, url: str) -> Iterator[Start]:
    """Starts the program with these arguments and settings; killed at the end of the test."""
    with ExitStack() as stack:

        def popen(*arguments: object, **more: str) -> "subprocess.Popen[str]":
            own = environment(settings, **{"ALAMBIQUE_URL": url, **more})
            process = subprocess.Popen(
                [PROGRAM, *map(str, arguments)], env=own, stdout=PIPE, stderr=PIPE, text=True
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield popen


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


@pytest.fixture
def version(settings: Settings, database: Database, job_file: Path) -> str:
    """The name of a model with one version of one file."""
    name, content = f"m-{uuid4().hex[:8]}", b"{}"
    with database.write() as session:
        queued = jobs.submit(session, read_job(job_file.read_text(), ["name=made"]))
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=queued.id)
    assert row is not None
    path = Path(settings.artifact_root) / name / "config.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with database.write() as session:
        versions.record(
            session,
            row.id,
            row.token,
            name=name,
            role="student",
            task=row.task,
            labels=("O",),
            parameters=1_500_000,
            macs_linear=5000,
            macs_full=6000,
            weights="0" * 64,
            artifact=name,
            files=[File("config.json", hashlib.sha256(content).hexdigest(), len(content))],
            metrics=[Metric("conll2002", "test", "f1", 0.875)],
        )
        # it is over: other tests ask what waits for what
        jobs.finish(session, row.id, row.token, job_result(result_row("distilled")))
    return name


@pytest.fixture
def serverless(here: Here, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """As `here`, where ALAMBIQUE_URL names no server and none runs at the default's port.

    That is another port than the real default's, where something may run.
    """
    monkeypatch.setenv("ALAMBIQUE_URL", "")
    with socket.socket() as nobody, monkeypatch.context() as patched:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        patched.setattr(Settings.model_fields["url"], "default", url)
        Settings.model_rebuild(force=True)
        yield here
    Settings.model_rebuild(force=True)
