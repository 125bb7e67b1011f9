"""Doing a stage once: skipped where it is done, resumed where it was broken off."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alambique.registry import stages
from alambique.registry.records import StageDone
from alambique.spec.fields import Spec
from alambique.spec.schema import SCHEMA
from alambique.spec.states import StageName
from alambique.workers.files import sync, write_text
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import makers_of, record_maker
from alambique.workers.pipeline.records import StageOutput
from alambique.workers.pipeline.training_runs import StagePart

_RECORD = "stage.json"

Output = TypeVar("Output", bound=StageOutput)


def key_of(stage: StageName, reads: Mapping[str, Any]) -> str:
    """The key of a stage: a hash of the schema, and of all that its output depends on."""
    content = json.dumps([SCHEMA, stage, reads], sort_keys=True, default=_plain)
    return hashlib.sha256(content.encode()).hexdigest()


def run_stage(
    work: JobContext,
    stage: StageName,
    reads: Mapping[str, Any],
    output: type[Output],
    do: Callable[[Path], Output],
    part: StagePart | None = None,
) -> Output:
    """The output of a stage, from whichever job of the project has done it; else from `do`.

    A job that is `fresh` takes it only from an attempt of its own.

    Args:
        work: the job.
        stage: which stage.
        reads: the part of the spec that it reads, and the content hashes of its inputs.
        output: the type of what it gives.
        do: does it in the folder it is given, which holds what an earlier attempt left there.
        part: which part of the stage this is, where it has several.
    """
    place = locate_stage(work, stage, reads)
    with work.alone(place.name, f"{stage}: another job is doing the same; waiting for its result"):
        return _given(work, place, output, do, part)


def run_stage_if_free(
    work: JobContext,
    stage: StageName,
    reads: Mapping[str, Any],
    output: type[Output],
    do: Callable[[Path], Output],
    part: StagePart | None = None,
) -> Output | None:
    """As `once`, but None while another job is doing it: there may be other things to do first."""
    place = locate_stage(work, stage, reads)
    with work.alone_if_free(place.name) as mine:
        return _given(work, place, output, do, part) if mine else None


def is_done(work: JobContext, stage: StageName, reads: Mapping[str, Any]) -> bool:
    """Whether the stage has been done, by whichever job of the project."""
    return find_done(work, locate_stage(work, stage, reads)) is not None


@dataclass(frozen=True, slots=True)
class StageLocation:
    """Where what a stage gives is kept, and the name under which one job at a time does it."""

    stage: StageName
    key: str
    folder: Path
    name: str


def locate_stage(work: JobContext, stage: StageName, reads: Mapping[str, Any]) -> StageLocation:
    """The place of a stage that reads this."""
    # a fresh job has keys of its own: nobody else's stages are its, and its own are when it resumes
    key = key_of(stage, {**reads, "job": work.id} if work.job.fresh else reads)
    folder = work.desk / f"{stage}-{key[:24]}"
    return StageLocation(stage, key, folder, f"stage:{work.job.project}:{key}")


def find_done(work: JobContext, place: StageLocation) -> StageDone | None:
    """What the stage gave, where a job of the project has done it."""
    found = work.read(lambda session: stages.find(session, work.job.project, place.key))
    return found if found is not None and _kept(place.folder) == found.output else None


def _given(
    work: JobContext,
    place: StageLocation,
    output: type[Output],
    do: Callable[[Path], Output],
    part: StagePart | None,
) -> Output:
    """What the stage gave before, else what it gives now; nobody else is doing it."""
    if found := find_done(work, place):
        named, done = (f" ({part.name})", part.end) if part else ("", 1.0)
        work.log(f"{place.stage}: done before, by job {found.job_id}{named}")
        work.report(place.stage, done, message="done before")
        return output.model_validate(found.output)
    begin_stage(place)
    return record_stage(work, place, do(place.folder))


def begin_stage(place: StageLocation) -> None:
    """Make the folder of a stage that is about to be done, or gone on with, by this code."""
    place.folder.mkdir(parents=True, exist_ok=True)
    record_maker(place.folder)


def record_stage(work: JobContext, place: StageLocation, given: Output) -> Output:
    """Write down what a stage gave, and return it with the code that made it: it is done."""
    given = given.with_makers(makers_of(place.folder))
    content = given.model_dump(mode="json")
    sync(place.folder)
    write_text(place.folder / _RECORD, json.dumps(content))
    project, key = work.job.project, place.key
    work.write(
        lambda session: stages.done(
            session, work.id, work.token, project, key, place.stage, content
        )
    )
    return given


def _kept(folder: Path) -> Any:
    """What the folder says the stage gave; the registry may speak of one that was deleted since."""
    record = folder / _RECORD
    try:
        return json.loads(record.read_text())
    except (FileNotFoundError, ValueError):  # cut short, what it stands for may be as well
        return None


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Spec) else str(value)
