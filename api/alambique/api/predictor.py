"""Answers of registered versions: their files fetched from the artifacts, the last used loaded."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID

from alambique.api.artifacts import open_artifact, pieces
from alambique.api.batcher import Overloaded
from alambique.api.downloads import save
from alambique.api.views import VersionView
from alambique.registry.records import Version
from alambique.runtime.engines import ONNX_FILE, OPENVINO_FILE
from alambique.runtime.model import Model, Query
from alambique.spec.errors import BadModel, Conflict
from alambique.spec.settings import Settings

MOST_BYTES = 2 << 30
"""Of the files of all models that stay loaded; the last one stays, whatever its size."""
AT_ONCE = 2
"""Queries that are answered at the same time."""
MOST_WAITING = 64
"""Queries that wait for that."""


@dataclass(slots=True)
class _Slot:
    """The place of one version's model, which is loaded by the first who asks it."""

    bytes: int
    lock: Lock = field(default_factory=Lock)
    model: Model | None = None


class Predictor:
    """Answers queries with versions, in threads of its own.

    A server of many models for few queries: one that is asked much has `alambique serve` for
    itself.
    """

    def __init__(self, settings: Settings, *, most_bytes: int = MOST_BYTES) -> None:
        """Make a predictor, which has no model yet.

        Args:
            settings: name the artifacts, and the home that their files are fetched into.
            most_bytes: of the files of the models that stay loaded.
        """
        self._settings = settings
        self._most_bytes = most_bytes
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="predict")
        self._slots: OrderedDict[UUID, _Slot] = OrderedDict()
        self._lock = Lock()
        self._begun = 0

    async def predict(self, version: Version, query: Query) -> dict[str, Any]:
        """Return what a version says to a query.

        Raises:
            BadModel: no engine runs the version's files, or one is not what was registered.
            BadSpec: the query is not one for this model.
            LostFile: a file is not in the artifacts any more.
            MissingExtra: the engine is not installed here.
            Overloaded: as many queries wait as may wait.
        """
        check_engine_file(version)
        if self._begun >= AT_ONCE + MOST_WAITING:
            raise Overloaded(
                f"{MOST_WAITING} queries wait already: ask again in a moment, or give this model a "
                "server of its own with `alambique serve`"
            )
        self._begun += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._answer, version, query)
        finally:
            self._begun -= 1

    def close(self) -> None:
        """Answer nothing more."""
        self._threads.shutdown(cancel_futures=True)

    def loaded(self) -> list[UUID]:
        """Return the versions that are loaded, the last asked at the end."""
        with self._lock:
            return list(self._slots)

    def _answer(self, version: Version, query: Query) -> dict[str, Any]:
        slot = self._slot(version)
        with slot.lock:
            if slot.model is None:
                slot.model = self._load(version)
            return slot.model.run([query])[0]

    def _slot(self, version: Version) -> _Slot:
        """Return the place of a version's model, for which others may lose theirs."""
        with self._lock:
            size = sum(file.size for file in version.files)
            slot = self._slots.setdefault(version.id, _Slot(size))
            self._slots.move_to_end(version.id)
            while len(self._slots) > 1 and self._bytes() > self._most_bytes:
                self._slots.popitem(last=False)
        return slot

    def _bytes(self) -> int:
        return sum(slot.bytes for slot in self._slots.values())

    def _load(self, version: Version) -> Model:
        try:
            return Model.from_folder(self._fetch(version))
        except BaseException:
            with self._lock:
                self._slots.pop(version.id, None)
            raise

    def _fetch(self, version: Version) -> Path:
        """Return the folder of a version's files, fetched where it is not here."""
        folder = self._settings.home.absolute() / "downloads" / str(version.id)
        if folder.is_dir():
            return folder
        try:
            save(VersionView.model_validate(version), folder, partial(self._open_file, version))
        except (Conflict, OSError):
            if not folder.is_dir():  # else another process was first
                raise
        return folder

    @contextmanager
    def _open_file(self, version: Version, name: str) -> Iterator[Iterable[bytes]]:
        (file,) = [file for file in version.files if file.name == name]
        with open_artifact(self._settings.artifact_root, version, file) as opened:
            yield pieces(opened)


def check_engine_file(version: Version) -> None:
    """Raise `BadModel` if a version has no file that an engine runs."""
    if not {ONNX_FILE, OPENVINO_FILE} & {file.name for file in version.files}:
        raise BadModel(
            f"{version.name}@{version.number} has no file that an engine runs: ask one of its "
            "compressed versions, which a job with `compress: [onnx]` registers beside it"
        )
