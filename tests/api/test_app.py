"""The application as a whole: what it imports, what it says of itself, what it lists."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from alambique.api.client import Client
from alambique.spec.job import Job
from alambique.tasks.all import ALL

HEAVY = ("torch", "ray", "transformers", "datasets", "deepspeed", "alambique.workers")
IMPORT = """
import sys, time
began = time.perf_counter()
from pathlib import Path
from alambique.api.app import create_app
from alambique.spec.settings import Settings
create_app(Settings(home=Path(sys.argv[1])))
print(time.perf_counter() - began)
print(*sys.modules)
"""


def test_it_starts_without_torch_and_the_like(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    command = [sys.executable, "-c", IMPORT, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, modules = found.stdout.splitlines()
    record_property("seconds", seconds)
    assert not {*HEAVY} & set(modules.split())


def references(part: Any) -> set[str]:
    """Every $ref in a description."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(inner) for inner in part.values()))
    if isinstance(part, list):
        return set().union(*(references(inner) for inner in part))
    return set()


def test_its_description_is_whole(http: httpx2.Client) -> None:
    described = http.get("/openapi.json").json()
    schemas = described["components"]["schemas"]
    names = {name.removeprefix("#/components/schemas/") for name in references(described)}
    assert names <= set(schemas)
    assert set(schemas["Job"]["required"]) == set(Job.model_json_schema()["required"])
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert "application/problem+json" in answers["default"]["content"], (method, path)
            assert any(status.startswith("2") for status in answers), (method, path)
    posted = described["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    assert set(posted) == {"application/json", "application/yaml"}
    assert "text/event-stream" in json.dumps(described["paths"]["/v1/jobs/{job_id}/events"])


def test_tasks_and_data_are_listed(client: Client) -> None:
    tasks = {task.name: task for task in client.tasks().items}
    assert set(tasks) == {task.name for task in ALL}
    assert tasks["question-answering"].settings["max_answer_length"] == 30
    data = {found.name: found for found in client.data().items}
    assert data["conll2002"].at_hand
    assert not data["mlqa"].at_hand
    assert not data["squad-es-v2"].at_hand  # the folder is there, the file is not
    assert {found.task for found in data.values()} <= set(tasks)
    assert data["conll2002"].sizes["train"] > 8000
