"""The program as a user meets it: quick help, clear errors, exit codes."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Alambique = Callable[..., "subprocess.CompletedProcess[str]"]

HELP = """
import sys
from alambique.cli import main
sys.argv = ["alambique", *sys.argv[1:], "--help"]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
LATER = {"torch", "ray", "numpy", "fastapi", "uvicorn", "sqlalchemy", "httpx2", "pydantic", "rich"}


@pytest.mark.parametrize("command", [[], ["up"], ["submit"]])
def test_help_imports_nothing_heavy(
    command: list[str], record_property: Callable[[str, object], None]
) -> None:
    began = time.perf_counter()
    found = subprocess.run([sys.executable, "-c", HELP, *command], capture_output=True, text=True)
    record_property("seconds", time.perf_counter() - began)
    assert found.returncode == 0
    assert "Usage" in found.stdout
    loaded = set(found.stderr.split())
    assert not (LATER - {"pydantic"} if command else LATER) & loaded


def refused(found: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """One clear message on stderr, and nothing else."""
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("error: ")
    assert "Traceback" not in found.stderr
    for word in words:
        assert word in found.stderr


def test_no_server(alambique: Alambique, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    refused(alambique("tasks", ALAMBIQUE_URL=url), url, "alambique up", "ALAMBIQUE_URL")


def test_a_setting_that_cannot_be_read(alambique: Alambique) -> None:
    refused(alambique("tasks", ALAMBIQUE_LEASE="soon", ALAMBIQUE_TOKEN="1234"), "ALAMBIQUE_LEASE")


def test_a_file_that_is_not_there(alambique: Alambique, tmp_path: Path) -> None:
    refused(alambique("submit", tmp_path / "none.yaml"), "none.yaml")


def test_a_field_that_is_not_there(alambique: Alambique, job_file: Path) -> None:
    found = alambique("submit", job_file, "--set", "student.layerz=2")
    refused(found, "student.layerz", "no such field")


def test_what_the_server_refuses(alambique: Alambique, job_file: Path) -> None:
    refused(alambique("submit", job_file, "--set", "data=conll2003"), "data.name", "conll2003")


def test_a_port_that_is_taken(alambique: Alambique) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(alambique("api", "--port", port), port, "--port")


def test_an_unknown_command(alambique: Alambique) -> None:
    found = alambique("distill")
    assert found.returncode == 2
    assert "distill" in found.stderr


def test_python_m_is_the_same() -> None:
    command = [sys.executable, "-m", "alambique.cli", "--help"]
    assert "Usage" in subprocess.run(command, capture_output=True, text=True).stdout


WITHOUT = """
import sys
from alambique.cli import main
sys.modules["uvicorn"] = None
sys.argv = ["alambique", "api"]
main()
"""


def test_a_part_that_is_not_installed() -> None:
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    refused(found, "uvicorn", "alambique[api]")
