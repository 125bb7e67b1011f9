"""Two searches over one data set: what the second one computes of the teacher's outputs."""

import tempfile
from pathlib import Path
from uuid import UUID

from benchmarks.bench.workplace import MAX_LENGTH, STRIDE, Workplace

from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.workers.queue.driver import run_here

SENTENCES = 200
"""Of the data: how many passes there are does not depend on it."""


def second_passes(place: Workplace) -> float:
    """Return the passes of the teacher that a second search takes, of other students."""
    with tempfile.TemporaryDirectory(dir=place.folder) as home:
        settings = Settings(home=Path(home), data=place.data)
        database = Database(settings.database)
        database.upgrade()
        passes = [
            _passes(settings, database, _job(place, layers)) for layers in ("[1, 2]", "[3, 4]")
        ]
        database.dispose()
    if passes[0] != 1:
        raise SystemExit(f"the first search took {passes[0]} passes of the teacher, expected 1")
    return passes[1]


def _job(place: Workplace, layers: str) -> Job:
    train = f"{{epochs: 1, batch_size: 32, max_length: {MAX_LENGTH}, stride: {STRIDE}}}"
    return read_job(
        f"""
name: search
task: named-entities
data: {{name: conll2002, limit: {{train: {SENTENCES}, dev: 50, test: 50}}}}
teacher: {{model: {place.teacher.absolute()}, max_length: {MAX_LENGTH}, stride: {STRIDE}}}
student: {{start: random, layers: 1, width: 128, heads: 4, ffn: 256}}
train: {train}
search:
  space: {{student.layers: {layers}}}
  trials: 2
  sampler: grid
  scheduler: none
  goals: [f1 max]
  concurrent: 1
""",
        (),
    )


def _passes(settings: Settings, database: Database, job: Job) -> float:
    row = run_here(settings, database, job, posted=_ignore)
    if row.result is None:
        raise SystemExit(f"the search did not succeed: {row.state}: {row.message}")
    outputs = row.result["outputs"]
    return float(outputs["computed"] / outputs["examples"])


def _ignore(_: UUID) -> None:
    """The id of the job is of no use here."""
