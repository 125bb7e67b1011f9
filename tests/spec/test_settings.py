"""Settings: what the environment may say, and how it is read."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from alambique.spec.settings import Settings


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"ALAMBIQUE_{name.upper()}", "")
    assert Settings() == Settings.model_construct(home=Path.home() / ".alambique")


@pytest.mark.parametrize("name", ["home", "data", "models"])
def test_a_tilde_is_the_home_of_the_user(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ALAMBIQUE_{name.upper()}", "~/there")
    assert getattr(Settings(), name) == Path.home() / "there"


def test_the_home_of_a_user_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALAMBIQUE_DATA", "~no-such-user/data")
    with pytest.raises(ValidationError, match="give the whole path"):
        Settings()


@pytest.mark.parametrize("port", ["abc", "99999", "-1", "0"])
def test_a_url_whose_port_is_none(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALAMBIQUE_URL", f"http://localhost:{port}")
    with pytest.raises(ValidationError, match="no URL of a server"):
        Settings()


def test_a_folder_of_secrets_is_read_where_the_environment_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alambique_database_url").write_text("postgresql://a:b@host/db\n")
    (tmp_path / "alambique_redis_url").write_text("redis://:of-the-file@host\n")
    (tmp_path / "alambique_token").write_text("\n")
    (tmp_path / "postgres_password").write_text("of somebody else\n")
    monkeypatch.setenv("ALAMBIQUE_SECRETS", str(tmp_path))
    monkeypatch.setenv("ALAMBIQUE_REDIS_URL", "redis://:of-the-environment@host")
    found = Settings()
    assert found.database == "postgresql://a:b@host/db"
    assert found.redis == "redis://:of-the-environment@host"
    assert found.token is None


def test_a_folder_of_secrets_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALAMBIQUE_SECRETS", str(tmp_path / "none"))
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [error["loc"] for error in caught.value.errors()] == [("secrets",)]


def test_hosts_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALAMBIQUE_HOSTS", "distil.example, 10.0.0.7:8400,[::1]")
    assert Settings().hosts == ("distil.example", "10.0.0.7:8400", "[::1]")


@pytest.mark.parametrize("hosts", ["https://distil.example", "*", "a:0", "a b", "distil.example/x"])
def test_a_name_of_no_server(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALAMBIQUE_HOSTS", hosts)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [("hosts",)]
