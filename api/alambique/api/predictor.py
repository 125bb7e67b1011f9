"""Answers of registered versions: their files fetched from the artifacts, the last used loaded."""

import asyncio
import tempfile
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
from alambique.spec.errors import BadModel
from alambique.spec.settings import Settings

MOST_BYTES = 512 << 20
"""Of the files of all models that stay loaded. In memory they take up to twice as much, which has
to fit beside the API into what a container is given for it."""
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
            settings: name the artifacts, and the home, where files are while they are loaded.
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
            BadModel: no engine runs the version's files, they are too large to be loaded here, or
                one is not what was registered.
            BadSpec: the query is not one for this model.
            LostFile: a file is not in the artifacts any more.
            MissingExtra: the engine is not installed here.
            Overloaded: as many queries wait as may wait.
        """
        check_engine_file(version)
        self._check_size(version)
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
            slot = self._slots.setdefault(version.id, _Slot(_size(version)))
            self._slots.move_to_end(version.id)
            while len(self._slots) > 1 and self._bytes() > self._most_bytes:
                self._slots.popitem(last=False)
        return slot

    def _bytes(self) -> int:
        return sum(slot.bytes for slot in self._slots.values())

    def _check_size(self, version: Version) -> None:
        if (size := _size(version)) > self._most_bytes:
            raise BadModel(
                f"{version.name}@{version.number} has {size:,} bytes, and the API loads models of "
                f"at most {self._most_bytes:,}: serve it by itself with `alambique serve`"
            )

    def _load(self, version: Version) -> Model:
        # no copy stays on the disk: it would grow with each version that was ever asked
        downloads = self._settings.home.absolute() / "downloads"
        try:
            downloads.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".predict-", dir=downloads) as temporary:
                folder = Path(temporary) / "version"
                view = VersionView.model_validate(version)
                save(view, folder, partial(self._open_file, version))
                return Model.from_folder(folder)
        except BaseException:
            with self._lock:
                self._slots.pop(version.id, None)
            raise

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


def _size(version: Version) -> int:
    return sum(file.size for file in version.files)
