"""The process that loads data of the hub: what it is told, and how it ends."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from alambique.spec.errors import LostWorker
from alambique.tasks.datasets import HubSplit
from alambique.workers.hub_data import HubFetcher

if TYPE_CHECKING:
    from tests.local_hub import Hub

from tests.workers.hub_data.reviews import REPOSITORY


def test_the_process_is_told_no_secrets_but_the_hubs(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told").mkdir()
    lines = (
        "import os, pathlib; pathlib.Path(__file__).with_name('seen').write_text(repr(os.environ))"
    )
    (tmp_path / "told" / "sitecustomize.py").write_text(lines)
    path = [str(tmp_path / "told"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.setenv("ALAMBIQUE_DATABASE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_job")
    fetch = HubFetcher(tmp_path / "home", log=print, endpoint=hub.endpoint).fetch
    fetch(HubSplit(REPOSITORY, repository[1], "train", subset="es"))
    seen = (tmp_path / "told" / "seen").read_text()
    assert "hunter2" not in seen
    assert "hf_of_the_job" in seen


LOADS = """
import sys
from pathlib import Path
from alambique.tasks.datasets import HubSplit
from alambique.workers.hub_data import HubFetcher
repository, commit, home, endpoint = sys.argv[1:]
fetch = HubFetcher(Path(home), log=print, endpoint=endpoint).fetch
fetch(HubSplit(repository, commit, "train", subset="es"))
"""


def test_a_killed_load_leaves_nothing_that_counts(
    repository: tuple[Path, str], hub: "Hub", tmp_path: Path, serving: Callable[..., str]
) -> None:
    asked, over = threading.Event(), threading.Event()

    def answer(path: str) -> tuple[int, bytes, dict[str, str]]:
        """Keep whoever asks for a file of data waiting."""
        if "/resolve/" in path and path.endswith(".parquet"):
            asked.set()
            over.wait()
        return hub.answer(path)

    home, endpoint = tmp_path / "home", serving(answer)
    command = [sys.executable, "-c", LOADS, REPOSITORY, repository[1], str(home), endpoint]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as job:
        try:
            assert asked.wait(60)
            (child,) = loading_children(job.pid)
            ends = select.poll()
            ends.register(os.pidfd_open(child), select.POLLIN)
            job.kill()
            assert ends.poll(20_000)  # it ends with the job
        finally:
            job.kill()
            over.set()
    (left,) = home.glob("datasets/*/*/*/.loading.*")
    fetch = HubFetcher(home, log=print, endpoint=hub.endpoint).fetch
    path = fetch(HubSplit(REPOSITORY, repository[1], "train", subset="es"))
    assert parquet.read_table(path).num_rows == 30
    assert not left.exists()


def test_a_process_that_is_killed_is_no_fault_of_the_data(
    repository: tuple[Path, str], tmp_path: Path, serving: Callable[..., str]
) -> None:
    def kill(_: str) -> tuple[int, bytes, dict[str, str]]:
        """Kill whoever asks: it is this process's one child."""
        for child in loading_children(os.getpid()):
            os.kill(child, signal.SIGKILL)
        return 404, b"", {}

    split = HubSplit(REPOSITORY, repository[1], "train", subset="es")
    with pytest.raises(LostWorker, match="ended with code -9"):
        HubFetcher(tmp_path / "home", log=print, endpoint=serving(kill)).fetch(split)


def loading_children(parent: int) -> list[int]:
    """The processes of another one that load data."""
    found = list[int]()
    for task in Path(f"/proc/{parent}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return [
        one for one in found if b"hub_data_process" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]
