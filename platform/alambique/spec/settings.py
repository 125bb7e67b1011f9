"""What the environment says, read once by the composition root."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of one process. Every field is an environment variable ALAMBIQUE_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ALAMBIQUE_", frozen=True)

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
    url: str = "http://127.0.0.1:8400"
    token: SecretStr | None = None

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

    @property
    def lease_time(self) -> timedelta:
        """How long a driver may be silent."""
        return timedelta(seconds=self.lease)
