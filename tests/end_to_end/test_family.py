"""A suite of the six tasks, published as one family, cloned from its hub, verified and loaded."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from huggingface_hub import snapshot_download
from tests.end_to_end.conftest import RECIPES
from tests.end_to_end.test_publishing import TOKEN, up
from tests.team_hub import READER, TeamHub, team_hub

import alambique.runtime
from alambique.api.client import Client
from alambique.api.publication_views import PublicationView
from alambique.spec.states import State

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
TASKS = ("answers", "entities", "speech", "inference", "paraphrase", "topics")
PLAIN = """
import sys
from transformers import AutoConfig, AutoTokenizer
import transformers

for folder in sys.argv[1:]:
    (architecture,) = AutoConfig.from_pretrained(folder).architectures
    network = getattr(transformers, architecture)
    _, report = network.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    assert AutoTokenizer.from_pretrained(folder)("Ana vive en Lugo.")["input_ids"]
assert not any(module.startswith("alambique") for module in sys.modules)
"""


@pytest.fixture
def team() -> Iterator[TeamHub]:
    """A hub of this machine."""
    with team_hub() as hub:
        hub.tokens[TOKEN] = "write"
        yield hub


def over(client: Client, view: PublicationView) -> PublicationView:
    """The publication once nothing more happens to it."""
    pause = Event()
    while not view.state.over:
        pause.wait(0.2)
        view = client.publication(view.id)
    return view


def run(*command: object) -> "subprocess.CompletedProcess[str]":
    """A program that has ended, which does not see the checkout where Python would look first."""
    return subprocess.run(
        [sys.executable, "-P", *map(str, command)], capture_output=True, text=True
    )


def make_keys(folder: Path) -> tuple[Path, Path]:
    """A private key, and the public one."""
    private, public = folder / "key.pem", folder / "key.pub"
    for command in (
        f"openssl ecparam -name prime256v1 -genkey -noout -out {private}",
        f"openssl pkey -in {private} -pubout -out {public}",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    return private, public


def test_a_family_of_six_tasks(tmp_path: Path, team: TeamHub) -> None:
    private, public = make_keys(tmp_path)
    recipe = (RECIPES / "pico-family.yaml").read_text()
    key = {"ALAMBIQUE_SIGNING_KEY": str(private)}
    with up(tmp_path / "home", team, tmp_path / "log", **key) as (_, client):
        suite = client.submit_suite(recipe)
        for job in suite.jobs:
            list(client.watch(job.id))
            assert client.job(job.id).state is State.SUCCEEDED, client.job(job.id).message
        asked = client.publish_suite(suite.id, to="hub:team", private=False)
        views = [over(client, view) for view in asked]
    assert [(view.state, view.message) for view in views] == [("published", None)] * len(views)
    assert {view.target for view in views} == {f"hub:team/{view.name}" for view in views}
    assert len(views) == 2 * len(TASKS)
    (collection,) = team.collections.values()
    assert {item["id"] for item in collection["items"]} == {f"team/{view.name}" for view in views}
    clones = {
        view.name: Path(
            snapshot_download(
                f"team/{view.name}",
                endpoint=team.endpoint,
                token=READER,
                local_dir=tmp_path / "clones" / view.name,
            )
        )
        for view in views
    }
    for clone in clones.values():
        verified = run("-m", "alambique.cli", "verify", clone, "--key", public)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        if (clone / "model.onnx").exists():
            alambique.runtime.load(clone)
    students = [clone for clone in clones.values() if (clone / "model.onnx").exists()]
    assert len(students) == len(TASKS)
    plain = run("-c", PLAIN, *clones.values())
    assert plain.returncode == 0, plain.stderr
