"""A child that dies is started again; one that is told to end, ends."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from alambique.cli.serving import Supervisor, worker_command
from alambique.workers.environment import PROGRAM


def wait_for(seen: Callable[[], bool]) -> None:
    for _ in range(1000):
        if seen():
            return
        Event().wait(0.01)
    raise AssertionError("it did not happen within 10 s")


def test_one_that_dies_is_started_again_and_said_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = tmp_path / "starts"
    program = f"open({str(mark)!r}, 'a').write('x'); raise SystemExit(3)"
    with Supervisor([sys.executable, "-c", program], pause=0.01) as child:
        child.start()
        wait_for(lambda: mark.exists() and len(mark.read_text()) >= 3)
    assert "ended with 3" in caplog.text


def test_it_is_asked_to_end(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal, sys, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "def end(*_):\n"
        "    (folder / 'ended').touch()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "(folder / 'started').touch()\n"
        "time.sleep(60)\n"
    )
    with Supervisor([sys.executable, "-c", program]) as child:
        child.start()
        wait_for((tmp_path / "started").exists)
    assert (tmp_path / "ended").exists()


def test_one_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork()\n"
        f"(pathlib.Path({str(tmp_path)!r}) / str(os.getpid())).touch()\n"
        "time.sleep(60)\n"
    )
    with Supervisor([sys.executable, "-c", program], grace=0.1) as child:
        child.start()
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    for path in tmp_path.iterdir():
        wait_for(lambda path=path: not running(int(path.name)))  # type: ignore[misc]


def running(process: int) -> bool:
    """Whether a process is there, and not only waits to be forgotten."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("command", [worker_command(), [*PROGRAM, "up"]], ids=["worker", "up"])
def test_nothing_of_the_current_folder_is_run(tmp_path: Path, command: list[str]) -> None:
    for name in ("typer", "ray", "alambique", "pydantic"):
        (tmp_path / f"{name}.py").write_text("open('HIT', 'a').write('x')")
    done = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Usage" in done.stdout) == (0, True)
    assert not (tmp_path / "HIT").exists()
