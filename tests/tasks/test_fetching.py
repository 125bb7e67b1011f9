"""Files of data sets from a hub that speaks the hub's protocol."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

from alambique.spec.errors import NoData
from alambique.tasks.datasets import Hub
from alambique.tasks.examples import Labelled
from alambique.tasks.fetching import fetching
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns, Rows

COMMIT = "4cd8187c404bda33cb1f62b49b001115862acf37"
COLUMNS = Columns(texts=("premise", "hypothesis"), label="label")
PAIRS = [Labelled("train.parquet:1", ("Ana vive en Lugo.", "Ana vive."), "entailment")]
PATH = "es/train.parquet"
SET = Hub("team/pairs", COMMIT, {"train": PATH}, partial(tables.read, columns=COLUMNS))


@pytest.fixture
def hub(tmp_path: Path, serving: Callable[..., str]) -> tuple[str, list[str]]:
    """A hub with the data set team/pairs; its URL, and what it has been asked for."""
    file, asked = tmp_path / "train.parquet", list[str]()
    tables.write(file, COLUMNS, PAIRS)

    def answered(path: str) -> tuple[int, bytes, dict[str, str]]:
        asked.append(path)
        headers = {"X-Repo-Commit": COMMIT, "ETag": '"pairs"'}
        if unquote(path) == f"/datasets/team/pairs/resolve/{COMMIT}/{PATH}":
            return 200, file.read_bytes(), headers
        return 404, b"", headers | {"X-Error-Code": "EntryNotFound"}

    return serving(answered), asked


def test_a_file_is_fetched_once_at_its_commit(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    url, asked = hub
    fetch = fetching(tmp_path / "cache", endpoint=url)
    found = SET.read(fetch(SET, PATH))
    assert isinstance(found, Rows)
    assert [(one.texts, one.label) for one in found.examples] == [
        (pair.texts, pair.label) for pair in PAIRS
    ]
    assert asked
    asked.clear()
    assert fetch(SET, PATH).is_file()
    assert asked == []


def test_a_file_that_the_hub_has_not(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(NoData, match=r"es/dev\.parquet of the data set team/pairs at 4cd8"):
        fetching(tmp_path / "cache", endpoint=hub[0])(SET, "es/dev.parquet")
