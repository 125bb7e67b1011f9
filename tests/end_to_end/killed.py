"""A driver that is killed with signal 9 at one exact report of its job: the tests' fault."""

import os
import signal
import sys
from typing import Any
from uuid import UUID

import torch

from alambique.registry.database import Database
from alambique.spec.settings import Settings
from alambique.spec.states import Stage
from alambique.workers import driver
from alambique.workers.work import Work


def kill_at(stage: Stage, number: int) -> None:
    """Makes this process die at the `number`-th report of a stage, counted from 1."""
    seen = [0]
    report = Work.report

    def told(self: Work, at: Stage, fraction: float, **more: Any) -> None:
        report(self, at, fraction, **more)
        seen[0] += at is stage
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    Work.report = told  # type: ignore[method-assign]


if __name__ == "__main__":
    torch.set_num_threads(1)
    job, token, stage, number = sys.argv[1:]
    if stage != "never":
        kill_at(Stage(stage), int(number))
    settings = Settings()
    sys.exit(driver.drive(settings, Database(settings.database), UUID(job), int(token)))
