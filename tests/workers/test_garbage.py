"""Collecting garbage: of real files, what no version needs goes, and what one needs stays."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from alambique.registry import deletion, jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import File, JobRow, Version
from alambique.spec.errors import Deleted
from alambique.spec.job import Job
from alambique.spec.reading import job_of
from alambique.spec.settings import Settings
from alambique.workers.garbage import collect_garbage

LEASE = timedelta(minutes=1)
FILES = {"config.json": 20, "onnx/model.onnx": 1000}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", retention=0)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    database.upgrade()
    yield database
    database.dispose()


@pytest.fixture
def job() -> Job:
    return job_of(
        {
            "task": "named-entities",
            "data": "sample-entities",
            "teacher": {"model": "sample-encoder"},
            "student": {"layers": 1},
        }
    )


class Zoo:
    """A registry with its artifacts, filled as jobs do it."""

    def __init__(self, database: Database, settings: Settings, job: Job) -> None:
        self.database, self.settings, self.job = database, settings, job
        self.root = Path(settings.artifact_root)

    def begin(self) -> JobRow:
        with self.database.write() as session:
            posted = jobs.submit(session, self.job)
            row = jobs.take(session, "driver", LEASE, job_id=posted.id)
        assert row is not None
        return row

    def store(self, row: JobRow, role: str = "student", *, age: float = 3600) -> str:
        """Store files as an attempt of the job does, so many seconds ago."""
        key = f"versions/{row.id}/{row.token}/{role}"
        for name, size in FILES.items():
            path = self.root / key / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(size))
            os.utime(path, (time.time() - age,) * 2)
        return key

    def record(self, row: JobRow, artifact: str, role: str = "student") -> Version:
        plain: dict[str, Any] = {"task": row.task, "labels": ("O",), "parameters": 1}
        files = [File(name, "0" * 64, size) for name, size in FILES.items()]
        with self.database.write() as session:
            return versions.record(
                session,
                row.id,
                row.token,
                name="tiny",
                role=role,
                macs_linear=1,
                macs_full=1,
                weights="w" * 64,
                artifact=artifact,
                files=files,
                **plain,
            )

    def version(self) -> Version:
        """A version of a job that has succeeded."""
        row = self.begin()
        made = self.record(row, self.store(row))
        self.finish(row)
        return made

    def finish(self, row: JobRow) -> None:
        with self.database.write() as session:
            jobs.finish(session, row.id, row.token, {})

    def delete(self, *numbers: int) -> None:
        for number in numbers:
            with self.database.write() as session:
                deletion.delete(session, "default", "tiny", number)

    def are_whole(self, *keys: str) -> bool:
        """Whether all files are there under each of the keys."""
        return all((self.root / key / name).is_file() for key in keys for name in FILES)

    def paths(self) -> set[str]:
        """All that is under the root, files and folders."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}


@pytest.fixture
def zoo(database: Database, settings: Settings, job: Job) -> Zoo:
    return Zoo(database, settings, job)


def test_files_of_a_deleted_version_go_after_the_retention(zoo: Zoo) -> None:
    kept, gone = zoo.version(), zoo.version()
    zoo.delete(2)
    month = zoo.settings.model_copy(update={"retention": 30.0})
    assert collect_garbage(zoo.database, month).folders == ()
    assert zoo.are_whole(kept.artifact, gone.artifact)
    planned = collect_garbage(zoo.database, zoo.settings, dry_run=True)
    assert zoo.are_whole(kept.artifact, gone.artifact)
    done = collect_garbage(zoo.database, zoo.settings)
    assert done == planned
    assert [version.name for version in done.versions] == ["tiny@2"]
    assert [(one.folder, one.files, one.bytes) for one in done.folders] == [
        (gone.artifact, 2, 1020)
    ]
    assert done.bytes == 1020
    assert zoo.are_whole(kept.artifact)
    assert not any(str(gone.job_id) in path for path in zoo.paths())
    again = collect_garbage(zoo.database, zoo.settings)
    assert (again.versions, again.folders) == ((), ())


