"""What a network was made from: which data, which code, which job."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from alambique.registry.records import Edge
from alambique.spec.job import Job
from alambique.workers.records import DataSet, Start


@cache
def code_version() -> str:
    """The package's version, and a hash of the sources of all its parts that run here.

    A checkout that somebody has edited is another version than the release it came from.
    """
    import alambique

    digest = hashlib.sha256()
    for root in sorted(alambique.__path__):
        for path in sorted(Path(root).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return f"{version('alambique')}+{digest.hexdigest()[:12]}"


def made_from(job: Job, data: DataSet, *, unlabelled: bool = False) -> list[Edge]:
    """The edges that all networks of a job have: to its data by the hash of each split, to code.

    Args:
        job: what was asked for.
        data: its examples.
        unlabelled: whether the network has learnt from those without labels too.
    """
    hashes = {f"{split}": digest for split, digest in data.hashes.items()}
    if unlabelled and data.unlabelled:
        hashes["unlabelled"] = data.unlabelled.hash
    spec = hashlib.sha256(job.model_dump_json().encode()).hexdigest()
    return [
        Edge("data", None, hashes),
        Edge("code", None, {"alambique": code_version(), "spec": spec}),
    ]


def begun_with(start: Start) -> Edge:
    """The edge to the model that a network's first weights are of, and to the files it came as."""
    files = {f"{start.name}/{file}": digest for file, digest in start.sources.items()}
    return Edge("start", start.version, {start.name: start.weights, **files})
