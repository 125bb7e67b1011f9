"""Teacher, gold-only and distilled over several seeds: `python benchmarks/seeds.py JOB.yaml`.

Every seed gives a teacher and students of its own; none is left out. Prints a line for each, and
the mean and standard deviation of the primary metric.
"""

import argparse
import statistics
from pathlib import Path
from uuid import UUID

from alambique.registry.database import Database
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.workers.driver import run_here

NAMES = ("teacher", "gold-only", "distilled")
FRESH = ("fresh=true",)
"""A stage that was done before would give the figures of the program of that day."""


def main() -> None:
    """Runs the job once for each seed, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="path=value")
    said = parser.parse_args()
    settings = Settings()
    database = Database(settings.database)
    database.upgrade()
    text = said.job.read_text()
    found = [scores(settings, database, text, said.set, seed) for seed in range(1, said.seeds + 1)]
    print(f"{'':8}" + "".join(f"{name:>12}" for name in NAMES))
    for seed, row in enumerate(found, 1):
        print(f"seed {seed:<3}" + "".join(f"{100 * value:12.2f}" for value in row))
    columns = list(zip(*found, strict=True))
    print(f"{'mean':8}" + "".join(f"{100 * statistics.fmean(c):12.2f}" for c in columns))
    if len(found) > 1:
        print(f"{'std':8}" + "".join(f"{100 * statistics.stdev(c):12.2f}" for c in columns))


def scores(
    settings: Settings, database: Database, text: str, overrides: list[str], seed: int
) -> list[float]:
    """The primary metric of teacher, gold-only and distilled student."""
    seeds = [f"train.seed={seed}", f"teacher.train.seed={seed}"]
    row = run_here(settings, database, read_job(text, [*overrides, *FRESH, *seeds]), posted=_told)
    if row.result is None:
        raise SystemExit(f"seed {seed}: {row.state}: {row.message}")
    primary = row.result["primary"]
    by_name = {line["name"]: line["metrics"][primary] for line in row.result["rows"]}
    return [by_name[name] for name in NAMES]


def _told(job: UUID) -> None:
    print(f"job {job}", flush=True)


if __name__ == "__main__":
    main()
