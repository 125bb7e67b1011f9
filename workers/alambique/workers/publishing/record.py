"""What the registry has of a release, as signed provenance repeats it: its card is made of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from alambique.registry.job_result import JobResult
from alambique.registry.records import Edge, File, Metric, Publication, Version
from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.fields import Spec
from alambique.spec.reading import job_of
from alambique.spec.states import PublicationState
from alambique.workers.publishing.licences import LicenceChain
from alambique.workers.publishing.release import Release


class RecordedVersion(Spec):
    """A version, without what people say of it and where its files lie; as `records.Version`."""

    id: UUID
    name: str
    number: int
    role: str
    job_id: UUID | None
    created_at: datetime
    task: str
    labels: tuple[str, ...]
    parameters: int
    macs_linear: int
    macs_full: int
    weights: str
    details: dict[str, Any]
    files: tuple[File, ...]
    metrics: tuple[Metric, ...]
    lineage: tuple[Edge, ...]

    @classmethod
    def of(cls, version: Version) -> "RecordedVersion":
        """Return what is recorded of a version."""
        return cls(**{name: getattr(version, name) for name in cls.model_fields})

    def version(self) -> Version:
        """Return the version, as far as it is recorded."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return Version(project="", artifact="", **fields)


class Record(Spec):
    """All that numbers, card and bill of materials of a release are made of, but for its job.

    Whoever has it makes them again by the code that made them first, and compares.
    """

    target: str
    """Where it was published to, which the card's code for readers names."""
    version: RecordedVersion
    form: RecordedVersion | None
    """The published file of an engine."""
    teachers: tuple[RecordedVersion, ...]
    """Without their details and scores, which they are published with themselves."""
    ancestors: tuple[dict[str, Any], ...]
    """The jobs that made the registered models that it starts from, nearest first."""
    result: JobResult
    """What the job ended with."""
    licences: LicenceChain

    @classmethod
    def of(cls, release: Release, chain: LicenceChain) -> "Record":
        """Return that of a release with its licence chain."""
        form = release.engine_file
        return cls(
            target=release.publication.target,
            version=RecordedVersion.of(release.version),
            form=None if form is None else RecordedVersion.of(form),
            teachers=tuple(
                RecordedVersion.of(replace(teacher, details={}, metrics=(), lineage=()))
                for teacher in release.teachers
            ),
            ancestors=tuple(job.model_dump(mode="json") for job in release.ancestry[1:]),
            result=release.result,
            licences=chain,
        )

    def release(self, job: Mapping[str, Any]) -> Release:
        """Return the release that this is the record of.

        Args:
            job: the one that made it.

        Raises:
            BadModel: it has not the form of one.
        """
        version = self.version.version()
        name = f"{version.name}@{version.number}"
        row = next((each for each in self.result.rows if each.version == name), None)
        if row is None:
            raise BadModel(f"its provenance has no line of the job's table for {name}")
        try:
            own, *ancestors = (job_of(each) for each in (job, *self.ancestors))
        except BadSpec as error:
            raise BadModel(
                f"its provenance has a job that this version cannot read: {error}"
            ) from None
        return Release(
            publication=self._publication(),
            version=version,
            engine_file=None if self.form is None else self.form.version(),
            teachers=tuple(teacher.version() for teacher in self.teachers),
            job=own,
            result=self.result,
            row=row,
            ancestry=(own, *ancestors),
        )

    def _publication(self) -> Publication:
        """Return a publication of the version to the recorded target: of how it went is nothing."""
        override, at = self.licences.override, self.version.created_at
        return Publication(
            id=UUID(int=0),
            version_id=self.version.id,
            target=self.target,
            private=True,
            override=None if override is None else override.model_dump(mode="json"),
            job_id=None,
            state=PublicationState.PUBLISHED,
            attempts=0,
            token=0,
            holder=None,
            lease_until=None,
            not_before=None,
            message=None,
            commit=None,
            url=None,
            created_at=at,
            updated_at=at,
            published_at=None,
        )
