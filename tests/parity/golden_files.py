"""The golden numbers of published systems, which golden/README.md describes."""

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_name("golden")


def read_json(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text("utf-8"))


def read_arrays(name: str) -> dict[str, Any]:
    with np.load(GOLDEN / name, allow_pickle=False) as file:
        return dict(file)
