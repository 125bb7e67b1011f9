"""One host as its units and its proxy describe it: their commands, on PostgreSQL and Redis."""

import getpass
import json
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from sqlalchemy import make_url

from alambique.api.client import Client
from alambique.spec.reading import read_job
from alambique.spec.states import State

REPO = Path(__file__).parents[2]
SMALL = (
    "data.limit={train: 60, dev: 20, test: 24}",
    "teacher.train.epochs=2",
    "teacher.gate=off",
    "train={epochs: 1, learning_rate: 3.0e-3, batch_size: 16, max_length: 48, stride: 16}",
    "compare=[]",
)
ENDED = 90
"""Seconds after which a unit that was told to stop has failed to."""


@dataclass
class Unit:
    """What systemd would start, with the paths of this test in the place of the machine's."""

    command: list[str]
    environment: dict[str, str]
    seconds_to_stop: float


@dataclass
class Host:
    """A machine of the test's own: a folder for its files, and a port for each of its servers."""

    folder: Path
    api_port: int
    proxy_port: int
    deploy: Path
    stack: ExitStack
    password: str = ""
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def secrets(self) -> Path:
        return self.folder / "etc" / "alambique" / "secrets"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.proxy_port}"

    @property
    def url_with_password(self) -> str:
        return f"https://alambique:{self.password}@localhost:{self.proxy_port}"

    def placed(self, text: str) -> str:
        """A text of `deploy/`, for this folder and these ports."""
        for path in ("/etc/alambique", "/var/lib"):
            text = text.replace(path, f"{self.folder}{path}")
        text = text.replace("/opt/alambique/bin", str(Path(sys.executable).parent))
        return re.sub(r"\b8400\b", str(self.api_port), text)

    def unit(self, name: str) -> Unit:
        lines = [
            line.partition("=")
            for line in self.placed((self.deploy / "systemd" / name).read_text()).splitlines()
            if not line.startswith(("#", "["))
        ]
        said = [(key, value) for key, _, value in lines]
        (command,) = [value for key, value in said if key == "ExecStart"]
        (state,) = [value for key, value in said if key == "StateDirectory"]
        home = self.folder / "var" / "lib" / state
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        credentials = self.folder / "run" / name
        credentials.mkdir(parents=True)
        for credential in [value for key, value in said if key == "LoadCredential"]:
            credential_name, _, path = credential.partition(":")
            shutil.copy(path, credentials / credential_name)
        settings = [value for key, value in said if key == "Environment"]
        settings += self.settings([value for key, value in said if key == "EnvironmentFile"])
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home)}
        # an editable checkout may be found by this alone
        environment |= {"PYTHONPATH": ":".join(sys.path), "LANG": "C.UTF-8"}
        environment |= dict(one.replace("%d", str(credentials)).split("=", 1) for one in settings)
        (seconds,) = [float(v) for k, v in said if k == "TimeoutStopSec"] or [ENDED]
        return Unit(shlex.split(command), environment, seconds)

    def settings(self, files: Sequence[str]) -> list[str]:
        lines = [line for file in files for line in Path(file.lstrip("-")).read_text().split("\n")]
        return [line for line in lines if line and not line.startswith("#")]

    def start(self, name: str) -> None:
        unit = self.unit(name)
        log = self.stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(unit.command, env=unit.environment, stdout=log, stderr=log)
        self.running[name] = process
        self.stack.callback(self.stop, name)

    def stop(self, name: str) -> int:
        """As systemd does, the process itself alone: its exit code."""
        process = self.running[name]
        process.terminate()
        try:
            return process.wait(self.unit_seconds(name))
        finally:
            process.kill()
            process.wait()

    def unit_seconds(self, name: str) -> float:
        found = re.search(
            r"^TimeoutStopSec=(\d+)$", (self.deploy / "systemd" / name).read_text(), re.M
        )
        assert found
        return float(found[1])

    def run(self, name: str) -> None:
        unit = self.unit(name)
        subprocess.run(unit.command, env=unit.environment, check=True, timeout=ENDED)

    def proxy(self, nginx: str) -> None:
        """Starts nginx with the site, and with the upstream of a host."""
        conf = self.folder / "etc" / "nginx"
        conf.mkdir(parents=True)
        for name in ("alambique.conf", "upstream.host.conf"):
            text = self.placed((self.deploy / "nginx" / name).read_text())
            text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{self.proxy_port} ssl")
            (conf / name).write_text(text)
        text = (self.deploy / "nginx" / "nginx.conf").read_text()
        text = text.replace("/tmp/", f"{self.folder}/").replace("/etc/nginx/alambique", str(conf))
        (self.folder / "nginx.conf").write_text(text)
        command = [nginx, "-e", "/dev/stderr", "-c", str(self.folder / "nginx.conf")]
        log = self.stack.enter_context((self.folder / "nginx.log").open("wb"))
        # started by root it would answer as another user, who may not read this folder
        command += ["-g", f"daemon off; user {getpass.getuser()};"]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        self.stack.callback(server.wait)
        self.stack.callback(server.terminate)

    def trusted(self) -> ssl.SSLContext:
        proxy = self.folder / "etc" / "alambique" / "proxy"
        return ssl.create_default_context(cafile=str(proxy / "certificate.pem"))


