"""The commands that publish: with a server, and where there is none."""

import json
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Here
from tests.releases import Registered, register

from alambique.registry import publications
from alambique.registry.database import Database
from alambique.spec.publication import target_of
from alambique.spec.settings import Settings


@pytest.fixture
def registered(settings: Settings, url: str) -> Iterator[Registered]:
    """A student in the registry of the session's server."""
    made = register(settings)
    yield made
    made.database.dispose()


def test_with_a_server_it_is_asked_for(
    here: Here, registered: Registered, alambique: Callable[..., object]
) -> None:
    name = f"pico@{registered.version.number}"
    (view,) = json.loads(here("models", "publish", name, "--to", "hub:team/pico", "--json"))
    assert (view["state"], view["private"], view["target"]) == ("waiting", True, "hub:team/pico")
    shown = here("models", "publish", name, "--to", "hub:team/pico", "--public")
    assert "waiting" in shown
    listed = json.loads(here("models", "publications", "pico", "--json"))["items"]
    assert [(one["id"], one["private"]) for one in listed] == [(view["id"], False)]
    assert "hub:team/pico" in here("models", "publications")
    here("models", "publish", name, "--to", "team/pico", code=1)
    here("models", "publish", name, "--to", "folder:a", "--override-by", "Eva", code=1)


def test_without_a_server_it_is_done_at_once(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    made = register(Settings(home=tmp_path / "home"))
    made.database.dispose()
    monkeypatch.setattr(
        "alambique.spec.settings.Settings.model_fields_set", property(lambda _: set())
    )
    monkeypatch.setenv("ALAMBIQUE_URL", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("ALAMBIQUE_HOME", str(tmp_path / "home"))
    (view,) = json.loads(here("models", "publish", "pico", "--to", "folder:pico", "--json"))
    place = f"file://{socket.gethostname()}{tmp_path / 'home/published/pico/v1'}"
    assert (view["state"], view["url"]) == ("published", place)
    (view,) = json.loads(
        here("models", "publish", "pico", "--to", "hub:team/pico", "--json", code=1)
    )
    assert view["state"] == "refused"
    assert "ALAMBIQUE_HUB_TOKEN" in view["message"]
    database = Database(Settings(home=tmp_path / "home").database)
    with database.write() as session:
        publications.request(session, made.version, target_of("folder:other"))
        publications.take(session, "other.example:7", timedelta(minutes=1))
    database.dispose()
    (view,) = json.loads(
        here("models", "publish", "pico", "--to", "folder:other", "--json", code=1)
    )
    assert view["state"] == "publishing"
    assert view["message"].startswith("worker other.example:7 is publishing it, attempt 1: ")
