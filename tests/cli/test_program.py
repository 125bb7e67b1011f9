"""The program as a user meets it: quick help, clear errors, exit codes."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

from alambique.cli.extras import MODULES
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.settings import Settings

Alambique = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

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


@pytest.mark.parametrize(
    ("written", "candidates"),
    [
        ("alambique mod", {"models"}),
        ("alambique jobs wa", {"watch"}),
        ("alambique models ver", {"versions"}),
        ("alambique submit --wa", {"--wait"}),
    ],
)
def test_a_shell_completes_what_is_written(written: str, candidates: set[str]) -> None:
    """As bash asks for it, once `--install-completion` has told it how."""
    words = written.split()
    asked = {
        "_ALAMBIQUE_COMPLETE": "complete_bash",
        "COMP_WORDS": written,
        "COMP_CWORD": str(len(words) - 1),
    }
    program = Path(sys.executable).with_name("alambique")
    found = subprocess.run([program], env=os.environ | asked, capture_output=True, text=True)
    assert (found.returncode, set(found.stdout.split())) == (0, candidates)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_for_a_shell(shell: str) -> None:
    program = Path(sys.executable).with_name("alambique")
    own = os.environ | {"_ALAMBIQUE_COMPLETE": f"source_{shell}"}
    found = subprocess.run([program], env=own, capture_output=True, text=True)
    assert found.returncode == 0
    assert f"_ALAMBIQUE_COMPLETE=complete_{shell}" in found.stdout


def test_a_command_without_a_server_names_its_url(alambique: Alambique, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    refused(alambique("tasks", ALAMBIQUE_URL=url), url, "alambique up", "ALAMBIQUE_URL")


def test_a_setting_that_cannot_be_read(alambique: Alambique) -> None:
    refused(alambique("tasks", ALAMBIQUE_LEASE="soon", ALAMBIQUE_TOKEN="1234"), "ALAMBIQUE_LEASE")


def test_a_secret_that_cannot_be_read(alambique: Alambique, tmp_path: Path) -> None:
    (tmp_path / "alambique_redis_url").write_bytes(b"redis://:hunter2\xff@host")
    found = alambique("tasks", ALAMBIQUE_SECRETS=str(tmp_path))
    refused(found, "ALAMBIQUE_SECRETS", "redis_url")
    assert "hunter2" not in found.stderr


@pytest.mark.parametrize("url", ["banana", "127.0.0.1:8400", "ftp://a", "http://", "http://[::1"])
def test_a_url_that_is_of_no_server(alambique: Alambique, url: str) -> None:
    refused(alambique("jobs", "list", ALAMBIQUE_URL=url), "ALAMBIQUE_URL")


def test_a_url_whose_port_is_none(alambique: Alambique) -> None:
    refused(alambique("tasks", ALAMBIQUE_URL="http://localhost:abc"), "ALAMBIQUE_URL", "abc")


def test_a_token_or_a_key_that_no_header_takes(alambique: Alambique, job_file: Path) -> None:
    found = alambique("tasks", ALAMBIQUE_TOKEN="ñandú-1234")
    refused(found, "ALAMBIQUE_TOKEN")
    assert "1234" not in found.stderr
    refused(alambique("submit", job_file, "--key", "ñandú"), "ñandú", "ASCII")


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none(alambique: Alambique, port: str) -> None:
    found = alambique("up", "--port", port)
    assert found.returncode == 2
    assert "--port" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("command", [("db", "upgrade"), ("worker",), ("up",), ("api",), ("demo",)])
def test_a_home_that_cannot_be_made_is_refused(
    alambique: Alambique, command: tuple[str, ...]
) -> None:
    found = alambique(*command, ALAMBIQUE_HOME="/dev/null/x")
    refused(found, "ALAMBIQUE_HOME", "/dev/null/x", "may write")


def test_a_database_that_can_not_be_made(alambique: Alambique) -> None:
    url = "sqlite:////dev/null/x/a.db"
    refused(alambique("db", "upgrade", ALAMBIQUE_DATABASE_URL=url), "ALAMBIQUE_DATABASE_URL")


@pytest.mark.parametrize("command", [("db", "upgrade"), ("up", "--port", "0")])
def test_a_database_that_is_away(
    alambique: Alambique, command: tuple[str, ...], free_port: int
) -> None:
    away = f"postgresql+psycopg://user:hunter2@127.0.0.1:{free_port}/none"
    found = alambique(*command, ALAMBIQUE_DATABASE_URL=away)
    refused(found, "the database does not answer", "ALAMBIQUE_DATABASE_URL")
    assert "hunter2" not in found.stderr


def test_a_worker_waits_for_its_database_as_long_as_a_lease_lasts(
    alambique: Alambique, free_port: int
) -> None:
    away = f"postgresql+psycopg://user:hunter2@127.0.0.1:{free_port}/none"
    said = {"ALAMBIQUE_LEASE": "1", "ALAMBIQUE_HEARTBEAT": "0.2"}
    found = alambique("worker", ALAMBIQUE_DATABASE_URL=away, **said)
    assert (found.returncode, found.stdout) == (1, "")
    waits, refusal = found.stderr.splitlines()
    assert "waiting for it" in waits
    assert refusal.startswith("error: the database does not answer")
    assert "hunter2" not in found.stderr


def test_a_database_without_tables_has_to_be_upgraded(
    alambique: Alambique, job_file: Path, tmp_path: Path
) -> None:
    fresh = {"ALAMBIQUE_HOME": str(tmp_path)}
    refused(alambique("worker", **fresh), "alambique db upgrade")
    planned = alambique("plan", job_file, "--set", "teacher.model=registry:x@1", **fresh)
    refused(planned, "alambique db upgrade")


def test_run_posts_nothing_that_cannot_be(
    alambique: Alambique, job_file: Path, tmp_path: Path
) -> None:
    fresh = {"ALAMBIQUE_HOME": str(tmp_path)}
    refused(alambique("run", job_file, "--set", "data=none", **fresh), "none", "conll2002")
    refused(alambique("run", job_file, **fresh), "ALAMBIQUE_DATA")
    refused(alambique("run", job_file, "--set", "teacher.model=none", **fresh), "none")
    database = Database(f"sqlite:///{tmp_path}/alambique.db")
    with database.read() as session:
        assert jobs.page(session).items == ()
    database.dispose()


def test_a_model_of_a_hub_that_is_away_is_refused(alambique: Alambique, job_file: Path) -> None:
    """What the hub's own library says ends with a point; ours goes on after it."""
    named = ("--set", "teacher.model=team/none", "--set", "data=sample-entities")
    found = alambique("plan", job_file, *named, HF_HUB_OFFLINE="1")
    refused(found, "team/none", "Check id and revision")
    assert ".." not in found.stderr


