"""What the hub says of a job's models is read when it is checked, and kept with its result."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import constants

from alambique.models.sources import SAMPLES
from alambique.registry.database import Database
from alambique.registry.job_result import JobResult
from alambique.spec.errors import BadLicence, Unreachable
from alambique.spec.publication import LicenceOverride, Publish
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.states import State
from alambique.workers.pipeline.context import JobContext
from alambique.workers.publishing.job_check import check_publication, record_repositories
from alambique.workers.queue.driver import run_here

if TYPE_CHECKING:
    from tests.local_hub import Hub as LocalHub

PICO = (Path(__file__).parents[3] / "recipes" / "pico.yaml").read_text()
SAID = Publish(folder="tiny")


@pytest.fixture
def model(tmp_path: Path, hub: "LocalHub", monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that anybody may use, as its own README.md has it, made of one that nobody may."""
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    hub.add("o/nc", closed)
    folder = shutil.copytree(SAMPLES["sample-encoder"], tmp_path / "models" / "mine")
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: o/nc\n---\n")
    hub.add("team/mine", folder)
    return folder


def test_a_job_that_asks_to_be_published_is_refused_for_what_its_model_was_made_of(
    model: Path, job_context: Callable[..., JobContext]
) -> None:
    context = job_context("teacher.model=team/mine")
    with pytest.raises(BadLicence, match="o/nc"):
        check_publication(context, SAID)
    override = LicenceOverride(by="Ana Ruiz", note="agreed")
    read = check_publication(context, SAID.model_copy(update={"override": override}))
    assert [each.licence for each in read] == ["mit", "cc-by-nc-4.0"]


def test_a_job_that_does_not_is_told_and_goes_on_where_the_hub_is_away(
    model: Path, hub: "LocalHub", job_context: Callable[..., JobContext]
) -> None:
    commit = hub.commit("team/mine", "main")
    context = job_context(f"teacher.model=team/mine@{commit}")
    hub.away = True
    assert record_repositories(context) == ()
    with pytest.raises(Unreachable):
        check_publication(context, SAID)
    hub.away = False
    read = record_repositories(context)
    assert [each.named for each in read] == [f"team/mine@{commit}", "o/nc"]


def test_the_result_of_a_job_keeps_it(model: Path, hub: "LocalHub", tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", models=model.parent)
    database = Database(settings.database)
    database.upgrade()
    short = ("data.limit={train: 40, dev: 13, test: 12}", "teacher.gate=off", "seeds=[1]")
    job = read_job(PICO, [*short, "teacher.model=mine"])
    row = run_here(settings, database, job, posted=lambda _: None)
    assert row.state is State.SUCCEEDED, row.message
    result = JobResult.read(row.result or {})
    assert result is not None
    kept = [(each.named, each.commit, each.licence) for each in result.repositories]
    assert kept == [("o/nc", hub.commit("o/nc", "main"), "cc-by-nc-4.0")]
    database.dispose()
