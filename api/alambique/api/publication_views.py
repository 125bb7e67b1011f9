"""What the API answers about publications, as JSON. Free of HTTP, for clients too."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from alambique.api.views import View
from alambique.registry.records import Publication
from alambique.spec.states import PublicationState


class PublicationView(View):
    """A version that is to be published to one place, and how that stands."""

    id: UUID
    project: str
    name: str
    """Of the model."""
    number: int
    """Of the version."""
    target: str
    """hub:team/name, or folder:NAME for a folder in the home of the worker."""
    private: bool
    override: dict[str, Any] | None
    """Who answers for it in spite of a licence, and why."""
    collection: str | None
    """The title of the collection of the hub that its repository is put into."""
    job_id: UUID | None
    """The job that asked for it; null: a person did."""
    state: PublicationState
    attempts: int
    not_before: datetime | None
    """When the next attempt is made; null: at once, or none is."""
    message: str | None
    """Why it is in its state, and what to do."""
    commit: str | None
    url: str | None
    """Where it is: a repository; or a folder, as file://, the worker's host and the path there."""
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None

    @classmethod
    def of(cls, row: Publication, version: tuple[str, str, int]) -> PublicationView:
        """Return a publication as clients see it: without lease and fence.

        Args:
            row: the publication.
            version: project, name and number of its version.
        """
        project, name, number = version
        fields = {field: getattr(row, field) for field in cls.model_fields if hasattr(row, field)}
        if row.state is PublicationState.PUBLISHING:
            before = f"; before that: {row.message}" if row.message else ""
            fields["message"] = (
                f"worker {row.holder} is publishing it, attempt {row.attempts}: ask again how that "
                f"ended with `alambique models publications {name}`{before}"
            )
        return cls(**(fields | {"project": project, "name": name, "number": number}))


class PublicationList(View):
    """The publications that a request has asked for."""

    items: list[PublicationView]
