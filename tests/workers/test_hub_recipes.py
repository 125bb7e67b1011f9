"""The recipes of published systems with models of a hub that has them as today's hub has them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from tests.recipe_jobs import RECIPES, first_job

from alambique.api.planning import pin, plan_of
from alambique.models.configs import Config
from alambique.models.networks import new, save
from alambique.models.tokenizers import train_tokenizer
from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.outputs import Output
from alambique.spec.settings import Settings
from alambique.spec.suite import read_suite
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.lease_keeper import LeaseKeeper
from alambique.workers.stages.check import check_job

TEXTS = ("El niño de Málaga vio un pingüino.", "¿Dónde nació? En Logroño, a orillas del Ebro.")
pytestmark = pytest.mark.slow


def sizes(model_type: str, layers: int, width: int, heads: int, **own: int) -> Config:
    names = {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": 2 * width,
    }
    if model_type == "distilbert":
        names = {"n_layers": layers, "dim": width, "n_heads": heads, "hidden_dim": 2 * width}
    common = {"model_type": model_type, "vocab_size": 320, "max_position_embeddings": 514}
    return common | names | {"pad_token_id": 0, **own}


@dataclass(frozen=True)
class Published:
    """A repository of the hub: how deep, of how many heads, in which layout."""

    config: Config
    pickled: bool = True


BETO = sizes("bert", 12, 48, 12)
MODELS = {
    "dccuchile/bert-base-spanish-wwm-cased": Published(BETO),
    "dccuchile/bert-base-spanish-wwm-uncased": Published(BETO),
    "dccuchile/distilbert-base-spanish-uncased": Published(sizes("distilbert", 6, 48, 12)),
    "dccuchile/albert-tiny-spanish": Published(sizes("albert", 4, 24, 12, embedding_size=16)),
    "dccuchile/albert-base-spanish": Published(sizes("albert", 12, 24, 12, embedding_size=16)),
    "dccuchile/albert-large-spanish": Published(sizes("albert", 24, 32, 16, embedding_size=16)),
    "dccuchile/albert-xlarge-spanish": Published(sizes("albert", 24, 64, 16, embedding_size=16)),
    "dccuchile/albert-xxlarge-spanish": Published(sizes("albert", 12, 128, 64, embedding_size=16)),
    "bertin-project/bertin-roberta-base-spanish": Published(sizes("roberta", 12, 48, 12), False),
    "PlanTL-GOB-ES/roberta-base-bne": Published(sizes("roberta", 12, 48, 12)),
    "PlanTL-GOB-ES/roberta-large-bne": Published(sizes("roberta", 24, 128, 16)),
}
ANSWERS = "data={name: sample-questions, limit: {train: 12, dev: 6, test: 6}}"
CUT = {
    "tinybert": ("data=sample-inferences", "student={layers: 4, width: 24, heads: 12, ffn: 32}"),
    "minilm": (
        "data={name: sample-text, limit: {train: 12, dev: 6, test: 6}}",
        "student={start: random, layers: 6, width: 48, heads: 12, ffn: 64}",
    ),
    "teachers": ("data=sample-speech",),
    "kd-study": ("data={name: sample-paraphrases, limit: {train: 12, dev: 6, test: 6}}",),
    "spanish-tiny-roberta": (
        ANSWERS,
        "student={start: random, layers: 6, width: 64, heads: 16, ffn: 96}",
    ),
    "qualaminilm": (
        ANSWERS,
        "student={layers: 6, width: 64, heads: 8, ffn: 96}",
        "intermediate.objective.0.heads=16",
    ),
}
"""Sample data, and students of a width that can be cut from these models."""


@pytest.fixture
def published(
    hub: Any,
    older_tokenizer: Callable[[Path, str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[[set[str]], None]:
    """Puts models of these names on the hub, which the library finds."""
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    tokenizer = tmp_path / "tokenizer"
    train_tokenizer(TEXTS, 100, tokenizer)

    def publish(names: set[str]) -> None:
        for named in names:
            name, _, digits = named.partition("@")
            folder, model = tmp_path / "hub" / name, MODELS[name]
            network = new(model.config, Output.STATES, (), seed=1)
            save(network, folder, tokenizer)
            older_tokenizer(folder, model.config["model_type"])
            if digits:  # the change that proposes safetensors, of which the recipe knows 7 digits
                proposed = shutil.copytree(folder, tmp_path / "proposed" / name)
                hub.add(name, proposed, revision="refs/pr/1", commit=digits.ljust(40, "0"))
            if model.pickled:
                weights = load_file(folder / "model.safetensors")
                (folder / "model.safetensors").unlink()
                torch.save(weights, folder / "pytorch_model.bin")
            hub.add(name, folder)

    return publish


def no_cluster() -> Any:
    raise AssertionError("a check needs no cluster")


def checked(job: Job, settings: Settings) -> list[str]:
    """Plan a job and do its first stage; the files that were imported."""
    database = Database(settings.database)
    database.upgrade()
    job = pin(job, settings, database)
    plan = plan_of(job, settings, database)
    assert [one.refused for one in plan.hub] == [None] * len(plan.hub)
    with database.write() as session:
        posted = jobs.submit(session, job)
        row = jobs.take(session, "test", settings.lease_time, job_id=posted.id)
    assert row is not None
    keeper = LeaseKeeper(database, row.id, row.token, lease=settings.lease_time, heartbeat=60)
    job_context = JobContext(row.id, row.token, job, settings, database, keeper, no_cluster)
    found = check_job(job_context)
    for teacher in found.initial_teachers:
        for start in teacher:
            assert start is not None
            assert start.name.partition("@")[2] != ""
    database.dispose()
    return [file for one in plan.hub for file in one.imported]


@pytest.mark.parametrize("name", CUT)
def test_a_recipe_is_planned_and_passes_its_check(
    name: str, published: Callable[[set[str]], None], tmp_path: Path
) -> None:
    cut = ("resources={}", *CUT[name])
    job = first_job(name, cut)
    published({str(model) for _, model in job.models()})
    imported = checked(job, Settings(home=tmp_path / "home"))
    # where a change proposes safetensors, nothing pickled is read
    pickled = {str(model) for _, model in job.models() if "@" not in str(model)}
    assert ("pytorch_model.bin" in imported) is bool(pickled)


def test_the_candidates_of_speedy_gonzales(
    published: Callable[[set[str]], None], tmp_path: Path
) -> None:
    """All eleven are planned, and one of each family and layout is checked."""
    suite = read_suite((RECIPES / "speedy-gonzales.yaml").read_text())
    named = next(job for cell, job in jobs_of(suite) if job.task == "document-classification")
    content = named.model_dump(mode="json")
    content["data"] = {"name": "sample-documents", "limit": {"train": 12, "dev": 6, "test": 6}}
    content["resources"] = {}
    every = {str(model) for _, model in named.models()}
    assert len(every) == 11
    published(every)
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()
    whole = pin(Job.model_validate(content), settings, database)
    plan = plan_of(whole, settings, database)
    database.dispose()
    assert [one.refused for one in plan.hub] == [None] * 11
    assert sum("pytorch_model.bin" in one.imported for one in plan.hub) == 7
    known = {m: MODELS[m.partition("@")[0]] for m in sorted(every)}
    kinds = {(one.config["model_type"], one.pickled, "@" in m): m for m, one in known.items()}
    content["teacher"]["candidates"] = sorted(kinds.values())
    checked(Job.model_validate(content), settings)
