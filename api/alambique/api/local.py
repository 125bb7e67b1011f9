"""The registry of this machine without a server: what `alambique run` has made is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Unpack
from uuid import UUID

from sqlalchemy import make_url

from alambique.api.artifacts import open_artifact, pieces
from alambique.api.downloads import save
from alambique.api.model_query import ModelQuery, version_filter
from alambique.api.publication_views import PublicationView
from alambique.api.queries import (
    job_page,
    job_view,
    known_data,
    known_tasks,
    model_page,
    publication_page,
    trial_page,
)
from alambique.api.transport import NoServer
from alambique.api.views import (
    DatasetView,
    JobView,
    LogPage,
    ModelView,
    PageView,
    TaskView,
    TrialView,
    VersionView,
)
from alambique.api.zoo_views import AliasView
from alambique.registry import aliases, deletion, jobs, publications, tags, versions
from alambique.registry.database import Database
from alambique.spec.hosts import without_password
from alambique.spec.settings import Settings
from alambique.spec.states import PublicationState, State, TrialState


class LocalRegistry:
    """Answers what `Client` asks a server, by the same methods, from database and artifacts.

    Every method raises the `AlambiqueError` that a server would answer; those that read the
    database raise `NoServer` where it has never been made.
    """

    def __init__(self, settings: Settings) -> None:
        """Make a registry, which opens nothing yet."""
        self._settings = settings

    def tasks(self) -> PageView[TaskView]:
        """Return the tasks that jobs can name."""
        return known_tasks()

    def data(self) -> PageView[DatasetView]:
        """Return the data sets that jobs can name, and whether they are at hand here."""
        return known_data(self._settings.data)

    def job(self, job_id: UUID) -> JobView:
        """Return a job as it stands."""
        with self._database.read() as session:
            return job_view(session, job_id)

    def jobs(
        self,
        *,
        project: str | None = None,
        state: State | None = None,
        task: str | None = None,
        name: str | None = None,
        id_prefix: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PageView[JobView]:
        """Return jobs, newest first; with `id_prefix` those whose id begins with these digits."""
        with self._database.read() as session:
            page = jobs.page(
                session,
                project=project,
                state=state,
                task=task,
                name=name,
                id_prefix=id_prefix,
                limit=limit,
                cursor=cursor,
            )
            return job_page(session, page)

    def trials(
        self,
        job_id: UUID,
        *,
        state: TrialState | None = None,
        limit: int = 200,
        cursor: str | None = None,
    ) -> PageView[TrialView]:
        """Return the trials of a job's search, in the order in which they were begun."""
        with self._database.read() as session:
            return trial_page(session, job_id, state=state, cursor=cursor, limit=limit)

    def logs(self, job_id: UUID, *, after: int = 0) -> LogPage:
        """Return what the job wrote after that place."""
        with self._database.read() as session:
            jobs.find(session, job_id)
            return LogPage.of(jobs.logs(session, job_id, after), after)

    def models(
        self,
        *,
        project: str | None = None,
        task: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        **query: Unpack[ModelQuery],
    ) -> PageView[ModelView]:
        """Return the models that have a version with all that is asked for, newest first."""
        front = query.get("cost", "macs") if query.get("pareto") else None
        filters = version_filter(project, task, query)
        with self._database.read() as session:
            return model_page(session, filters, front, limit=limit, cursor=cursor)

    def model(self, name: str, *, project: str = "default") -> ModelView:
        """Return a model, with its newest version."""
        with self._database.read() as session:
            return ModelView.model_validate(versions.model(session, project, name))

    def versions(
        self,
        name: str,
        *,
        project: str = "default",
        deleted: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PageView[VersionView]:
        """Return the versions of a model, newest first: the deleted ones, or the others."""
        with self._database.read() as session:
            versions.find_model(session, project, name)
            page = versions.page(
                session,
                project=project,
                name=name,
                deleted=deleted,
                limit=limit,
                cursor=cursor,
            )
        return PageView[VersionView].model_validate(page)

    def version(
        self, name: str, version: int | str = "latest", *, project: str = "default"
    ) -> VersionView:
        """Return a version of a model, by its number, by an alias, or the newest."""
        with self._database.read() as session:
            return VersionView.model_validate(versions.find(session, project, name, version))

    def download(
        self, name: str, version: int | str, folder: Path, *, project: str = "default"
    ) -> VersionView:
        """Save the files of a version in `folder`, each as it was registered; return the version.

        Raises:
            BadModel: a file is not the one that was registered.
            Conflict: the folder is there and is not empty.
        """
        with self._database.read() as session:
            row = versions.find(session, project, name, version)
        entries = {entry.name: entry for entry in row.files}

        @contextmanager
        def open_file(name: str) -> Iterator[Iterator[bytes]]:
            yield pieces(open_artifact(self._settings.artifact_root, row, entries[name]))

        view = VersionView.model_validate(row)
        save(view, folder, open_file)
        return view

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
        with self._database.read() as session:
            page = publications.page(
                session,
                project=project,
                name=name,
                job_id=job_id,
                state=state,
                limit=limit,
                cursor=cursor,
            )
            return publication_page(session, page)

    def aliases(self, name: str, *, project: str = "default") -> list[AliasView]:
        """Return the aliases of a model with their moves, also those that were removed."""
        with self._database.read() as session:
            found = aliases.of_model(session, project, name)
        return [AliasView.model_validate(one) for one in found]

    def set_alias(
        self, name: str, alias: str, number: int, *, project: str = "default"
    ) -> AliasView:
        """Point an alias to a version, and return it."""
        with self._database.write() as session:
            return AliasView.model_validate(aliases.point(session, project, name, alias, number))

    def remove_alias(self, name: str, alias: str, *, project: str = "default") -> AliasView:
        """Remove an alias, and return what is left of it: where it was."""
        with self._database.write() as session:
            return AliasView.model_validate(aliases.remove(session, project, name, alias))

    def add_tag(
        self, name: str, version: int | str, tag: str, *, project: str = "default"
    ) -> VersionView:
        """Give a version a tag, and return the version."""
        with self._database.write() as session:
            found = tags.add_tag(session, project, name, version, tag)
        return VersionView.model_validate(found)

    def remove_tag(
        self, name: str, version: int | str, tag: str, *, project: str = "default"
    ) -> VersionView:
        """Take a tag from a version, and return the version."""
        with self._database.write() as session:
            found = tags.remove_tag(session, project, name, version, tag)
        return VersionView.model_validate(found)

    def add_note(
        self, name: str, version: int | str, text: str, *, project: str = "default"
    ) -> VersionView:
        """Write a note about a version, and return the version."""
        with self._database.write() as session:
            found = tags.add_note(session, project, name, version, text)
        return VersionView.model_validate(found)

    def delete_version(self, name: str, number: int, *, project: str = "default") -> VersionView:
        """Delete a version, which can be restored until its files are removed; return it."""
        with self._database.write() as session:
            return VersionView.model_validate(deletion.delete(session, project, name, number))

    def restore_version(self, name: str, number: int, *, project: str = "default") -> VersionView:
        """Put a deleted version back, and return it."""
        with self._database.write() as session:
            return VersionView.model_validate(deletion.restore(session, project, name, number))

    @cached_property
    def _database(self) -> Database:
        url = make_url(self._settings.database)
        # opening would make the file, and then it is told to lack its tables
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            server = without_password(self._settings.url)
            raise NoServer(
                f"no server at {server}, and no registry here ({url.database} is not "
                "there): start a server with `alambique up`, or set ALAMBIQUE_URL"
            )
        return Database(self._settings.database)
