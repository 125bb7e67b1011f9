"""Stage 6: every network of the job becomes a model version, with where it comes from."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import fsspec

from alambique.models.folders import TOKENIZER_FILES
from alambique.registry import versions
from alambique.registry.records import Edge, File, Metric, Version
from alambique.spec.states import Stage
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.workers.predicting import ABOUT
from alambique.workers.provenance import code_version
from alambique.workers.records import Checked, Evaluated, Score, Start, Trained
from alambique.workers.work import Work

_FILES = ("config.json", "model.safetensors", *TOKENIZER_FILES)


def register(
    work: Work, checked: Checked, trained: Sequence[Trained], evaluated: Evaluated
) -> dict[str, Any]:
    """The table of the job, each line with its version.

    The files are put where the version will point to before the version is written, under a name
    that only this attempt uses: a job that is killed here does it again, and registers once.
    """
    scores = {score.name: score for score in evaluated.scores}
    parent: Version | None = None
    about = _about(work, checked)
    rows = []
    for number, one in enumerate(trained):
        work.report(Stage.REGISTER, number / len(trained), message=f"registering the {one.name}")
        windows = {"max_length": one.max_length, "stride": one.stride}
        version = _registered(
            work, checked, one, scores[one.name], evaluated, parent, about | windows
        )
        parent = version if one.name == "teacher" else parent
        rows.append(_row(scores[one.name], version))
    return {
        "rows": rows,
        "primary": find(work.job.task).primary,
        "notes": notes(evaluated, find(work.job.task).primary),
        "settings": evaluated.settings,
    }


def notes(evaluated: Evaluated, primary: str) -> list[str]:
    """What a reader of the table should not miss."""
    values = {score.name: score.metrics[primary] for score in evaluated.scores}
    found = list(evaluated.notes)
    if "gold-only" in values and values["distilled"] <= values["gold-only"]:
        found.append(
            f"distilling did not help here: {primary} {values['distilled']:.4f} against "
            f"{values['gold-only']:.4f} on gold labels alone"
        )
    return found


def _registered(
    work: Work,
    checked: Checked,
    one: Trained,
    score: Score,
    evaluated: Evaluated,
    teacher: Version | None,
    about: dict[str, Any],
) -> Version:
    artifact = f"versions/{work.id}/{work.token}/{one.name}"
    files = _uploaded(work, one.folder, about, artifact)
    with work.database.write() as session:
        return versions.record(
            session,
            work.id,
            work.token,
            name=model_name(work.job.name, work.id, one.name),
            role="student" if one.name == "distilled" else one.name,
            task=work.job.task,
            labels=checked.data.labels,
            parameters=score.parameters,
            macs_linear=score.macs_linear,
            macs_full=score.macs_full,
            weights=one.weights,
            artifact=artifact,
            details=about | {"seconds": one.seconds, "diverged": one.diverged},
            files=files,
            metrics=list(_metrics(checked, score, evaluated)),
            lineage=list(_lineage(work, checked, one, teacher)),
        )


def _about(work: Work, checked: Checked) -> dict[str, Any]:
    return {
        "task": work.job.task,
        "labels": list(checked.data.labels),
        "settings": dict(find(work.job.task).settings(read(checked.data.files["train"]))),
        "code": code_version(),
    }


def model_name(given: str | None, job: UUID, role: str) -> str:
    """What the version of that role is called."""
    name = given or f"job-{str(job)[-12:]}"
    return name if role == "distilled" else f"{name}-{role}"


def _metrics(checked: Checked, score: Score, evaluated: Evaluated) -> Iterator[Metric]:
    settings = evaluated.settings
    for name, value in score.metrics.items():
        yield Metric(checked.data.test_name, "test", name, value, settings)
    measured = {
        "latency_ms": score.latency_ms,
        "inferences_per_second": score.inferences_per_second,
    }
    for name, value in measured.items():
        yield Metric(checked.data.test_name, "test", name, value, settings)


def _lineage(work: Work, checked: Checked, one: Trained, teacher: Version | None) -> Iterator[Edge]:
    yield Edge("data", None, {f"{s}": digest for s, digest in checked.data.hashes.items()})
    yield Edge("code", None, {"alambique": code_version(), "spec": _hash_of_spec(work)})
    if one.name == "distilled" and teacher is not None:
        yield Edge("teacher", teacher.id, {"weights": teacher.weights})
    if start := _start(work, checked, one.name):
        yield Edge("start", start.version, {start.name: start.weights})


def _start(work: Work, checked: Checked, name: str) -> Start | None:
    """The model that its first weights are of; None: drawn, or those of the teacher just taught."""
    if name == "teacher":
        return checked.teacher
    if work.job.student.start == "random":
        return None
    # gold-only begins where the teacher did, unless the student has a start of its own
    return checked.student or (checked.teacher if name == "gold-only" else None)


def _hash_of_spec(work: Work) -> str:
    return hashlib.sha256(work.job.model_dump_json().encode()).hexdigest()


def _uploaded(work: Work, folder: Path, about: dict[str, Any], artifact: str) -> list[File]:
    """Copies a network's files to the artifacts; each is read back by size."""
    root = work.settings.artifact_root
    system, base = fsspec.core.url_to_fs(f"{root.rstrip('/')}/{artifact}")
    system.makedirs(base, exist_ok=True)
    files = [
        _copied(system, base, name, (folder / name).read_bytes())
        for name in _FILES
        if (folder / name).exists()
    ]
    text = json.dumps(about, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    return [*files, _copied(system, base, ABOUT, text.encode())]


def _copied(system: Any, base: str, name: str, content: bytes) -> File:
    path, unfinished = f"{base}/{name}", f"{base}/.{name}.unfinished"
    with system.open(unfinished, "wb") as out:
        out.write(content)
    system.mv(unfinished, path)
    if system.size(path) != len(content):
        raise OSError(f"{path}: wrote {len(content)} bytes, found {system.size(path)}")
    return File(name, hashlib.sha256(content).hexdigest(), len(content))


def _row(score: Score, version: Version) -> dict[str, Any]:
    return {
        "name": score.name,
        "layers": score.layers,
        "parameters": score.parameters,
        "macs": {"linear": score.macs_linear, "full": score.macs_full},
        "metrics": score.metrics,
        "latency_ms": score.latency_ms,
        "inferences_per_second": score.inferences_per_second,
        "version": f"{version.name}@{version.number}",
    }
