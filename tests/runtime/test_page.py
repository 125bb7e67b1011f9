"""What docs/runtime.md shows runs, with models in folders of the names that it has."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.documents import DOCS, blocks

from alambique.spec.outputs import Output

FOLDERS = {
    "ner": Output.TAGS,
    "qa": Output.SPAN,
    "pairs": Output.CLASSES,
    "similar": Output.SCORE,
}


def test_the_page_of_the_runtime_runs(
    exported: Callable[[Output], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, output in FOLDERS.items():
        shutil.copytree(exported(output), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    local = [block for block in blocks(DOCS / "runtime.md", "python") if "https://" not in block]
    assert len(local) == 3
    for block in local:
        exec(block, names)
    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[:3] == ["Ana", "0", "3"]
    assert len([line for line in said if line.startswith("[{'word'")]) == 2
    assert "'best': [" in said[-1]
