"""The configs of models of the hub: what is asked for, with a hub of our own on this machine."""

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from alambique.api.planning import config_of
from alambique.models.configs import LARGEST_CONFIG
from alambique.registry.database import Database
from alambique.spec.errors import BadModel
from alambique.spec.settings import Settings
from alambique.spec.sources import Hub


@pytest.mark.parametrize("size", [LARGEST_CONFIG + 1, 20])
def test_a_config_of_the_hub_is_fetched_only_if_it_is_small(
    tmp_path: Path,
    serving: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    content = b'{"model_type":"bert"}'.ljust(size)

    def answered(_: str) -> tuple[int, bytes, dict[str, str]]:
        return 200, content, {"X-Repo-Commit": "0" * 40, "ETag": '"config"'}

    url = serving(answered)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    def look() -> object:
        source = Hub("team/tiny", None)
        return config_of(source, project="p", settings=settings, database=database)

    if size > LARGEST_CONFIG:
        with pytest.raises(BadModel) as caught:
            look()
        assert str(settings.home) not in str(caught.value)
        assert [file for file in settings.home.rglob("*") if file.stat().st_size >= size] == []
    else:
        assert look() == {"model_type": "bert"}
