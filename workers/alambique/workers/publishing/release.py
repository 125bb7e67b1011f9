"""What the registry knows of a version that is published: its card says this and nothing else."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.orm import Session

from alambique.registry import jobs, versions
from alambique.registry.job_result import HubRepository, JobResult, ResultRow
from alambique.registry.records import JobRow, Publication, Version
from alambique.spec.compression import Format
from alambique.spec.errors import Conflict, Deleted
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.sources import (
    Folder,
    Hub,
    Local,
    Registered,
    Source,
    source_of,
    source_text,
)
from alambique.spec.space import job_with_values

_GENERATIONS = 8
"""Jobs that a chain of teachers of the registry is followed through."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version with everything that its card, its provenance and its bill of materials tell."""

    publication: Publication
    version: Version
    engine_file: Version | None
    """The quickest registered form of the version as ONNX, whose file is published beside the
    weights. None: its job registered none."""
    teachers: tuple[Version, ...]
    """The versions that it learnt from; empty for a teacher."""
    job: Job
    """As it was posted, with pinned names."""
    result: JobResult
    row: ResultRow
    """The line of the version in the job's table."""
    ancestry: tuple[Job, ...]
    """The job, then those that made the registered models that it starts from, nearest first."""
    repositories: tuple[HubRepository, ...] = ()
    """What those jobs recorded of the hub's models and data, and of what these were made of."""

    @property
    def base_models(self) -> tuple[Source, ...]:
        """The models of others that the ancestry began with, each once; none for random weights."""
        return base_models_of(self.ancestry)

    @property
    def data_sets(self) -> tuple[str, ...]:
        """The names of the data that the ancestry read to learn from, each once."""
        return data_sets_of(self.ancestry)


@dataclass(frozen=True, slots=True)
class Published:
    """Where a version is found once it is published."""

    url: str
    """A path, or the URL of a repository."""
    commit: str | None = None
    """Of the hub. None: it is a folder."""


def load_release(session: Session, publication: Publication) -> Release:
    """Return what the registry knows of the version of a publication.

    Raises:
        UnknownName: the version is not there.
        Conflict: its job was deleted, is not over, or has a result of another version; or the
            version is a form of another one, which is to be published in its place.
    """
    version = versions.get(session, publication.version_id)
    name = f"{version.name}@{version.number}"
    if version.deleted_at is not None:
        raise Conflict(f"{name} was deleted: publish a version that is still there")
    if "student" in version.details:
        raise Conflict(
            f"{name} is {version.details['student']} in another form: publish that one, and its "
            "quickest form goes with it"
        )
    job_row = jobs.find(session, version.job_id) if version.job_id else None
    result = JobResult.read(job_row.result) if job_row and job_row.result else None
    row = next((each for each in result.rows if each.version == name), None) if result else None
    if job_row is None or result is None or row is None:
        raise Conflict(
            f"the registry has no table that {name} is a line of: publish a model of a job that "
            "has succeeded and was not deleted"
        )
    job = job_of(job_row.spec)
    ancestry = tuple(ancestry_of(session, job))
    return Release(
        publication=publication,
        version=version,
        engine_file=_engine_file(session, version, row, result),
        teachers=tuple(
            versions.get(session, edge.parent)
            for edge in version.lineage
            if edge.relation == "teacher" and edge.parent is not None
        ),
        job=job,
        result=result,
        row=row,
        ancestry=ancestry,
        repositories=(*result.repositories, *recorded_repositories(session, ancestry)),
    )


def _engine_file(
    session: Session, version: Version, row: ResultRow, result: JobResult
) -> Version | None:
    """Return the registered ONNX form of a row's network that was the quickest in the race."""
    forms = [
        each
        for each in result.engines
        if each.model == row.role and each.version is not None and each.p50_ms is not None
        if each.format in (Format.ONNX, Format.ONNX_INT8, Format.ONNX_INT8_STATIC)
    ]
    for form in sorted(forms, key=lambda each: each.p50_ms or 0.0):
        name, _, number = str(form.version).rpartition("@")
        with suppress(Deleted):
            return versions.find(session, version.project, name, number)
    return None


