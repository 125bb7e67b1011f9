"""Homes for whole jobs, and the smallest job there is."""

import shutil
from pathlib import Path

import pytest

from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"
SMALL = (
    "data.limit={train: 60, dev: 20, test: 20}",
    "teacher.train.epochs=4",
    "teacher.gate=off",  # it learns too little to pass
    "train.epochs=2",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of the test's own."""
    return Settings(home=tmp_path / "home", lease=30, heartbeat=1)


@pytest.fixture
def database(settings: Settings) -> Database:
    """The registry in that home, empty."""
    database = Database(settings.database)
    database.upgrade()
    return database


@pytest.fixture(scope="session")
def pico() -> Job:
    """A job that goes through every stage in seconds."""
    return read_job((RECIPES / "pico.yaml").read_text(), SMALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The four roots of the sources in a folder of their own, which a test may edit."""
    folder = tmp_path / "checkout"
    for root in ("platform", "tasks", "workers", "api"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / root, folder / root, ignore=ignored)
    return folder