def until_it_answers(url: str, verify: ssl.SSLContext | bool = True) -> httpx2.Response:
    deadline, pause = time.monotonic() + 60, threading.Event()
    while True:
        try:
            return httpx2.get(url, verify=verify)
        except httpx2.TransportError:
            assert time.monotonic() < deadline, f"no answer from {url}"
            pause.wait(0.1)


def address_of_ray(worker: int) -> str:
    """That of the Ray which this process has started, once it runs."""
    deadline, pause = time.monotonic() + 60, threading.Event()
    while True:
        children = psutil.Process(worker).children(recursive=True)
        words = [word for one in children for word in one.cmdline()]
        found = {word.partition("=")[2] for word in words if word.startswith("--gcs-address=")}
        if found:
            (address,) = found
            return str(address)
        assert time.monotonic() < deadline, "no Ray was started"
        pause.wait(0.1)


@pytest.fixture(scope="module")
def host(
    deploy: Path,
    program_of: Callable[[str], str],
    make_secrets: Callable[..., str],
    start_redis: Callable[..., "subprocess.Popen[str]"],
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    ports: Callable[[], int],
) -> Iterator[Host]:
    """Everything started as the documents say: secrets, database, cache, units, proxy."""
    nginx = program_of("nginx")
    folder = tmp_path_factory.mktemp("host")
    with ExitStack() as stack:
        found = Host(folder, ports(), ports(), deploy, stack)
        found.secrets.parent.mkdir(parents=True)
        redis_port = ports()
        said = make_secrets(
            str(found.secrets), "localhost", "127.0.0.1:5432", f"127.0.0.1:{redis_port}"
        )
        password = re.search(r"password (\w+)", said)
        assert password
        found.password = password[1]
        # the database's own server has other ways in
        name = f"host_{uuid4().hex}"
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute(f"create database {name}")
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        (found.secrets / "alambique_database_url").unlink()
        (found.secrets / "alambique_database_url").write_text(url)
        proxy = found.secrets.parent / "proxy"
        proxy.mkdir()
        for file in ("certificate.pem", "key.pem", "htpasswd"):
            shutil.copy(found.secrets / file, proxy)
        shutil.copy(deploy / "systemd" / "alambique.env", found.secrets.parent)
        secret = (found.secrets / "redis_password").read_text().strip()
        # the last word on the port counts
        redis = start_redis(
            folder, "--bind", "127.0.0.1", "--port", str(redis_port), "--requirepass", secret
        )
        stack.enter_context(redis)
        stack.callback(redis.terminate)
        found.run("alambique-migrate.service")
        found.start("alambique-api.service")
        found.start("alambique-worker.service")
        found.proxy(nginx)
        until_it_answers(f"http://127.0.0.1:{found.api_port}/readyz").raise_for_status()
        until_it_answers(found.url, verify=found.trusted())
        yield found


