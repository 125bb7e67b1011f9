"""The commands that the documents show: they run, or are there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.documents import PAGES, REPO, blocks
from typer.main import get_command
from typer.testing import CliRunner

from alambique.cli.program import program

RUN = (
    "alambique tasks",
    "alambique data list",
    "alambique db upgrade",
    "alambique plan recipes/pico.yaml",
    "alambique plan recipes/pico.yaml --set student.layers=2 --json",
    "alambique plan recipes/pico-search.yaml",
    "alambique jobs list",
    "alambique jobs list --state running",
    "alambique jobs list --state succeeded --limit 5",
    "alambique jobs show $JOB",
    "alambique jobs show pico",
    "alambique jobs watch $JOB",
    "alambique jobs logs $JOB",
    "alambique models list",
    "alambique models show pico",
    "alambique models versions pico",
    "alambique models list --task named-entities --metric 'f1>=0.1' --max-parameters 5e6",
    "alambique models list --pareto --cost ms",
    "alambique models alias pico@1 champion",
    "alambique models tag pico@1 audited",
    'alambique models note pico@1 "Checked by hand on 50 sentences."',
    "alambique models versions pico --deleted",
    "alambique models gc --dry-run",
    "alambique suites collection $SUITE",
    "alambique models reproduce pico@1 --to pico-again.yaml",
    "alambique models download pico@1 --to pico-1",
    "alambique models compare pico pico-teacher",
    "alambique models publish pico@1 --to folder:pico --wait",
    "alambique models publications",
    'alambique models predict pico --text "Ana Ruiz nació en Lugo."',
    "alambique suites list",
    "alambique suites show $SUITE",
    "alambique suites show $SUITE --format latex",
    "alambique suites cancel $SUITE",
    "JOB=$(alambique submit recipes/pico.yaml --set name=other --set 'data.limit={train: 300}' "
    "--key monday)",  # last: what it posts is not waited for
)
"""Run for real: against a server with a finished job of the name `pico`, whose id is $JOB, and a
suite that was cancelled at once, whose id is $SUITE."""

SMALL = (
    "--set 'data.limit={train: 40, dev: 10, test: 10}' --set teacher.train.epochs=4",
    "--set teacher.gate=off",
    "--set train.epochs=1 --set train.max_length=48 --set train.stride=16 --set compare=[]",
)
"""Makes the job that the documents talk of shorter."""

SILENT = ("alambique db upgrade", "alambique jobs logs", "JOB=")
"""Print nothing where all is well."""

CHECKED = (
    # these serve, or take long
    "alambique up",
    "alambique up --host 127.0.0.1 --port 8401",
    "alambique api --port 8400",
    "alambique serve pico-int8",
    "alambique serve pico-int8 --host 127.0.0.1 --port 8500 --threads 2 --token-file token",
    "alambique worker",
    "alambique run recipes/pico.yaml --set train.epochs=5",
    "alambique submit recipes/pico.yaml --set student.layers=2 --wait",
    "alambique run recipes/demo.yaml --set 'seeds=[1, 2, 3, 4, 5]'",
    "alambique run recipes/pico-search.yaml",
    "alambique submit recipes/pico-search.yaml --wait",
    "alambique suites submit recipes/pico-suite.yaml --set 'seeds=[1, 2]' --key tuesday --wait",
    # this ends with 1: the suite was cancelled
    "alambique suites watch $SUITE",
    # these end the job that the others look at
    "alambique jobs cancel $JOB",
    "alambique jobs cancel $JOB --kill",
    # these take away what the others look at, or put it back
    "alambique models alias pico champion --remove",
    "alambique models delete pico@1",
    "alambique models restore pico@1",
    # this needs the model that `make demo` makes
    'alambique models predict demo --question "¿Dónde nació Ana Ruiz?" '
    '--context "Ana Ruiz nació en Lugo."',
    # these are not of `alambique`
    ". .venv/bin/activate",
    "make demo",
    "make test",
    "make install",
    "make check",
    "pytest tests/distill",
    "pytest -m slow tests/workers/test_zero.py",
    "python benchmarks/cache.py",
    # these need a hub, and a suite that has ended
    "alambique models publish pico@1 --to hub:team/pico",
    "alambique models publish pico@1 --to hub:team/pico --public --wait",
    "alambique suites publish $SUITE --to hub:team",
    # these need a published model and a key
    "alambique verify pico-1",
    "alambique verify pico-1 --key team.pub",
    "alambique verify pico-1 --key team.pub --json",
    # these need a model that a job has compressed
    "alambique models download tiny-ner@1 --to ner",
    "python benchmarks/runtime.py ner",
)
"""Looked at only: the command exists and has these options, or the target or file is there."""

INSTALLING = (
    "pip install 'alambique[runtime]'",
    "pip install 'alambique[workers]'",
    "openssl ecparam -name prime256v1 -genkey -noout -out team.pem",
    "chmod 600 team.pem",
    "openssl pkey -in team.pem -pubout -out team.pub",
    "openssl pkey -pubin -in team.pub -pubout | sha256sum",
    "python -m model_signing verify key pico-1 --signature pico-1/model.sig --public_key team.pub",
    "deploy/make-secrets.sh deploy/compose/secrets distil.example",
    "docker build -f deploy/api.Dockerfile -t alambique-api:0.2.0 .",
    "docker build -f deploy/worker.Dockerfile --build-arg PIP_EXTRA_INDEX_URL "
    "-t alambique-worker:0.2.0 .",
    "docker build -f deploy/worker.Dockerfile --build-arg ACCELERATOR=cuda "
    "-t alambique-worker:0.2.0 .",
    "docker compose -f deploy/compose/compose.yaml up -d",
    "docker compose -f deploy/compose/compose.yaml up -d --scale ray-worker=3",
    "python3 -m venv /opt/alambique",
    '/opt/alambique/bin/pip install -c constraints.txt ".[api,workers]"',
    "deploy/make-secrets.sh /etc/alambique/secrets distil.example 127.0.0.1 127.0.0.1",
    "install -m 0644 deploy/systemd/alambique.env /etc/alambique/",
    "install -m 0644 -D deploy/systemd/sysusers.conf /etc/sysusers.d/alambique.conf",
    "install -m 0644 deploy/systemd/*.service /etc/systemd/system/",
    "install -m 0644 deploy/nginx/alambique.conf deploy/nginx/upstream.host.conf "
    "/etc/nginx/conf.d/",
    "install -m 0640 -g www-data -D -t /etc/alambique/proxy /etc/alambique/secrets/htpasswd",
    "install -m 0600 -D -t /etc/alambique/proxy /etc/alambique/secrets/certificate.pem "
    "/etc/alambique/secrets/key.pem",
    "systemd-sysusers",
    "systemctl daemon-reload",
    "systemctl enable --now alambique-api alambique-worker",
    "systemctl reload nginx",
    "kubectl apply -f deploy/kubernetes/namespace.yaml",
    "kubectl -n alambique create secret generic alambique-database "
    "--from-file=secrets/alambique_database_url",
    "kubectl -n alambique create secret generic alambique-redis "
    "--from-file=secrets/alambique_redis_url",
    "kubectl -n alambique create secret generic alambique-hub --from-file=secrets/hf_token",
    "kubectl -n alambique create secret generic alambique-users --from-file=auth=secrets/htpasswd",
    "kubectl -n alambique create secret tls alambique-tls --cert=secrets/certificate.pem "
    "--key=secrets/key.pem",
    "kubectl apply -k deploy/kubernetes",
    "export ALAMBIQUE_URL=https://alambique:PASSWORD@distil.example",
    "export SSL_CERT_FILE=certificate.pem",
)
"""These change a machine: what they name of `deploy/` is there."""


def commands() -> set[str]:
    """Every line of every shell block, a line that ends in a backslash joined with the next."""
    lines = {
        line.partition(" #")[0].strip()
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.replace("\\\n", " ").splitlines()
    }
    return lines - {""}


def test_every_command_is_in_one_of_the_lists() -> None:
    posting = {command for command in commands() if command.startswith("SUITE=")}
    assert commands() - posting == {*RUN, *CHECKED, *INSTALLING}, (
        "a command of the documents goes into RUN, CHECKED or INSTALLING"
    )
    assert not set(RUN) & set(CHECKED)


class Server:
    """`alambique up` in a folder of its own, from which commands are run as a reader runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name != "ALAMBIQUE_URL"}
        self.environment = kept | {
            "ALAMBIQUE_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        (folder / "recipes").symlink_to(REPO / "recipes")

    def start(self) -> None:
        """Waits until it answers."""
        command = [sys.executable, "-m", "alambique.cli", "up", "--port", "0"]
        with (self.folder / "up.log").open("w") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        found = re.search(r"http://[\d.:]+\d", self.process.stdout.readline())
        assert found, (self.folder / "up.log").read_text()
        self.environment["ALAMBIQUE_URL"] = found[0]

    def suite(self) -> None:
        """Posts the suite of the documents, by their command, and cancels it."""
        (posted,) = [command for command in commands() if command.startswith("SUITE=")]
        done = self.run(f'{posted} && alambique suites cancel $SUITE >&2 && printf "$SUITE"')
        assert done.returncode == 0, done.stderr
        self.environment["SUITE"] = done.stdout

    def stop(self) -> None:
        """As a service manager does; what runs is given back."""
        self.process.terminate()
        assert self.process.wait(60) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()

    def demo(self) -> None:
        """Makes the job that the documents talk of, as `make demo` does, by a server of its own."""
        done = self.run(f"alambique demo recipes/pico.yaml {' '.join(SMALL)}")
        assert done.returncode == 0, done.stderr
        assert re.findall("teacher +2|student, distilled +1", done.stdout), done.stdout
        self.environment["JOB"] = done.stdout.split()[1]
        (recommended,) = re.findall(
            r"distilled: (alambique models download \S+)$", done.stdout, re.M
        )
        self.recommended = self.run(f"mkdir apart && cd apart && {recommended} && ls *")

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        """What a shell makes of it."""
        return subprocess.run(
            ["sh", "-c", command],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that was started after the demo had stopped its own; it has the finished job."""
    found = Server(tmp_path_factory.mktemp("documents"))
    found.demo()
    found.start()
    try:
        found.suite()
        yield found
    finally:
        found.stop()


@pytest.mark.parametrize("command", RUN)
def test_a_command_runs(server: Server, command: str) -> None:
    done = server.run(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or command.startswith(SILENT)


def test_what_is_recommended_at_the_end_needs_no_server(server: Server) -> None:
    """The demo's own was stopped before, and no other had been started."""
    assert server.recommended.returncode == 0, server.recommended.stderr
    assert "model.safetensors" in server.recommended.stdout


@pytest.mark.parametrize("command", CHECKED)
def test_a_command_exists(command: str) -> None:
    name, *words = shlex.split(command)
    if name == "alambique":
        names = words[: 2 if words[0] in ("jobs", "models", "suites") else 1]
        said = CliRunner().invoke(program(), [*names, "--help"])
        assert said.exit_code == 0, said.output
        assert all(word in said.output for word in words if word.startswith("--"))
    elif name == "make":
        assert re.search(rf"^{words[0]}:", (REPO / "Makefile").read_text(), re.MULTILINE)
    elif name == ".":
        assert words == [f"{installed_in()}/bin/activate"]
    else:
        assert name in ("python", "pytest")
        files = [word for word in words if "/" in word]
        assert files
        assert all((REPO / word).exists() for word in files)


def test_every_command_of_the_program_is_told() -> None:
    """And what the documents call a command is one."""
    text = "\n".join(page.read_text() for page in PAGES if page.name != "CHANGELOG.md")
    known = set(program_commands(get_command(program())))
    assert {one for one in known if not re.search(rf"\balambique {one}\b", text)} == set()
    groups = {one.partition(" ")[0] for one in known if " " in one}
    told = set(re.findall(r"[`$]\(?alambique (\w+)(?: ([a-z]+))?", text))
    named = {f"{name} {part}" if name in groups and part else name for name, part in told}
    assert named <= known | groups


def program_commands(command: Any, name: str = "") -> Iterator[str]:
    """Each command of the program, behind the name of its group; not those that it hides."""
    for part, found in getattr(command, "commands", {"": None}).items():
        if found is None:
            yield name
        elif not found.hidden:
            yield from program_commands(found, f"{name} {part}".strip())


@pytest.mark.parametrize("command", INSTALLING)
def test_what_a_command_installs_is_there(command: str) -> None:
    named = [word for word in shlex.split(command) if word.startswith("deploy/")]
    # the folder of secrets is made by the command
    missing = [word for word in named if not list(REPO.glob(word))]
    assert missing in ([], ["deploy/compose/secrets"])


def installed_in() -> str:
    """The folder that `make` installs the program into."""
    found = re.search(r"^VENV := (\S+)$", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_a_reader_of_the_readme_finds_the_program() -> None:
    """A shell knows `alambique` only once the environment that `make` made is activated."""
    using = [block for block in blocks(REPO / "README.md", "sh") if "alambique " in block]
    assert using
    activate = f". {installed_in()}/bin/activate\n"
    assert [block for block in using if not block.startswith(activate)] == []


def test_what_serves_ends_its_block() -> None:
    """What stands after it would never be reached: it belongs into another terminal."""
    serving = [block for block in blocks(REPO / "README.md", "sh") if "alambique up" in block]
    assert [block.splitlines()[-1] for block in serving] == ["alambique up"]
