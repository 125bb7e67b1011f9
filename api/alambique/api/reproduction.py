"""The job file that makes a registered version again. Free of HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from alambique.api.views import JobView, VersionView
from alambique.spec.data_sources import HubData
from alambique.spec.pinning import unpinned_sources
from alambique.spec.reading import job_of
from alambique.spec.sources import source_text
from alambique.spec.space import job_with_values


def job_file(version: VersionView, job: JobView) -> str:
    """Return the job that makes a version again, as YAML.

    Its models are at commits or numbers, as they are kept when a job is posted; every field is
    given, seeds among them; it is `fresh`, so that no stage of another job is taken. What a job
    cannot pin stands above it: models that were posted before they were pinned, the hashes of the
    data and of the models, the code and its libraries, and the hash of the weights that should come
    of it. Teacher outputs that are in the cache are taken from there.

    Args:
        version: what is to be made again.
        job: the job that made it.

    Raises:
        BadSpec: the job is of another version of this program, which reads it no longer.
    """
    spec = job_of(job.spec)
    values = version.details.get("values")
    if spec.search is not None and values is not None:  # of a trial: it is a job by itself
        spec = job_with_values(spec, values)
    if spec.seeds and (seed := version.details.get("seed")) is not None:  # a teacher has none
        spec = spec.with_seed(seed)
    content = spec.model_copy(update={"fresh": True}).model_dump(mode="json")
    floating = [
        f"{field}: {source if isinstance(source, HubData) else source_text(source)}"
        for field, source in unpinned_sources(spec)
    ]
    head = "".join(f"# {line}\n" for line in _head(version, floating))
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _head(version: VersionView, floating: Sequence[str]) -> Iterator[str]:
    name = f"{version.name}@{version.number}"
    yield f"Makes {name} again, the {version.role} of job {version.job_id}."
    yield "What a job file cannot pin was, when the version was made:"
    for line in floating:
        yield f"  {line}, at a revision that nobody kept: give the one of below, or another"
    for edge in version.lineage:
        if edge.relation != "code":
            for name, digest in sorted(edge.hashes.items()):
                yield f"  {edge.relation}, {name}: {digest}"
    made_by: dict[str, Any] = version.details.get("made_by") or {}
    for stage in ("training", "testing", "outputs", "evaluation"):
        yield from (f"  {stage}: {_code(one)}" for one in made_by.get(stage, ()))
    yield f"  weights: {version.weights}"
    yield "On another processor, or with other threads, sums are made in another order:"
    yield "expect scores that are close, and no equal hash of the weights."


def _code(made_by: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in made_by["libraries"].items())
    return f"alambique {made_by['code']}, {libraries}"
