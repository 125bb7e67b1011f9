"""A Ray that a process keeps for all tests, and drivers that connect to it from their own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any
from uuid import UUID

import psutil  # type: ignore[import-untyped]

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.settings import Settings


class Cluster:
    """A Ray that a process of its own keeps."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.address = self._line()

    @property
    def processes(self) -> list[psutil.Process]:
        """All that Ray has running, its workers among it, and who keeps it."""
        keeper = psutil.Process(self._process.pid)
        return [keeper, *keeper.children(recursive=True)]

    @property
    def environment(self) -> dict[str, str]:
        """What a worker finds in its own."""
        found: dict[str, str] = self._asked("environment")
        return found

    def is_free(self) -> bool:
        """Whether nothing is reserved, and nothing runs."""
        found: dict[str, float] = self._asked("reserved")
        return found == {"CPU": 0, "places": 0}

    def _asked(self, what: str) -> Any:
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        return json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Drivers:
    """Drivers of this test's own, each in a process forked from one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def processes(self) -> list[psutil.Process]:
        """The driver that is at work, and what it has started."""
        found: list[psutil.Process] = psutil.Process(self._process.pid).children(recursive=True)
        return found

    def attempt(
        self, settings: Settings, database: Database, job: UUID, where: str, number: int
    ) -> int:
        """One attempt at the job, ended there; its exit code."""
        with database.write() as session:
            taken = jobs.take(session, "test", settings.lease_time, job_id=job)
        assert taken is not None
        asked = {"job": str(job), "token": taken.token, "where": where, "number": number}
        said = settings.model_dump(
            mode="json", include={"home", "lease", "heartbeat", "ray_address"}
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked | {"settings": said}), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@contextmanager
def started(
    environment: dict[str, str], script: Path, *more: str
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(script), *more]
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True) as process:
        yield process  # it ends with its input
