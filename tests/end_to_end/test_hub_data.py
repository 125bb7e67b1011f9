"""A user's own data set of the hub, from a job file to a registered student."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import yaml
from pyarrow import parquet

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

WORDS = {"buena": "me gusta mucho", "mala": "no me gusta nada"}


def put(folder: Path) -> None:
    """Reviews whose tone is a number, in columns and splits with names of their own."""
    for split, count in (("train", 120), ("dev", 30), ("eval", 30)):
        rows = [
            {"opinion": f"{n}: {WORDS[tone]}", "tono": number}
            for n in range(count // 2)
            for number, tone in enumerate(WORDS)
        ]
        folder.mkdir(exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"{split}.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n"
        + "".join(f"  - split: {s}\n    path: {s}.parquet\n" for s in ("train", "dev", "eval"))
        + "---\n"
    )


def alambique(home: Path, endpoint: str, *arguments: str) -> str:
    variables = {"ALAMBIQUE_HOME": str(home), "HF_ENDPOINT": endpoint}
    command = [sys.executable, "-P", "-m", "alambique.cli", *arguments]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reviews_of_ones_own(tmp_path: Path, hub: Any) -> None:
    put(tmp_path / "reviews")
    commit = hub.add("datasets/team/reviews", tmp_path / "reviews")
    job = yaml.safe_load((ROOT / "recipes" / "pico.yaml").read_text()) | {
        "task": "document-classification",
        "data": {
            "hub": "team/reviews",
            "columns": {"text": "opinion", "label": "tono"},
            "labels": list(WORDS),
            "splits": {"dev": "dev", "test": "eval"},
            "limit": {"train": 100},
        },
    }
    job["teacher"]["gate"] = "off"  # words tell the label of these, no network does it better
    file = tmp_path / "reviews.yaml"
    file.write_text(yaml.safe_dump(job))
    home = tmp_path / "home"
    planned = alambique(home, hub.endpoint, "plan", str(file))
    assert f"hub:team/reviews@{commit}: has" in " ".join(planned.split())
    alambique(home, hub.endpoint, "run", str(file))
    version = json.loads(alambique(home, hub.endpoint, "models", "show", "pico@1", "--json"))
    scores = {one["name"]: one["value"] for one in version["metrics"]}
    assert scores["accuracy"] > 0.9
    again = yaml.safe_load(alambique(home, hub.endpoint, "models", "reproduce", "pico@1"))
    assert again["data"]["name"] == f"hub:team/reviews@{commit}"
    # what is there is not asked for again, and with no hub at all the same data is read
    alambique(
        home, "http://127.0.0.1:1", "run", str(file), "--set", f"data.hub=team/reviews@{commit}"
    )
