"""The page on the Python client: what it shows is run, top to bottom, against a real server."""

import hashlib
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alambique.api.client import Client
from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.registry.records import File, Metric
from alambique.spec.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
URL = "http://127.0.0.1:8400"


def finished(database: Database, settings: Settings, job_id: Any, folder: Path) -> None:
    """The job, done by this test in a worker's place, with a registered version of those files."""
    shutil.copytree(folder, Path(settings.artifact_root) / "by-python")
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    with database.write() as session:
        row = jobs.take(session, "test", timedelta(minutes=1), job_id=job_id)
    assert row is not None
    with database.write() as session:
        versions.record(
            session,
            row.id,
            row.token,
            name="by-python",
            role="student",
            task=row.task,
            labels=("O",),
            parameters=1000,
            macs_linear=10,
            macs_full=20,
            weights="0" * 64,
            artifact="by-python",
            files=[
                File(name, hashlib.sha256(content).hexdigest(), len(content))
                for name, content in contents.items()
            ],
            metrics=[Metric("sample-entities", "test", "f1", 0.5)],
        )
    with database.write() as session:
        jobs.note(session, row.id, row.token, "log", {"lines": ["hola"]})
        jobs.finish(session, row.id, row.token, {"rows": []})


def test_the_page_on_the_client_is_so(
    url: str,
    settings: Settings,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    engine_folder: Callable[[str], Path],
) -> None:
    folder = engine_folder("named-entities")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    assert URL in blocks[0]
    for block in blocks:
        if "client.watch(" in block:
            finished(database, settings, names["posted"].id, folder)
        exec(compile(block.replace(URL, url), str(PAGE), "exec"), names)
    with names["client"]:
        assert isinstance(names["client"], Client)
    assert names["done"].state == "succeeded"
    for path in folder.iterdir():
        assert (tmp_path / "by-python" / path.name).read_bytes() == path.read_bytes()
    said = capsys.readouterr().out
    for word in (
        "named-entities",
        "cancelled",
        "hola",
        "('test', 'f1', 0.5)",
        "student.layerz",
        "('Lugo', '",
    ):
        assert word in said
