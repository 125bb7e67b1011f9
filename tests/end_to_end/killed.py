"""Drivers that are killed with signal 9 at one exact point of their jobs: the tests' fault.

A line of JSON asks for an attempt, a line with its exit code answers. Each attempt is a process of
its own, forked from this one: what takes seconds to import is imported once.
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
from alambique.spec.states import Stage
from alambique.workers import driver
from alambique.workers.training import loop
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
    seen = [0]
    step = loop.Run._step

    def counted(self: loop.Run, *arguments: Any) -> loop.Means:
        seen[0] += 1
        if seen[0] == number:
            die()
        return step(self, *arguments)

    loop.Run._step = counted  # type: ignore[method-assign,assignment]


def end_at_trial(number: int, how: signal.Signals) -> None:
    """Makes this process get a signal once so many trials of a search are over, in this attempt."""
    seen = [0]
    end = trials.end

    def ended(*what: Any, **more: Any) -> Trial:
        found = end(*what, **more)
        seen[0] += 1
        if seen[0] == number:
            # a little later: what is written here is whole, and others run
            threading.Timer(0.2, os.kill, (os.getpid(), how)).start()
        return found

    trials.end = ended


def attempt(job: str, token: int, where: str, number: int, settings: dict[str, Any]) -> int:
    """One attempt at a job, killed at that point; its exit code."""
    if where == "step":
        kill_at_step(number)
    elif where in ("trial", "trial, in order"):
        end_at_trial(number, signal.SIGKILL if where == "trial" else signal.SIGTERM)
    elif where != "never":
        kill_at_report(Stage(where), number)
    said = Settings(**settings)
    return driver.drive(said, Database(said.database), UUID(job), token)


if __name__ == "__main__":
    torch.set_num_threads(1)
    import_module("alambique.workers.carrying")  # a driver imports it once it holds its job
    for line in sys.stdin:
        if not (child := os.fork()):
            os._exit(attempt(**json.loads(line)))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
