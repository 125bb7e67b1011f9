"""The client's calls about models and their versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import quote

from pydantic import TypeAdapter

from alambique.api.downloads import save
from alambique.api.model_query import ModelQuery
from alambique.api.predictions import PredictionView
from alambique.api.transport import Transport
from alambique.api.views import ModelView, PageView, VersionView
from alambique.api.zoo_views import AliasView

_PREDICTION: TypeAdapter[PredictionView] = TypeAdapter(PredictionView)


class ModelCalls:
    """What a client asks about models; the methods raise as those of `Client` do."""

    def __init__(self, transport: Transport) -> None:
        """Make the calls over that transport, which sends no request yet."""
        self._transport = transport

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
        return self._transport.get(
            PageView[ModelView],
            "/v1/models",
            project=project,
            task=task,
            limit=limit,
            cursor=cursor,
            **query,
        )

    def model(self, name: str, *, project: str = "default") -> ModelView:
        """Return a model, with its newest version."""
        return self._transport.get(ModelView, f"/v1/models/{_url_part(name)}", project=project)

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
        return self._transport.get(
            PageView[VersionView],
            f"/v1/models/{_url_part(name)}/versions",
            project=project,
            deleted=deleted,
            limit=limit,
            cursor=cursor,
        )

    def version(
        self, name: str, version: int | str = "latest", *, project: str = "default"
    ) -> VersionView:
        """Return a version of a model, by its number, by an alias, or the newest."""
        return self._transport.get(VersionView, _version_path(name, version), project=project)

    def download(
        self, name: str, version: int | str, folder: Path, *, project: str = "default"
    ) -> VersionView:
        """Save the files of a version in `folder`, each as it was registered; return the version.

        Raises:
            BadModel: a file is not the one that was registered.
            Conflict: the folder is there and is not empty.
        """
        view = self.version(name, version, project=project)
        path = f"{_version_path(name, view.number)}/files/"
        save(
            view,
            folder,
            lambda file: self._open_file(f"{path}{quote(file)}?project={_url_part(project)}"),
        )
        return view

    def predict(
        self,
        name: str,
        version: int | str = "latest",
        *,
        question: str | None = None,
        context: str | None = None,
        texts: Sequence[str] = (),
        best: int = 1,
        project: str = "default",
    ) -> PredictionView:
        """Return what a version says to a question about a context, to a text, or to a pair.

        Raises:
            BadModel: the version has no file that an engine runs.
            BadSpec: its task takes another query.
        """
        query = {"question": question, "context": context, "texts": list(texts), "best": best}
        answer = self._transport.answer(
            "POST",
            f"{_version_path(name, version)}/predict",
            params={"project": project},
            json={field: value for field, value in query.items() if value is not None},
        )
        return _PREDICTION.validate_json(answer.content)

    def aliases(self, name: str, *, project: str = "default") -> list[AliasView]:
        """Return the aliases of a model with their moves, also those that were removed."""
        path = f"/v1/models/{_url_part(name)}/aliases"
        return self._transport.get(PageView[AliasView], path, project=project).items

    def set_alias(
        self,
        name: str,
        alias: str,
        number: int,
        *,
        project: str = "default",
        expected: int | None = None,
    ) -> AliasView:
        """Point an alias to a version, and return it.

        Args:
            name: of the model.
            alias: is made, or moved from another version.
            number: of the version.
            project: of the model.
            expected: the `tag` that the alias has, as far as is known. None: whatever it is.

        Raises:
            Stale: the alias has another tag by now.
        """
        path = f"/v1/models/{_url_part(name)}/aliases/{_url_part(alias)}"
        headers = {} if expected is None else {"If-Match": f'"{expected}"'}
        body = {"version": number}
        answer = self._transport.answer(
            "PUT", path, params={"project": project}, headers=headers, json=body
        )
        return AliasView.model_validate_json(answer.content)

    def remove_alias(self, name: str, alias: str, *, project: str = "default") -> AliasView:
        """Remove an alias, and return what is left of it: where it was."""
        path = f"/v1/models/{_url_part(name)}/aliases/{_url_part(alias)}"
        answer = self._transport.answer("DELETE", path, params={"project": project})
        return AliasView.model_validate_json(answer.content)

    def add_tag(
        self, name: str, version: int | str, tag: str, *, project: str = "default"
    ) -> VersionView:
        """Give a version a tag, and return the version."""
        return self._change("PUT", name, version, f"/tags/{_url_part(tag)}", project)

    def remove_tag(
        self, name: str, version: int | str, tag: str, *, project: str = "default"
    ) -> VersionView:
        """Take a tag from a version, and return the version."""
        return self._change("DELETE", name, version, f"/tags/{_url_part(tag)}", project)

    def add_note(
        self, name: str, version: int | str, text: str, *, project: str = "default"
    ) -> VersionView:
        """Write a note about a version, and return the version."""
        return self._change("POST", name, version, "/notes", project, json={"text": text})

    def delete_version(self, name: str, number: int, *, project: str = "default") -> VersionView:
        """Delete a version, which can be restored until its files are removed; return it."""
        return self._change("DELETE", name, number, "", project)

    def restore_version(self, name: str, number: int, *, project: str = "default") -> VersionView:
        """Put a deleted version back, and return it."""
        return self._change("POST", name, number, "/restore", project)

    def _change(
        self, method: str, name: str, version: int | str, path: str, project: str, **options: Any
    ) -> VersionView:
        answer = self._transport.answer(
            method, f"{_version_path(name, version)}{path}", params={"project": project}, **options
        )
        return VersionView.model_validate_json(answer.content)

    @contextmanager
    def _open_file(self, path: str) -> Iterator[Iterator[bytes]]:
        with self._transport.stream(path) as response:
            yield response.iter_bytes()


def _version_path(name: str, version: int | str) -> str:
    return f"/v1/models/{_url_part(name)}/versions/{_url_part(str(version))}"


def _url_part(name: str) -> str:
    """Return the name as one part of a path, whatever is in it."""
    return quote(name, safe="")
