"""Repositories of data that tests put on the hub, and data sets loaded from them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
from pyarrow import parquet

from alambique.spec.data import Data
from alambique.tasks.all import find
from alambique.tasks.data import Splits, load
from alambique.workers.hub_data import HubFetcher

if TYPE_CHECKING:
    from tests.local_hub import Hub


REPOSITORY = "team/reviews"
STARS = ("mala", "regular", "buena")
README = """---
configs:
- config_name: es
  data_files:
  - split: train
    path: es/train-*
  - split: validation
    path: es/validation-*
- config_name: gl
  data_files:
  - split: train
    path: gl/train-*
---
"""


def classes(names: Sequence[str], *, listed: bool = False) -> dict[str, Any]:
    """A column of classes, or of lists of them, as `datasets` writes it into Parquet."""
    one = {"names": list(names), "_type": "ClassLabel"}
    return {"feature": one, "_type": "List"} if listed else one


def put(path: Path, rows: Sequence[Mapping[str, Any]], **named: Any) -> None:
    """Write rows as Parquet, with what `datasets` says of columns of classes."""
    table = pyarrow.Table.from_pylist(list(rows))
    others = {name: {"dtype": "string", "_type": "Value"} for name in table.column_names}
    if named:
        metadata = {"info": {"features": others | named}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def reviews(split: str, count: int) -> list[dict[str, Any]]:
    return [{"opinion": f"{split}, reseña {n}", "tono": n % 3} for n in range(count)]


def loaded(said: Mapping[str, Any], task: str, hub: "Hub", home: Path) -> Splits:
    fetch = HubFetcher(home, log=print, endpoint=hub.endpoint).fetch
    return load(Data.model_validate(said), task=find(task), root=None, fetch=fetch)