def base_models_of(jobs: Iterable[Job]) -> tuple[Source, ...]:
    """Return the models of others that some jobs begin with, each once."""
    named = (source_of(model) for job in jobs for _, model in job.models())
    return tuple(dict.fromkeys(each for each in named if isinstance(each, Hub | Local | Folder)))


def first_weights(release: Release) -> tuple[Source, ...]:
    """Return the models of others that the weights of a version began with, each once.

    None: they were drawn, or it is not known which of several. A student that starts from its
    teacher has layers of the model that the teacher was fine-tuned from.
    """
    job = job_with_values(release.job, release.version.details.get("values") or {})
    role, start = release.row.name, job.student.start
    if role.startswith("teacher") or start == "teacher":
        sources = _teacher_models(release, role if role.startswith("teacher") else "teacher")
    else:
        sources = () if start == "random" else (source_of(start),)
    if not any(isinstance(each, Registered) for each in sources):
        return tuple(each for each in sources if isinstance(each, Hub | Local | Folder))
    # which job made it is not told here: of several models, or with drawn weights, none is named
    before = release.ancestry[1:]
    found = base_models_of(before)
    is_drawn = any(each.student.start == "random" for each in before)
    return found if len(found) == 1 and not is_drawn else ()


def _teacher_models(release: Release, role: str) -> tuple[Source, ...]:
    """Return the model that a teacher was fine-tuned from; nothing where several may be meant."""
    candidates = release.result.candidates
    taught = [each.model for each in candidates if each.taught and each.teacher == role]
    for entry in release.job.teachers:
        if entry.role == role:
            sources = [source_of(candidate.model) for _, candidate in entry.named_candidates]
            if len(sources) == 1:
                return tuple(sources)
            return tuple(each for each in sources if source_text(each) in taught)
    return ()


def data_sets_of(jobs: Iterable[Job]) -> tuple[str, ...]:
    """Return the names of the data that some jobs learn from, each once."""
    named = (name for job in jobs for field, name in job.data.names.items() if field != "test")
    return tuple(dict.fromkeys(named))


def ancestry_of(session: Session, job: Job) -> Iterator[Job]:
    """Yield a job, then the jobs of the registered models that it names, nearest first.

    Raises:
        Conflict: one of those was deleted, or they go back too far.
    """
    generation = [job]
    for _ in range(_GENERATIONS):
        if not generation:
            return
        yield from generation
        generation = [
            maker
            for each in generation
            for _, model in each.models()
            if (maker := _maker(session, each.project, source_of(model))) is not None
        ]
    raise Conflict(
        f"the teachers of this model come from more than {_GENERATIONS} jobs one after the other: "
        "the licences of all they began with cannot be told"
    )


def _maker(session: Session, project: str, source: Source) -> Job | None:
    """Return the job that made a registered model; None for models of others.

    Raises:
        Conflict: that job was deleted, so that nobody knows what the model began with.
    """
    row = _maker_row(session, project, source)
    return None if row is None else job_of(row.spec)


def recorded_repositories(session: Session, ancestry: Iterable[Job]) -> Iterator[HubRepository]:
    """Yield what the makers of the registered models of some jobs recorded of the hub.

    Raises:
        Conflict: one of those was deleted.
    """
    for job in ancestry:
        for _, model in job.models():
            row = _maker_row(session, job.project, source_of(model))
            result = JobResult.read(row.result) if row and row.result else None
            yield from result.repositories if result else ()


def _maker_row(session: Session, project: str, source: Source) -> JobRow | None:
    if not isinstance(source, Registered):
        return None
    version = versions.find_recorded(session, project, source.name, source.version)
    if version.job_id is None:
        raise Conflict(
            f"the job that made {version.name}@{version.number} was deleted: what it began with, "
            "and under which licences, cannot be told"
        )
    return jobs.find(session, version.job_id)
