"""A registry with a finished job whose student is there, small and real, in less than a second."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.job_results import job_result, result_row

from alambique.models.networks import new, save
from alambique.models.tokenizers import train_tokenizer
from alambique.models.weights import weights_hash
from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import File, JobRow, Version
from alambique.spec.outputs import Output
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings

PICO = (Path(__file__).parents[1] / "recipes" / "pico.yaml").read_text()
TEXTS = ["Ana Ruiz nació en Lugo.", "El río Ebro nace en Fontibre, Cantabria."]
CONFIG = {
    "model_type": "bert",
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "num_hidden_layers": 1,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "type_vocab_size": 2,
}
LABELS = ("O", "B-PER", "I-PER")
SETTINGS = {"data": "sample-entities", "split": "test", "examples": 200, "length": 64}
ABOUT = {
    "task": "named-entities",
    "output": "tags",
    "inputs": ["sentence"],
    "labels": list(LABELS),
    "max_length": 64,
    "stride": 16,
    "settings": {},
}


@dataclass(frozen=True)
class Registered:
    """A registry on this machine, and a version in it that can be published."""

    settings: Settings
    database: Database
    job: JobRow
    version: Version


def register(settings: Settings, **said: str) -> Registered:
    """A student of a finished job, in a registry of its own; fields of the job may be changed."""
    database = Database(settings.database)
    database.upgrade()
    with database.write() as session:
        posted = jobs.submit(session, read_job(PICO, [f"{k}={v}" for k, v in said.items()]))
        job = jobs.take(session, "driver", timedelta(minutes=1), job_id=posted.id)
    assert job is not None
    version = record(settings, database, job)
    row = result_row("distilled", version=f"{version.name}@{version.number}")
    with database.write() as session:
        result = job_result(result_row("teacher"), row, settings=SETTINGS)
        job = jobs.finish(session, job.id, job.token, result)
    return Registered(settings, database, job, version)


def record(
    settings: Settings,
    database: Database,
    job: JobRow,
    *,
    role: str = "student",
    seed: int = 1,
    extra: Mapping[str, bytes] | None = None,
) -> Version:
    """A version of a job that runs, whose files lie in the artifacts."""
    artifact = f"versions/{job.id}/{role}"
    folder = Path(settings.artifact_root) / artifact
    folder.mkdir(parents=True)
    vocabulary = train_tokenizer(TEXTS, 60, folder, max_length=64)
    save(new({**CONFIG, "vocab_size": vocabulary}, Output.TAGS, LABELS, seed=seed), folder, folder)
    (folder / "alambique.json").write_text(json.dumps(ABOUT))
    for name, content in (extra or {}).items():
        (folder / name).write_bytes(content)
    files = [_file(path) for path in sorted(folder.iterdir())]
    fields: dict[str, Any] = {"details": ABOUT, "files": files, "weights": weights_hash(folder)}
    with database.write() as session:
        return versions.record(
            session,
            job.id,
            job.token,
            name="pico",
            role=role,
            task=job.task,
            labels=LABELS,
            parameters=1_000,
            macs_linear=10,
            macs_full=20,
            artifact=artifact,
            **fields,
        )


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(path.name, sha256(content).hexdigest(), len(content))
