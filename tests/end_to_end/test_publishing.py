"""A job that publishes its student: from `alambique up` to a repository that others load."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from threading import Event
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from huggingface_hub import snapshot_download
from tests.end_to_end.conftest import RECIPES, SMALL
from tests.team_hub import READER, TeamHub, team_hub

import alambique.runtime
from alambique.api.client import Client
from alambique.api.publication_views import PublicationView
from alambique.spec.reading import read_job
from alambique.spec.states import State

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TOKEN = "hf_s3cret"
PICO = (RECIPES / "pico.yaml").read_text()
PUBLISHED = (
    *SMALL,
    "compare=[]",
    "compress=[onnx, onnx-int8]",
    "publish={repository: team/pico, private: false}",
)
PLAIN = """
import sys
from transformers import AutoModelForTokenClassification, AutoTokenizer

model = AutoModelForTokenClassification.from_pretrained(sys.argv[1])
tokens = AutoTokenizer.from_pretrained(sys.argv[1])("Ana vive en Lugo .", return_tensors="pt")
print(model(tokens["input_ids"], tokens["attention_mask"]).logits.shape[-1])
assert not any(module.startswith("alambique") for module in sys.modules)
"""


@pytest.fixture
def team() -> Iterator[TeamHub]:
    """A hub of this machine."""
    with team_hub() as hub:
        hub.tokens[TOKEN] = "write"
        yield hub


def variables(home: Path, team: TeamHub, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "ALAMBIQUE" not in name}
    said = {"ALAMBIQUE_HOME": str(home), "ALAMBIQUE_HUB_TOKEN": TOKEN, "OMP_NUM_THREADS": "1"}
    return kept | said | {"HF_ENDPOINT": team.endpoint} | more


@contextmanager
def up(home: Path, team: TeamHub, log: Path, **more: str) -> Iterator[tuple[int, Client]]:
    """`alambique up`: its process, and a client of it."""
    command = [sys.executable, "-m", "alambique.cli", "up", "--port", "0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=variables(home, team, **more), stdout=PIPE, stderr=errors, text=True
        )
    with process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[\d.:]+\d", process.stdout.readline())
            assert found
            with Client(found[0], pause=0.1) as client:
                yield process.pid, client
        finally:
            process.terminate()
        assert process.wait(60) == 0


def holding_the_token(process: int) -> list[str]:
    """The commands of all below a process that were started with the token in their environment."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        try:
            if TOKEN in child.environ().values():
                found.append(" ".join(child.cmdline()[-4:]))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def published(client: Client, job_id: Any) -> PublicationView:
    (view,) = client.publications(job_id=job_id).items
    pause = Event()
    for _ in range(600):
        if view.state.over:
            break
        pause.wait(0.1)
        view = client.publication(view.id)
    assert (view.state, view.message) == ("published", None)
    return view


def files_with_the_token(*roots: Path) -> list[Path]:
    every = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*"))]
    return [path for path in every if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_a_job_publishes_its_student(tmp_path: Path, team: TeamHub) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    with up(home, team, log) as (process, client):
        job = client.submit(read_job(PICO, PUBLISHED))
        kinds = set()
        for event in client.watch(job.id):
            if event.kind == "progress":
                kinds |= set(holding_the_token(process))
        assert client.job(job.id).state is State.SUCCEEDED, client.job(job.id).message
        view = published(client, job.id)
    # the worker itself reads it, and nothing that it starts
    assert {kind.split(" --parent")[0].split()[-1] for kind in kinds} == {"worker"}
    assert files_with_the_token(home, log) == []
    repository = team.repositories["team/pico"]
    assert (repository.private, len(repository.commits)) == (False, 2)
    assert repository.tags == {"v1": view.commit}
    loaded(team, tmp_path)


def loaded(team: TeamHub, tmp_path: Path) -> None:
    """What was published is cloned, and loaded by plain transformers and by the runtime."""
    clone = snapshot_download(
        "team/pico", endpoint=team.endpoint, token=READER, cache_dir=tmp_path / "cache"
    )
    assert {"model.safetensors", "model.onnx", "alambique.json"} <= set(os.listdir(clone))
    model = alambique.runtime.load(clone)
    assert len(model.tag("Ana vive en Lugo.")) == 5
    command = [sys.executable, "-P", "-c", PLAIN, clone]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""}
    )
    assert ended.stdout.strip() == str(len(model.about.labels)), ended.stderr


def test_without_a_server_the_job_publishes_at_its_end(tmp_path: Path, team: TeamHub) -> None:
    home = tmp_path / "home"
    said = [part for override in PUBLISHED for part in ("--set", override)]
    command = [sys.executable, "-m", "alambique.cli", "run", str(RECIPES / "pico.yaml"), *said]
    without = variables(home, team, ALAMBIQUE_HUB_TOKEN="")
    refused = subprocess.run(command, env=without, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "ALAMBIQUE_HUB_TOKEN" in refused.stderr
    done = subprocess.run(command, env=variables(home, team), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{team.endpoint}/team/pico" in done.stdout
    assert len(team.repositories["team/pico"].commits) == 2
    assert TOKEN not in done.stdout + done.stderr
    assert files_with_the_token(home) == []
