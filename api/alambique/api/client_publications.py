"""The client's calls about publishing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from alambique.api.publication_views import PublicationList, PublicationView
from alambique.api.transport import Transport
from alambique.api.views import PageView
from alambique.spec.publication import family_of, target_of
from alambique.spec.states import PublicationState


class PublicationCalls:
    """What a client asks about publishing; the methods raise as those of `Client` do."""

    _transport: Transport

    def publish(
        self,
        name: str,
        version: int | str = "latest",
        *,
        to: str,
        private: bool = True,
        override_by: str | None = None,
        override_note: str | None = None,
        project: str = "default",
    ) -> PublicationView:
        """Ask for a version to be published, and return how that stands.

        Asked again, a publication that was refused or failed waits anew, and one that is published
        is returned as it is.

        Args:
            name: of the model.
            version: its number, or the newest.
            to: hub:team/name, or folder:NAME for a folder in the home of the worker.
            private: whether the repository is seen by its team alone.
            override_by: who answers for it in spite of a licence.
            override_note: why it may be published in spite of that.
            project: that the model is of.

        Raises:
            BadSpec: the target has none of the forms.
        """
        target_of(to)
        answer = self._transport.answer(
            "POST",
            f"/v1/models/{quote(name, safe='')}/versions/{quote(str(version), safe='')}/publish",
            params={"project": project},
            json=_publish_body(to, private, override_by, override_note),
        )
        return PublicationView.model_validate_json(answer.content)

    def publish_suite(
        self,
        suite_id: UUID,
        *,
        to: str,
        private: bool = True,
        override_by: str | None = None,
        override_note: str | None = None,
    ) -> list[PublicationView]:
        """Ask for the best models of a suite to be published, and return how that stands.

        `to` is hub:team, or folder:NAME; the other arguments are those of `publish`.

        Raises:
            BadSpec: `to` has none of the forms.
            Conflict: the suite is not over, or none of its jobs has succeeded.
        """
        family_of(to)
        answer = self._transport.answer(
            "POST",
            f"/v1/suites/{suite_id}/publish",
            json=_publish_body(to, private, override_by, override_note),
        )
        return PublicationList.model_validate_json(answer.content).items

    def publication(self, publication_id: UUID) -> PublicationView:
        """Return a publication as it stands."""
        return self._transport.get(PublicationView, f"/v1/publications/{publication_id}")

    def publications(
        self,
        *,
        project: str | None = None,
        name: str | None = None,
        job_id: UUID | None = None,
        state: PublicationState | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PageView[PublicationView]:
        """Return publications, newest first: of a model's name, or that a job asked for."""
        return self._transport.get(
            PageView[PublicationView],
            "/v1/publications",
            project=project,
            name=name,
            job=job_id,
            state=state,
            limit=limit,
            cursor=cursor,
        )


def _publish_body(to: str, private: bool, by: str | None, note: str | None) -> dict[str, Any]:
    said = {} if by is None and note is None else {"override": {"by": by, "note": note}}
    return {"to": to, "private": private, **said}
