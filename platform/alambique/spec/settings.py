"""What the environment says, read once by the composition root."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from alambique.spec.hosts import host_of


class Settings(BaseSettings):
    """The settings of one process. Every field is an environment variable ALAMBIQUE_<NAME>.

    What the environment does not say is read from the files of the folder `secrets`, where there
    is one: a file `alambique_<name>` for each field that is kept there.
    """

    # a variable that is set to nothing is not set: files for containers list them all
    model_config = SettingsConfigDict(env_prefix="ALAMBIQUE_", env_ignore_empty=True, frozen=True)

    home: Path = Field(default_factory=lambda: Path.home() / ".alambique")
    """Database, near cache and artifacts, unless they are elsewhere."""
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    """The shared tier of the teacher cache; without it the near tier alone is used."""
    ray_address: str | None = None
    """Of a running Ray; without it a local one is started."""
    artifacts: str | None = None
    """Any fsspec URL."""
    data: Path | None = None
    """A folder of data sets, one folder each."""
    models: Path | None = None
    """A folder of model folders."""
    lease: float = Field(60.0, gt=0)
    """Seconds after which the job of a silent driver is taken from it."""
    heartbeat: float = Field(15.0, gt=0)
    """Seconds between two renewals of a lease."""
    hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names by which clients reach the server, besides those of this machine's loopback."""
    url: str = "http://127.0.0.1:8400"
    """Of the server that the client asks."""
    token: SecretStr | None = None
    hub_token: SecretStr | None = None
    """Of the hub, to publish with: the operator's, for every project without one of its own."""
    signing_key: Path | None = None
    """A private key in PEM, with which what is published is signed."""
    retention: float = Field(30.0, ge=0)
    """Days after which the files of a deleted version may be removed."""
    secrets: Path | None = None
    """A folder of files that hold settings, for values that no environment should show."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of the settings, the first one that has a value wins."""
        folder = env_settings().get("secrets")
        # a folder that is missing is refused by the field's own validator
        if not isinstance(folder, str) or not Path(folder).is_dir():
            return init_settings, env_settings
        return init_settings, env_settings, _SecretFiles(settings_cls, folder)

    @field_validator("secrets")
    @classmethod
    def _check_secrets_folder(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError(
                f"there is no folder {folder}: give the one that holds files such as "
                "alambique_database_url"
            )
        return folder

    @field_validator("home", "data", "models")
    @classmethod
    def _expand_home(cls, path: Path | None) -> Path | None:
        """Write `~` out, which a shell does only where it stands unquoted and first."""
        try:
            return path and path.expanduser()
        except RuntimeError as error:
            raise ValueError(f"{path}: there is no such user; give the whole path") from error

    @field_validator("heartbeat")
    @classmethod
    def _check_heartbeat(cls, heartbeat: float, info: ValidationInfo) -> float:
        lease = info.data.get("lease")
        if lease is not None and heartbeat >= lease:
            raise ValueError(
                f"{heartbeat:g} s is not below ALAMBIQUE_LEASE, {lease:g} s: a live driver would "
                "lose its job; give a third of it or less"
            )
        return heartbeat

    @field_validator("hosts", mode="before")
    @classmethod
    def _split_hosts(cls, hosts: Any) -> Any:
        if isinstance(hosts, str):
            return [name.strip() for name in hosts.split(",") if name.strip()]
        return hosts

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for name in hosts:
            if host_of(name) is None:
                raise ValueError(
                    f"{name!r} is no name of a server: give names with or without a port, with "
                    "commas between, as distil.example,10.0.0.7:8400"
                )
        return hosts

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not _is_server_url(url):
            shown = url.rpartition("@")[2]  # a password may stand before, wherever it begins
            raise ValueError(f"{shown!r} is no URL of a server: give one as http://127.0.0.1:8400")
        return url

    @property
    def database(self) -> str:
        """The URL of the SQL database."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home.absolute() / 'alambique.db'}"

    @property
    def artifact_root(self) -> str:
        """Where the files of model versions are kept."""
        return self.artifacts or str(self.home.absolute() / "artifacts")

    @property
    def redis(self) -> str | None:
        """The URL of the shared tier."""
        return self.redis_url.get_secret_value() if self.redis_url else None

    def hub_token_of(self, project: str) -> SecretStr | None:
        """Return the token by which versions of a project are published.

        That is the content of the file `alambique_hub_token.<project>` among the secrets, read now;
        without one, the operator's.
        """
        path = self.secrets / f"alambique_hub_token.{project}" if self.secrets else None
        own = path.read_text(encoding="utf-8").strip() if path and path.is_file() else ""
        return SecretStr(own) if own else self.hub_token

    def without_publishing(self) -> "Settings":
        """Return the settings without the secrets that serve to publish, for who runs jobs."""
        return self.model_copy(update={"hub_token": None, "signing_key": None})

    @property
    def lease_time(self) -> timedelta:
        """How long a driver may be silent."""
        return timedelta(seconds=self.lease)


class _SecretFiles(SecretsSettingsSource):
    """Files of secrets, of which one that is empty counts as not there."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        return value or None, key, is_complex


def _is_server_url(url: str) -> bool:
    """Return whether it has the scheme, the host and, where it has one, the port of a server.

    >>> [_is_server_url(f"http://{rest}") for rest in ("localhost", "[::1]:80", "a:b", "a:99999")]
    [True, True, False, False]
    """
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port, or of the brackets
        return False
