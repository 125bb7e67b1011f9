"""What a student costs: sizes from its config, and its latency where a goal asks for it."""

from collections.abc import Callable
from pathlib import Path

from alambique.models.configs import longest_text, read_config
from alambique.models.counts import count
from alambique.spec.job import Job
from alambique.tasks.all import find
from alambique.workers.pipeline.failures import user_message
from alambique.workers.scoring import LoadedModel
from alambique.workers.stages.speed import latency_of


def measured(job: Job, labels: tuple[str, ...], folder: Path) -> dict[str, float]:
    """What the student in a folder costs: its sizes, and its latency where a goal asks for it.

    Args:
        job: the one that is searched for.
        labels: of its data.
        folder: the student's.
    """
    return _sizes(job, labels, folder) | _latency(job, labels, folder)


def measurable(
    job: Job, labels: tuple[str, ...], folder: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """As `measured`, but what cannot be measured is left out, and said."""
    found: dict[str, float] = {}
    try:
        for some in (_sizes, _latency):
            found |= some(job, labels, folder)
    except Exception as error:
        found_text = user_message(error)
        say(f"warning: not all costs of the student in {folder} could be measured: {found_text}")
    return found


def _sizes(job: Job, labels: tuple[str, ...], folder: Path) -> dict[str, float]:
    """Parameters, and operations for a text of the job's `train.max_length`, whatever a trial's."""
    config = read_config(folder)
    found = count(
        config, task=find(job.task).output, labels=len(labels), length=_length(job, folder)
    )
    return {"macs": float(found.macs_full), "parameters": float(found.parameters)}


def _latency(job: Job, labels: tuple[str, ...], folder: Path) -> dict[str, float]:
    """Milliseconds for such a text, in this process, beside whatever else runs on the machine."""
    goals = job.search.targets if job.search else ()
    if "latency_ms" not in [goal.name for goal in goals]:
        return {}
    length = _length(job, folder)
    examined = LoadedModel.of(
        find(job.task), folder, labels, max_length=job.train.max_length, stride=job.train.stride
    )
    found = latency_of(examined, folder, length)
    return {"latency_ms": found.mean_ms}


def _length(job: Job, folder: Path) -> int:
    longest = longest_text(read_config(folder))
    return min(job.train.max_length, longest or job.train.max_length)
