"""A driver that is killed with signal 9 at one exact point of its job: the tests' fault."""

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


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_report(stage: Stage, number: int) -> None:
    """Makes this process die at the `number`-th report of a stage, counted from 1."""
    seen = [0]
    report = Work.report

    def told(self: Work, at: Stage, fraction: float, **more: Any) -> None:
        report(self, at, fraction, **more)
        seen[0] += at is stage
        if seen[0] == number:
            die()

    Work.report = told  # type: ignore[method-assign,assignment]


def kill_at_step(number: int) -> None:
    """Makes this process die before its `number`-th training step, whichever run it belongs to."""
    from alambique.workers.training.loop import Run

    seen = [0]
    step = Run._step

    def counted(self: Run, *arguments: Any) -> float:
        seen[0] += 1
        if seen[0] == number:
            die()
        return step(self, *arguments)

    Run._step = counted  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    torch.set_num_threads(1)
    job, token, where, number = sys.argv[1:]
    if where == "step":
        kill_at_step(int(number))
    elif where != "never":
        kill_at_report(Stage(where), int(number))
    settings = Settings()
    sys.exit(driver.drive(settings, Database(settings.database), UUID(job), int(token)))
