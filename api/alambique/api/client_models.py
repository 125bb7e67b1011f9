"""The client's calls about models and their versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter

from alambique.api.downloads import save
from alambique.api.predictions import PredictionView
from alambique.api.transport import Transport
from alambique.api.views import ModelView, PageView, VersionView

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
    ) -> PageView[ModelView]:
        """Return models, newest first."""
        return self._transport.get(
            PageView[ModelView],
            "/v1/models",
            project=project,
            task=task,
            limit=limit,
            cursor=cursor,
        )

    def model(self, name: str, *, project: str = "default") -> ModelView:
        """Return a model, with its newest version."""
        return self._transport.get(ModelView, f"/v1/models/{_url_part(name)}", project=project)

    def versions(
        self,
        name: str,
        *,
        project: str = "default",
        limit: int = 50,
        cursor: str | None = None,
    ) -> PageView[VersionView]:
        """Return the versions of a model, newest first."""
        path = f"/v1/models/{_url_part(name)}/versions"
        return self._transport.get(
            PageView[VersionView], path, project=project, limit=limit, cursor=cursor
        )

    def version(
        self, name: str, version: int | str = "latest", *, project: str = "default"
    ) -> VersionView:
        """Return a version of a model, by its number or the newest."""
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
        asked = {"question": question, "context": context, "texts": list(texts), "best": best}
        answer = self._transport.answer(
            "POST",
            f"{_version_path(name, version)}/predict",
            params={"project": project},
            json={field: value for field, value in asked.items() if value is not None},
        )
        return _PREDICTION.validate_json(answer.content)

    @contextmanager
    def _open_file(self, path: str) -> Iterator[Iterator[bytes]]:
        with self._transport.stream(path) as response:
            yield response.iter_bytes()


def _version_path(name: str, version: int | str) -> str:
    return f"/v1/models/{_url_part(name)}/versions/{_url_part(str(version))}"


def _url_part(name: str) -> str:
    """Return the name as one part of a path, whatever is in it."""
    return quote(name, safe="")