@pytest.mark.parametrize(
    "options", [(), ("--question", "a"), ("--context", "a"), ("--question", "a", "--text", "b")]
)
def test_a_prediction_without_its_input_is_refused(
    alambique: Alambique, options: tuple[str, ...]
) -> None:
    refused(alambique("models", "predict", "none", *options), "--question", "--context", "--text")


def test_the_version_is_that_of_the_package(alambique: Alambique) -> None:
    found = alambique("--version")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"alambique {version('alambique')}\n"


def test_a_line_of_the_log_has_its_time(start: Start, free_port: int) -> None:
    away = f"postgresql+psycopg://user:hunter2@127.0.0.1:{free_port}/none"
    process = start("api", "--port", "0", ALAMBIQUE_DATABASE_URL=away)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    assert httpx2.get(f"{url}/readyz", timeout=30).status_code == 503
    process.terminate()
    _, err = process.communicate(timeout=30)
    line = "alambique.api.database_problems: the database does not answer"
    assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ ERROR {line}", err)
    assert "hunter2" not in err


def test_a_heartbeat_that_comes_too_late(alambique: Alambique) -> None:
    refused(alambique("tasks", ALAMBIQUE_LEASE="5"), "ALAMBIQUE_HEARTBEAT", "15 s", "5 s")


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


