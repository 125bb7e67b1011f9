"""A real model of a real job, published into a folder and signed."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import torch
from tests.workers.verifying.folders import stage

from alambique.registry import versions
from alambique.registry.database import Database
from alambique.registry.records import Publication
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import PublicationState, State
from alambique.workers.publishing import signing
from alambique.workers.publishing.data_at_hand import DataFolders
from alambique.workers.publishing.release import Release, load_release
from alambique.workers.queue.driver import run_here

PICO = Path(__file__).parents[3] / "recipes" / "pico.yaml"
SMALL = (
    "data.limit={train: 60, dev: 20, test: 20}",
    "teacher.train.epochs=3",
    "teacher.gate=off",
    "train.epochs=2",
    "seeds=[1, 2]",
    "compress={formats: [onnx], tolerance: 1}",
)
AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The home that the job ran in."""
    return Settings(home=tmp_path_factory.mktemp("published") / "home")


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    """The registry, once the job is over."""
    database = Database(settings.database)
    database.upgrade()
    torch.set_num_threads(1)
    row = run_here(settings, database, read_job(PICO.read_text(), SMALL), posted=lambda _: None)
    assert row.state is State.SUCCEEDED, row.message
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def load(database: Database) -> Callable[[str], Release]:
    """What the registry knows of a version, by its name."""

    def found(name: str) -> Release:
        with database.read() as session:
            version = versions.find(session, "default", name, "1")
            return load_release(session, publication_of(version.id))

    return found


def publication_of(version: UUID) -> Publication:
    return Publication(
        id=UUID(int=7),
        version_id=version,
        target="folder:pico",
        private=True,
        override=None,
        job_id=None,
        state=PublicationState.WAITING,
        attempts=0,
        token=0,
        holder=None,
        lease_until=None,
        not_before=None,
        message=None,
        commit=None,
        url=None,
        created_at=AT,
        updated_at=AT,
        published_at=None,
    )


@pytest.fixture(scope="session")
def release(load: Callable[[str], Release]) -> Release:
    """Of the student."""
    return load("pico")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pairs of keys, as docs/verifying.md says how to make them."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        make = f"openssl ecparam -name prime256v1 -genkey -noout -out {name}.pem"
        public = f"openssl pkey -in {name}.pem -pubout -out {name}.pub"
        subprocess.run(f"{make} && {public}", shell=True, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def published(
    settings: Settings, release: Release, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The signed folder, which tests copy before they change it."""
    folder = tmp_path_factory.mktemp("folders") / "pico"
    stage(settings, release, folder)
    signing.sign(folder, keys / "ours.pem")
    return folder


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy of the signed folder, to be changed."""
    return Path(shutil.copytree(published, tmp_path / "pico"))


@pytest.fixture
def nowhere(tmp_path: Path) -> DataFolders:
    """A machine that has what comes with the package, and nothing else."""
    return DataFolders(None, tmp_path / "home")
