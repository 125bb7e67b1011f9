"""Doing a stage once: skipped where it is done, resumed where it was broken off."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from alambique.registry import stages
from alambique.spec.fields import Spec
from alambique.spec.states import Stage
from alambique.workers.files import put
from alambique.workers.running import Part
from alambique.workers.work import Work

SCHEMA = 1
"""Goes into every key: raised when a stage gives something else for the same input."""

_RECORD = "stage.json"

Output = TypeVar("Output", bound=Spec)


def key_of(stage: Stage, reads: Mapping[str, Any]) -> str:
    """The key of a stage: a hash of its schema, and of all that its output depends on."""
    content = json.dumps([SCHEMA, stage, reads], sort_keys=True, default=_plain)
    return hashlib.sha256(content.encode()).hexdigest()


def once(
    work: Work,
    stage: Stage,
    reads: Mapping[str, Any],
    output: type[Output],
    do: Callable[[Path], Output],
    part: Part | None = None,
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
    # a fresh job has keys of its own: nobody else's stages are its, and its own are when it resumes
    key = key_of(stage, {**reads, "job": work.id} if work.job.fresh else reads)
    folder = work.desk / f"{stage}-{key[:24]}"
    name = f"stage:{work.job.project}:{key}"
    with work.alone(name, f"{stage}: another job is doing the same; waiting for its result"):
        with work.database.read() as session:
            found = stages.find(session, work.job.project, key)
        if found is not None and _kept(folder) == found.output:
            named, done = (part.name, part.end) if part else (stage, 1.0)
            work.log(f"{named}: done before, by job {found.job_id}")
            work.report(stage, done, message="done before")
            return output.model_validate(found.output)
        folder.mkdir(parents=True, exist_ok=True)
        given = do(folder)
        content = given.model_dump(mode="json")
        put(folder / _RECORD, json.dumps(content))
        with work.database.write() as session:
            stages.done(session, work.id, work.token, work.job.project, key, stage, content)
        return given


def _kept(folder: Path) -> Any:
    """What the folder says the stage gave; the registry may speak of one that was deleted since."""
    record = folder / _RECORD
    return json.loads(record.read_text()) if record.exists() else None


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Spec) else str(value)
