"""What one pass of the teacher for a whole search is worth, in seconds and in passes.

`python benchmarks/sharing.py JOB.yaml --teacher FOLDER`.

Tries every point of the job's grid twice: as the trials of its search, one at a time, and each as a
job of its own that finds no teacher outputs. Times are of the stages cache and distil alone. The
teacher has to come fine-tuned, so that neither side pays for it, and every training takes one
thread, as that of a trial does:

    alambique models download depth-and-mapping-teacher --to teacher
    export OMP_NUM_THREADS=1
    python benchmarks/sharing.py recipes/depth-and-mapping.yaml --teacher teacher
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from pathlib import Path
from uuid import UUID

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.space import Listed, axes, job_with_values
from alambique.spec.states import StageName
from alambique.workers.queue.driver import run_here


@dataclass(frozen=True)
class Paid:
    """What a job took."""

    outputs: int
    """Of the teacher, computed."""
    examples: int
    """That it learns from."""
    cache: float
    """Seconds."""
    distil: float
    """Seconds."""


def main() -> None:
    """Prints a line for each side, and the ratio of their times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--teacher", type=Path, required=True, help="a folder, fine-tuned")
    parser.add_argument("--set", action="append", default=[], metavar="path=value")
    said = parser.parse_args()
    given = (f"teacher.model={said.teacher.absolute()}", "teacher.train=null", "compare=[]")
    job = read_job(said.job.read_text(), [*said.set, *given, "search.concurrent=1"])
    shared = [paid(job)]
    apart = [paid(one) for one in points(job)]
    print(f"{'':28}{'passes':>8}{'cache s':>10}{'distil s':>10}{'together':>10}")
    for name, found in (("one search, one cache", shared), ("each a job of its own", apart)):
        passes = sum(one.outputs for one in found) / found[0].examples
        seconds = sum(one.cache for one in found), sum(one.distil for one in found)
        print(f"{name:28}{passes:8.1f}{seconds[0]:10.0f}{seconds[1]:10.0f}{sum(seconds):10.0f}")
    ratio = _together(apart) / _together(shared)
    print(f"{len(apart)} trials: {ratio:.2f} times as long without a shared cache")


def points(job: Job) -> list[Job]:
    """The job of every point of the grid."""
    every = [axis for axis in axes(job) if isinstance(axis, Listed)]
    values = product(*(axis.values for axis in every))
    return [
        job_with_values(job, dict(zip((axis.path for axis in every), one, strict=True)))
        for one in values
    ]


def paid(job: Job) -> Paid:
    """What the job takes in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        database = Database(settings.database)
        database.upgrade()
        row = run_here(settings, database, job, posted=_print_job)
        if row.result is None:
            raise SystemExit(f"{row.state}: {row.message}")
        outputs = row.result["outputs"]
        begun = [
            _begun(database, row.id, s)
            for s in (StageName.CACHE, StageName.DISTIL, StageName.EVALUATE)
        ]
        database.dispose()
    cached, distilled, evaluated = begun
    return Paid(
        outputs=outputs["computed"],
        examples=outputs["examples"],
        cache=(distilled - cached).total_seconds(),
        distil=(evaluated - distilled).total_seconds(),
    )


def _begun(database: Database, job: UUID, stage: StageName) -> datetime:
    with database.read() as session:
        found = jobs.notes(session, job, "progress")
    return next(one.at for one in found if one.content.get("stage") == stage)


def _together(found: Sequence[Paid]) -> float:
    return sum(one.cache + one.distil for one in found)


def _print_job(job: UUID) -> None:
    print(f"job {job}", flush=True)


if __name__ == "__main__":
    main()
