"""The recipes of published systems: what their students weigh, and each of them run cut down."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.recipe_jobs import RECIPES, first_job

from alambique.models.configs import Config
from alambique.models.counts import REFERENCE_CONFIG
from alambique.registry.database import Database
from alambique.spec.errors import UnknownName
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.objective import Relations, Term
from alambique.spec.settings import Settings
from alambique.spec.sources import Source, source_text
from alambique.spec.states import State
from alambique.spec.suite import read_suite
from alambique.tasks.catalogue import dataset
from alambique.tasks.plan import plan
from alambique.workers.queue.driver import run_here

BERT = REFERENCE_CONFIG
ROBERTA: Config = {
    "model_type": "roberta",
    "vocab_size": 50_262,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
SMALL = (
    "teacher.model={architecture: modernbert, layers: 3, width: 32, heads: 4, ffn: 48,"
    " vocabulary: 600}",
    "teacher.train={epochs: 4, learning_rate: 3.0e-3, batch_size: 8, max_length: 96, stride: 16}",
    "teacher.gate=off",
    "resources={}",
    "train.precision=fp32",
    "train.batch_size=16",
    "train.max_length=96",
    "train.stride=16",
    "train.epochs=1",
)
FIRST = "intermediate.train={epochs: 1, batch_size: 16, max_length: 96, stride: 16}"
ANSWERS = "data={name: sample-questions, limit: {train: 60, dev: 20, test: 20}}"
CUT: Mapping[str, tuple[str, ...]] = {
    "spanish-tiny-roberta": (
        ANSWERS,
        "student={start: random, layers: 2, width: 24, heads: 4, ffn: 32}",
    ),
    "tinybert": (
        # topics, because networks as small as these learn nothing of inference
        "task=document-classification",
        "data={name: sample-documents, limit: {train: 120, dev: 40, test: 20}}",
        "teacher.train.epochs=6",
        "student={layers: 2, width: 24, heads: 4, ffn: 32}",
        FIRST,
    ),
    "qualaminilm": (
        ANSWERS,
        "student={layers: 2, width: 24, heads: 4, ffn: 32}",
        "intermediate.objective.0.heads=8",
        "intermediate.objective.0.layer=1",
        FIRST,
    ),
    "minilm": (
        "teacher={model: sample-encoder, max_length: 96, stride: 16}",
        "data={name: sample-text, limit: {train: 60, dev: 20, test: 20}}",
        "student={start: random, layers: 2, width: 32, heads: 4, ffn: 32}",
        "objective.0.heads=8",
    ),
}
"""What makes each run in seconds: its own networks, texts and lengths."""


def recipe(name: str, *overrides: str) -> Job:
    return first_job(name, overrides)


def parameters(name: str, teacher: Config) -> tuple[int, int]:
    """Of teacher and student, from the config that the hub has of the teacher."""

    def config_of(source: Source) -> Config:
        return teacher

    found = plan(recipe(name), UnknownName("the data is not at hand"), config_of=config_of)
    return found.teacher.parameters, found.student.parameters


def test_spanish_tiny_roberta_is_as_large_as_the_paper_s() -> None:
    assert parameters("spanish-tiny-roberta", ROBERTA) == (354_309_122, 51_211_778)


def test_spanish_tiny_roberta_is_tested_on_squad_and_on_other_texts() -> None:
    suite = read_suite((RECIPES / "spanish-tiny-roberta.yaml").read_text())
    found = {cell.task: job for cell, job in jobs_of(suite)}
    assert {name: job.data.test for name, job in found.items()} == {
        "squad-es": "tar-dev",
        "mlqa": "mlqa",
    }
    # all that they learn by is the same, and made once
    left_out = {"name", "data"}
    first, second = (job.model_dump(exclude=left_out) for job in found.values())
    assert first == second
    assert {job.data.name for job in found.values()} == {"tar"}
    assert suite.metrics["squad-es"] == ("squad-f1", "squad-em")


def layer(width: int, ffn: int) -> int:
    """What a layer of a BERT weighs: four linear layers of its width, two of its ffn, two norms."""
    return 4 * (width + 1) * width + (width + 1) * ffn + (ffn + 1) * width + 4 * width


def test_a_tinybert_of_four_layers() -> None:
    """The paper's 14.5 M are with the English vocabulary of 30 522 pieces."""
    teacher, student = parameters("tinybert", BERT)
    embeddings = (31_002 + 512 + 2 + 2) * 312
    head = (312 + 1) * 312 + (312 + 1) * 3
    assert (teacher, student) == (109_853_187, embeddings + 4 * layer(312, 1200) + head)


def test_the_student_of_qualaminilm_has_6_layers_of_384() -> None:
    _, student = parameters("qualaminilm", ROBERTA)
    embeddings = (50_262 + 514 + 1 + 2) * 384
    assert student == embeddings + 6 * layer(384, 1536) + (384 + 1) * 2


def test_two_teachers_and_a_student_of_a_third_vocabulary() -> None:
    """The student is the paper's ALBETO tiny, without the pooler that tags do not need."""
    tiny = {**BERT, "model_type": "albert", "vocab_size": 31_000, "embedding_size": 128}
    tiny |= {"hidden_size": 312, "num_hidden_layers": 4, "intermediate_size": 1248}
    base = {**ROBERTA, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    base |= {"intermediate_size": 3072}
    configs = {"bert-base": BERT, "roberta-base": base, "albert-tiny": tiny}

    def config_of(source: Source) -> Config:
        return next(config for name, config in configs.items() if name in source_text(source))

    found = plan(recipe("teachers"), UnknownName("the data is not at hand"), config_of=config_of)
    labels = len(dataset("ancora-contracted").labels)
    head = (312 + 1) * labels
    pooler, of_three = (312 + 1) * 312, (312 + 1) * 3
    assert found.student.parameters == 5_345_075 - pooler - of_three + head  # the paper's, of XNLI
    assert [one.name for one in found.teachers] == ["teacher", "teacher-2"]
    first, second = (one.parameters for one in found.teachers)
    assert first == 109_853_187 - (768 + 1) * (768 + 3) + (768 + 1) * labels
    assert second > first  # of the same layers, with a larger vocabulary


def fitting_any(job: Job) -> list[Term]:
    """What is taught, but for what has to fit the width and depth of networks so small."""
    every = (term for terms in job.objectives for term in terms)
    return [
        term.model_copy(update={"heads": None, "layer": None})
        if isinstance(term, Relations)
        else term
        for term in every
    ]


@pytest.mark.parametrize("name", CUT)
def test_a_recipe_runs_cut_down(name: str, settings: Settings, database: Database) -> None:
    job = recipe(name, *SMALL, *CUT[name])
    assert fitting_any(job) == fitting_any(recipe(name))
    row = run_here(settings, database, job, posted=lambda _: None)
    assert row.state is State.SUCCEEDED, row.message
    result: dict[str, Any] = row.result or {}
    student = next(one for one in result["rows"] if one["name"] == "distilled")
    compared = {t.kind for terms in job.objectives for t in terms} & {"hidden", "attention"}
    assert {term.rpartition(".")[2] for term in student["maps"]} == compared
    assert student["layers"] == 2
