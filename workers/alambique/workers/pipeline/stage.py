"""Stages of a job as values: each is skipped where it is done, and resumed where it was broken off.

A stage's key is a hash of everything that its result depends on. Whoever has the same key, in this
job or in another one of the project, has the same result, which lies in a folder of that key.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from alambique.cache.keys import RESULTS_VERSION
from alambique.registry import stages
from alambique.registry.records import StageDone
from alambique.spec.fields import Spec
from alambique.spec.states import StageName
from alambique.workers.files import sync, write_text
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import STAGE_CODE, record_running_code, recorded_code
from alambique.workers.pipeline.records import StageResult

_RECORD = "stage.json"

Result = TypeVar("Result", bound=StageResult)
Result_co = TypeVar("Result_co", bound=StageResult, covariant=True)


@dataclass(frozen=True, slots=True)
class StagePart:
    """One of the equal parts of a stage, for its progress."""

    stage: StageName
    name: str
    """The name of the part in the log."""
    index: int = 0
    """From 0."""
    count: int = 1
    """The number of parts of the stage."""

    def fraction(self, done: float = 0.0) -> float:
        """Return the completed fraction of the stage when `done` of this part is complete."""
        return (self.index + done) / self.count


class Stage(Protocol[Result_co]):
    """A piece of a job's work whose result is kept."""

    @property
    def part(self) -> StagePart:
        """Which stage of the job it belongs to, and where its progress is shown."""

    @property
    def result_type(self) -> type[Result_co]:
        """What `run` returns, as it is read back from JSON."""

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return everything that the result depends on: fields of the job, hashes of inputs."""

    def run(self, context: JobContext, folder: Path) -> Result_co:
        """Do the work in a folder that holds what an attempt that was broken off left there."""


@dataclass(frozen=True, slots=True)
class StageLocation:
    """Where the result of a stage is kept."""

    stage: StageName
    key: str
    folder: Path
    lease: str
    """The name under which one job at a time does the stage."""


def run_stage(context: JobContext, stage: Stage[Result]) -> Result:
    """Return the result of a stage: kept from any job of the project, else from running it now.

    Another job that is doing the same is waited for. A job that is `fresh` takes results of its own
    earlier attempts alone.
    """
    location = locate_stage(context, stage)
    waiting = f"{location.stage}: another job is doing the same; waiting for its result"
    with context.lease(location.lease, waiting):
        return _find_or_run(context, stage, location)


def run_stage_if_free(context: JobContext, stage: Stage[Result]) -> Result | None:
    """Return the result of a stage as `run_stage` does, or None while another job is doing it."""
    location = locate_stage(context, stage)
    with context.lease_if_free(location.lease) as is_ours:
        return _find_or_run(context, stage, location) if is_ours else None


def locate_stage(context: JobContext, stage: Stage[Result]) -> StageLocation:
    """Return where the result of a stage is kept."""
    name, key = stage.part.stage, stage_key(context, stage)
    folder = context.stages_folder / f"{name}-{key[:24]}"
    return StageLocation(name, key, folder, f"stage:{context.job.project}:{key}")


def stage_key(context: JobContext, stage: Stage[Result]) -> str:
    """Return the key of a stage."""
    return hash_inputs(context, stage.part.stage, stage.key_inputs(context))


def hash_inputs(context: JobContext, stage: StageName, inputs: Mapping[str, Any]) -> str:
    """Return a hash of the version of results, a stage's name and what its result depends on."""
    # a fresh job has keys of its own: it takes no other job's results, and its own when it resumes
    inputs = {**inputs, "job": context.id} if context.job.fresh else inputs
    content = json.dumps([RESULTS_VERSION, stage, inputs], sort_keys=True, default=_as_json)
    return hashlib.sha256(content.encode()).hexdigest()


def find_done(context: JobContext, location: StageLocation) -> StageDone | None:
    """Return what the registry has of a stage that is done; None where its folder lacks it."""
    project, key = context.job.project, location.key
    done = context.read(lambda session: stages.find(session, project, key))
    return done if done is not None and _read_record(location.folder) == done.output else None


def begin_stage(location: StageLocation) -> None:
    """Make the folder of a stage that this code is about to do, or to go on with."""
    location.folder.mkdir(parents=True, exist_ok=True)
    record_running_code(location.folder)


def record_stage(context: JobContext, location: StageLocation, result: Result) -> Result:
    """Write down that a stage is done, and return its result with the code that made it."""
    result = result.with_code(recorded_code(location.folder / STAGE_CODE))
    content = result.model_dump(mode="json")
    sync(location.folder)
    write_text(location.folder / _RECORD, json.dumps(content))
    project, key = context.job.project, location.key
    context.write(
        lambda session: stages.record(
            session, context.id, context.token, project, key, location.stage, content
        )
    )
    return result


def _find_or_run(context: JobContext, stage: Stage[Result], location: StageLocation) -> Result:
    """Return the result of a stage that nobody else is doing."""
    if done := find_done(context, location):
        part = stage.part
        of_several = f" ({part.name})" if part.count > 1 else ""
        context.log(f"{location.stage}: done before, by job {done.job_id}{of_several}")
        context.report(location.stage, part.fraction(1.0), message="done before")
        return stage.result_type.model_validate(done.output)
    begin_stage(location)
    return record_stage(context, location, stage.run(context, location.folder))


def _read_record(folder: Path) -> Any:
    """Return the result that a folder names: the registry may name one that was deleted since."""
    try:
        return json.loads((folder / _RECORD).read_text())
    except (FileNotFoundError, ValueError):  # cut short, what it stands for may be as well
        return None


def _as_json(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Spec) else str(value)