@pytest.mark.slow
def test_nothing_is_answered_without_the_password(host: Host) -> None:
    with httpx2.Client(base_url=host.url, verify=host.trusted()) as http:
        for path in ("/", "/healthz", "/readyz", "/openapi.json", "/v1/jobs", "/no/such/path"):
            assert http.get(path).status_code == 401
            assert http.get(path, auth=("alambique", "wrong")).status_code == 401
        refused = http.post("/v1/jobs", content="{}", auth=("somebody", host.password))
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        assert refused.headers.get_list("www-authenticate") == ['Basic realm="alambique"']
        auth = ("alambique", host.password)
        assert http.get("/readyz", auth=auth).json() == {"status": "ready"}
        large = http.post("/v1/jobs", content=b" " * ((1 << 20) + 1), auth=auth)
        assert (large.status_code, large.json()["code"]) == (413, "too_large")


@pytest.mark.slow
def test_a_job_posted_through_the_proxy_is_done(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the command line, which trusts the certificate and sends the password as it is told to."""
    command = [sys.executable, "-m", "alambique.cli", "submit", str(REPO / "recipes" / "pico.yaml")]
    for change in SMALL:
        command += ["--set", change]
    certificate = str(host.secrets / "certificate.pem")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
        "ALAMBIQUE_URL": host.url_with_password,
        "SSL_CERT_FILE": certificate,
    }
    done = subprocess.run(
        [*command, "--wait"], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "student, distilled" in done.stdout
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with Client(host.url_with_password) as client:
        job = client.job(UUID(done.stdout.split()[0]))
        assert (job.name, job.state) == ("pico", State.SUCCEEDED)
        client.download("pico", 1, tmp_path / "pico")
    assert (tmp_path / "pico" / "model.safetensors").is_file()
    # what the workers may read, the API may: nobody else
    home = host.folder / "var" / "lib" / "alambique"
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_the_check_of_the_workers_image_has_the_token_of_their_own_ray(
    host: Host, tmp_path: Path
) -> None:
    text = (host.deploy / "worker.Dockerfile").read_text().replace("\\\n", " ")
    (check,) = re.findall(r"^HEALTHCHECK .*CMD (\[.+\])$", text, re.M)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "RAY_AUTH_MODE": "token",
        # in a container there is no other Ray to be found, and its address is taken as it is
        "RAY_ADDRESS": address_of_ray(host.running["alambique-worker.service"].pid),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }

    def code(home: Path) -> int:
        said = environment | {"HOME": str(home), "ALAMBIQUE_HOME": str(home)}
        return subprocess.run(json.loads(check), env=said, capture_output=True).returncode

    assert code(host.folder / "var" / "lib" / "alambique") == 0
    assert code(tmp_path) != 0


@pytest.mark.slow
def test_an_event_is_passed_on_at_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first event of a job that goes on for longer than the stream has been read."""
    monkeypatch.setenv("SSL_CERT_FILE", str(host.secrets / "certificate.pem"))
    text = (REPO / "recipes" / "pico.yaml").read_text()
    with Client(host.url_with_password) as client:
        job = client.submit(read_job(text, (*SMALL, "train.epochs=5000", "train.patience=5000")))
        events = client.watch(job.id)
        assert next(events).content["state"] == "queued"
        assert next(events).content["state"] == "running"
        assert not client.job(job.id).state.over
        client.cancel(job.id)
        assert [event.content.get("state") for event in events][-1] == "cancelled"


@pytest.mark.slow
def test_every_unit_ends_in_its_time(host: Host) -> None:
    assert [host.stop(name) for name in reversed(host.running)] == [0, 0]
    with httpx2.Client(base_url=host.url, verify=host.trusted()) as http:
        gone = http.get("/readyz", auth=("alambique", host.password))
    assert (gone.status_code, gone.json()["code"]) == (503, "unavailable")
