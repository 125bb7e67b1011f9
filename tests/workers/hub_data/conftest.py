"""A repository of reviews on the hub."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_hub import Hub

from tests.workers.hub_data.reviews import README, REPOSITORY, STARS, classes, put, reviews


@pytest.fixture
def repository(tmp_path: Path, hub: "Hub") -> tuple[Path, str]:
    """The files of team/reviews on the hub, and its commit."""
    folder = tmp_path / "reviews"
    put(folder / "es" / "train-0.parquet", reviews("train", 30), tono=classes(STARS))
    put(folder / "es" / "validation-0.parquet", reviews("dev", 6), tono=classes(STARS))
    put(folder / "gl" / "train-0.parquet", reviews("gl", 3), tono=classes(STARS))
    (folder / "README.md").write_text(README)
    return folder, hub.add(f"datasets/{REPOSITORY}", folder)
