"""Drivers that are killed with signal 9 at one exact point of their jobs: the tests' fault.

A line of JSON asks for an attempt, a line with its exit code answers. Each attempt is a process of
its own, forked from this one: what takes seconds to import is imported once, also the modules that
the arguments name.
"""

import json
import os
import signal
import sys
import threading
from importlib import import_module
from typing import Any
from uuid import UUID

import torch

from alambique.registry import trials
from alambique.registry.database import Database
from alambique.registry.records import Trial
from alambique.spec.settings import Settings
from alambique.spec.states import StageName
from alambique.workers.pipeline.context import JobContext
from alambique.workers.queue import driver
from alambique.workers.training import loop
from alambique.workers.training.loss_log import StepLosses


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_report(stage: StageName, number: int) -> None:
    """Makes this process die at the `number`-th report of a stage, counted from 1."""
    seen = [0]
    report = JobContext.report

    def told(self: JobContext, at: StageName, fraction: float, **more: Any) -> None:
        report(self, at, fraction, **more)
        seen[0] += at is stage
        if seen[0] == number:
            die()

    JobContext.report = told  # type: ignore[method-assign,assignment]


def kill_at_step(number: int) -> None:
    """Makes this process die before its `number`-th training step, whichever run it belongs to."""
    seen = [0]
    step = loop.TrainingLoop.step

    def counted(self: loop.TrainingLoop, *arguments: Any) -> StepLosses:
        seen[0] += 1
        if seen[0] == number:
            die()
        return step(self, *arguments)

    loop.TrainingLoop.step = counted  # type: ignore[method-assign,assignment]


def end_at_trial(written: str, number: int, how: signal.Signals) -> None:
    """Makes this process get a signal once it has written so often that a trial begins, or ends."""
    seen = [0]
    write = getattr(trials, written)

    def counted(*what: Any, **more: Any) -> Trial:
        found: Trial = write(*what, **more)
        seen[0] += 1
        if seen[0] == number:
            # a little later: what is written here is whole, and Ray has the trial
            threading.Timer(0.5, os.kill, (os.getpid(), how)).start()
        return found

    setattr(trials, written, counted)


def attempt(job: str, token: int, where: str, number: int, settings: dict[str, Any]) -> int:
    """One attempt at a job, killed at that point; its exit code."""
    if where == "step":
        kill_at_step(number)
    elif where == "begun":
        end_at_trial("begin", number, signal.SIGTERM)
    elif where == "ended":
        end_at_trial("end", number, signal.SIGKILL)
    elif where != "never":
        kill_at_report(StageName(where), number)
    said = Settings(**settings)
    return driver.run_driver(said, Database(said.database), UUID(job), token)


if __name__ == "__main__":
    torch.set_num_threads(1)
    stages = [
        f"alambique.workers.stages.{name}" for name in ("check", "cache", "distil", "evaluate")
    ]
    for module in (*stages, *sys.argv[1:]):
        import_module(module)  # a driver does so once it holds its job, or comes to a search
    for line in sys.stdin:
        if not (child := os.fork()):
            os._exit(attempt(**json.loads(line)))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
