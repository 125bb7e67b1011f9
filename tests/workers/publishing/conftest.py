"""A registry with a version that can be published, and a hub to publish it to."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.releases import Registered, register
from tests.team_hub import WRITER, TeamHub, team_hub

from alambique.registry import publications
from alambique.registry.database import Database
from alambique.registry.records import Publication
from alambique.spec.publication import target_of
from alambique.spec.settings import Settings
from alambique.workers.publishing.publisher import Publisher


@pytest.fixture
def team() -> Iterator[TeamHub]:
    """A hub of this machine."""
    with team_hub() as hub:
        yield hub


@pytest.fixture(scope="session")
def _registered_once(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    made = register(Settings(home=tmp_path_factory.mktemp("registered")))
    made.database.dispose()
    return made


@pytest.fixture
def registered(_registered_once: Registered, tmp_path: Path) -> Iterator[Registered]:
    """A finished job and its student, in a registry whose operator has a token."""
    shutil.copytree(_registered_once.settings.home, tmp_path / "home")
    settings = Settings(home=tmp_path / "home", hub_token=WRITER)
    database = Database(settings.database)
    yield replace(_registered_once, settings=settings, database=database)
    database.dispose()


@pytest.fixture
def asked(registered: Registered) -> Callable[..., Publication]:
    """Asks for the student to be published."""

    def ask(to: str = "hub:team/pico", **more: Any) -> Publication:
        with registered.database.write() as session:
            return publications.request(session, registered.version, target_of(to), **more)

    return ask


@pytest.fixture
def publisher(registered: Registered, team: TeamHub) -> Publisher:
    """Carries out publications in this process."""
    return Publisher(registered.settings, registered.database, endpoint=team.endpoint)