def test_an_unknown_command_is_named(alambique: Alambique) -> None:
    found = alambique("distill")
    assert found.returncode == 2
    assert "distill" in found.stderr


def test_python_m_is_the_same() -> None:
    command = [sys.executable, "-m", "alambique.cli", "--help"]
    assert "Usage" in subprocess.run(command, capture_output=True, text=True).stdout


WITHOUT = """
import sys
from alambique.cli import main
# how Python itself marks a module that cannot be imported
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))
sys.argv = ["alambique", *sys.argv[2:]]
main()
"""
EXTRA = ["fsspec", *sorted({module for modules in MODULES.values() for module in modules})]
"""What the base install lacks."""


@pytest.fixture
def without(settings: Settings, url: str) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs the program without some modules; keywords are settings."""

    def run(
        modules: Sequence[str], *arguments: object, **more: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT, ",".join(modules), *map(str, arguments)]
        kept = {name: value for name, value in os.environ.items() if "ALAMBIQUE" not in name}
        own = kept | {"ALAMBIQUE_HOME": str(settings.home), "ALAMBIQUE_URL": url} | more
        return subprocess.run(command, env=own, capture_output=True, text=True)

    return run


Without = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("command", "missing", "extras"),
    [
        ("api", ["uvicorn"], "api"),
        ("api", EXTRA, "api"),
        ("worker", EXTRA, "workers"),
        ("up", EXTRA, "api,workers"),
        ("up", ["torch"], "workers"),
        ("db upgrade", EXTRA, "api"),
        ("run JOB", EXTRA, "workers"),
        ("plan JOB", EXTRA, "api"),
    ],
)
def test_a_command_says_which_extra_it_needs(
    without: Without, job_file: Path, command: str, missing: Sequence[str], extras: str
) -> None:
    arguments = [str(job_file) if word == "JOB" else word for word in command.split()]
    refused(without(missing, *arguments), missing[0], f"pip install 'alambique[{extras}]'")


def test_reading_the_registry_here_says_which_extra_it_needs(
    without: Without,
) -> None:
    found = without(EXTRA, "jobs", "list", ALAMBIQUE_URL="")
    assert (found.returncode, found.stdout) == (1, "")
    assert "pip install 'alambique[api]'" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_client_needs_no_extra(without: Without, job_file: Path) -> None:
    posted = without(EXTRA, "submit", job_file)
    assert (posted.returncode, posted.stderr) == (0, "")
    job = posted.stdout.strip()
    for command in (
        ["jobs", "list"],
        ["jobs", "show", job],
        ["jobs", "logs", job],
        ["jobs", "cancel", job],
        ["jobs", "watch", job],
        ["models", "list"],
        ["suites", "list"],
        ["tasks"],
        ["data", "list"],
    ):
        found = without(EXTRA, *command)
        assert found.stderr == "", command
        assert found.returncode == (command[1:2] == ["watch"]), command


@pytest.mark.parametrize(
    "given", ["http://me:S3CRET@127.0.0.1:{}", "ftp://me:S3CRET@a", "me:S3/C@a"]
)
@pytest.mark.parametrize("command", ["tasks", "jobs list"])
def test_a_password_in_the_url_is_not_shown(
    alambique: Alambique, free_port: int, given: str, command: str
) -> None:
    found = alambique(*command.split(), ALAMBIQUE_URL=given.format(free_port))
    refused(found, "ALAMBIQUE_URL")
    assert "S3" not in found.stderr


@pytest.mark.parametrize(
    "given", ["mysql://me:S3@h/db?password=S3", "postgresql://me:S3@127.0.0.1:9x/db", "S3:S3@h"]
)
def test_a_database_of_no_kind_is_refused_without_its_password(
    alambique: Alambique, given: str
) -> None:
    found = alambique("db", "upgrade", ALAMBIQUE_DATABASE_URL=given)
    refused(found, "ALAMBIQUE_DATABASE_URL")
    assert "S3" not in found.stderr