def test_files_that_a_living_version_shares_stay(zoo: Zoo) -> None:
    first = zoo.version()
    row = zoo.begin()
    zoo.record(row, first.artifact)
    zoo.finish(row)
    zoo.delete(1)
    done = collect_garbage(zoo.database, zoo.settings)
    assert [version.name for version in done.versions] == ["tiny@1"]
    assert done.folders == ()
    assert zoo.are_whole(first.artifact)
    zoo.delete(2)
    assert [one.folder for one in collect_garbage(zoo.database, zoo.settings).folders] == [
        first.artifact
    ]
    assert zoo.paths() == {"versions"}


def test_what_killed_attempts_left_goes_and_what_may_be_registered_stays(zoo: Zoo) -> None:
    row = zoo.begin()
    old = zoo.store(row)
    with zoo.database.write() as session:
        jobs.release(session, row.id, row.token)
    with zoo.database.write() as session:
        again = jobs.take(session, "driver", LEASE, job_id=row.id)
    assert again is not None
    held = zoo.store(again)
    fresh = zoo.store(row, "teacher", age=0)
    done = collect_garbage(zoo.database, zoo.settings)
    assert [(one.folder, one.why) for one in done.folders] == [(old, "not registered")]
    assert zoo.are_whole(held, fresh)
    made = zoo.record(again, held)
    zoo.store(again, "gold-only")
    zoo.finish(again)
    os.utime(zoo.root / fresh / "config.json", (0, 0))
    os.utime(zoo.root / fresh / "onnx/model.onnx", (0, 0))
    done = collect_garbage(zoo.database, zoo.settings)
    assert {one.folder for one in done.folders} == {fresh, f"versions/{row.id}/2/gold-only"}
    assert zoo.are_whole(made.artifact)


def test_what_is_not_this_registrys_stays(zoo: Zoo, tmp_path: Path) -> None:
    other_home = zoo.settings.model_copy(update={"home": tmp_path / "other"})
    other = Database(other_home.database)
    other.upgrade()
    shared = other_home.model_copy(update={"artifacts": str(zoo.root)})
    made = zoo.version()
    (zoo.root / "versions" / "mine" / "x" / "y").mkdir(parents=True)
    (zoo.root / "README").write_text("hands off")
    before = zoo.paths()
    done = collect_garbage(other, shared)
    other.dispose()
    assert done.folders == ()
    assert set(done.unknown) == {made.artifact, "versions/mine/x/y"}
    assert zoo.paths() == before


def test_copies_on_this_machine_go_too(zoo: Zoo) -> None:
    kept, gone = zoo.version(), zoo.version()
    for version in (kept, gone):
        folder = zoo.settings.home / "downloads" / str(version.id)
        folder.mkdir(parents=True)
        (folder / "config.json").write_bytes(b"12345")
    zoo.delete(2)
    done = collect_garbage(zoo.database, zoo.settings)
    assert [(one.folder, one.bytes) for one in done.folders[1:]] == [(f"downloads/{gone.id}", 5)]
    assert [path.name for path in (zoo.settings.home / "downloads").iterdir()] == [str(kept.id)]


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the process killed at the removal of a file after so many, once."""
    remove = LocalFileSystem.rm_file

    def prepare(removals: int) -> None:
        left = iter(range(removals))

        def rm_file(system: LocalFileSystem, path: str) -> None:
            if next(left, None) is None:
                monkeypatch.setattr(LocalFileSystem, "rm_file", remove)
                raise Killed
            remove(system, path)

        monkeypatch.setattr(LocalFileSystem, "rm_file", rm_file)

    return prepare


def test_killed_anywhere_the_next_one_removes_the_rest(
    zoo: Zoo, kill_after: Callable[[int], None]
) -> None:
    kept = zoo.version()
    for number in range(2, 5):
        zoo.version()
        zoo.delete(number)
    for removals in range(4):
        kill_after(removals % 2)
        with pytest.raises(Killed):
            collect_garbage(zoo.database, zoo.settings)
        assert zoo.are_whole(kept.artifact)
        with zoo.database.write() as session, pytest.raises(Deleted):
            deletion.restore(session, "default", "tiny", 3)  # it may be half gone
    assert sum(path.endswith(".onnx") for path in zoo.paths()) > 1
    done = collect_garbage(zoo.database, zoo.settings)
    assert done.versions == ()
    assert done.folders
    assert {path for path in zoo.paths() if path.endswith((".onnx", ".json"))} == {
        f"{kept.artifact}/{name}" for name in FILES
    }
