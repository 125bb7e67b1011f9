"""recipes/speedy-gonzales.yaml is the paper whole, and its models cost what the paper counts.

FACTS of Cañete and Bravo-Marquez (2023): sizes of the candidates and students, MACs at 512 tokens.
"""

from pathlib import Path
from typing import Any

import pytest

from alambique.models.configs import Config
from alambique.models.counts import REFERENCE_CONFIG, count
from alambique.spec.errors import UnknownName
from alambique.spec.job import Job
from alambique.spec.matrix import jobs_of
from alambique.spec.outputs import Output
from alambique.spec.sources import Hub, Source
from alambique.spec.suite import Cell, read_suite
from alambique.tasks.catalogue import dataset
from alambique.tasks.costs import Plan
from alambique.tasks.plan import plan

Jobs = tuple[tuple[Cell, Job], ...]
RECIPE = Path(__file__).parents[2] / "recipes" / "speedy-gonzales.yaml"
SUITE = read_suite(RECIPE.read_text())

MACS = {"tiny": 2_418_245_608, "base-2": 7_305_234_688}
"""Of students with three classes."""


def bert() -> Config:
    return {"model_type": "bert", "vocab_size": 31_002, **texts(512, 2), **layered(12, 768, 12)}


def albert(layers: int, width: int, heads: int) -> Config:
    sizes = {"vocab_size": 31_000, "embedding_size": 128, **layered(layers, width, heads)}
    return {"model_type": "albert", **texts(512, 2), **sizes}


def roberta(layers: int, width: int, heads: int) -> Config:
    sizes = {"vocab_size": 50_262, **layered(layers, width, heads)}
    return {"model_type": "roberta", **texts(514, 1), **sizes}


def texts(positions: int, kinds: int) -> dict[str, int]:
    return {"max_position_embeddings": positions, "type_vocab_size": kinds}


def layered(layers: int, width: int, heads: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
    }


DISTILBERT = {
    "model_type": "distilbert",
    "vocab_size": 31_002,
    "max_position_embeddings": 512,
    "n_layers": 6,
    "dim": 768,
    "hidden_dim": 3072,
    "n_heads": 12,
}
CONFIGS: dict[str, Config] = {
    "dccuchile/bert-base-spanish-wwm-cased": bert(),
    "dccuchile/bert-base-spanish-wwm-uncased": bert(),
    "dccuchile/distilbert-base-spanish-uncased": DISTILBERT,
    "dccuchile/albert-tiny-spanish": albert(4, 312, 12),
    "dccuchile/albert-base-spanish": albert(12, 768, 12),
    "dccuchile/albert-large-spanish": albert(24, 1024, 16),
    "dccuchile/albert-xlarge-spanish": albert(24, 2048, 16),
    "dccuchile/albert-xxlarge-spanish": albert(12, 4096, 64),
    "bertin-project/bertin-roberta-base-spanish": roberta(12, 768, 12),
    "PlanTL-GOB-ES/roberta-base-bne": roberta(12, 768, 12),
    "PlanTL-GOB-ES/roberta-large-bne": roberta(24, 1024, 16),
}


def config_of(source: Source) -> Config:
    assert isinstance(source, Hub)
    return CONFIGS[source.repository]


def planned(job: Job) -> Plan:
    """The plan of a job whose data is not at hand."""
    return plan(job, UnknownName("not here"), config_of=config_of)


@pytest.fixture(scope="module")
def jobs() -> Jobs:
    return jobs_of(SUITE)


def test_it_has_the_data_sets_the_students_and_the_grids(
    jobs: Jobs,
) -> None:
    distilled = [job for cell, job in jobs if cell.tuned is None]
    assert len(distilled) == 8 * 6 * (2 * 3)
    assert {(job.train.learning_rate, job.train.batch_size) for job in distilled} == {
        (rate, batch) for rate in (5.0e-5, 1.0e-4) for batch in (16, 32, 64)
    }
    assert all((job.train.epochs, job.train.patience) == (50, 10) for job in distilled)
    assert all(dataset(job.data.name).task == job.task for _, job in jobs)


def test_gold_labels_alone_are_learnt_over_the_grid_of_fine_tuning(jobs: Jobs) -> None:
    gold = [(cell, job.train) for cell, job in jobs if cell.tuned == "gold-only"]
    assert len(gold) == 8 * 6 * (3 * 3 * 4)
    tried = {(one.batch_size, one.epochs, one.learning_rate) for _, one in gold}
    teacher = jobs[0][1].teachers[0].spec
    assert teacher.candidates is not None
    runs = {run.train for run in teacher.runs if run.candidate == 0}
    assert tried == {(one.batch_size, one.epochs, one.learning_rate) for one in runs if one}


def test_the_teacher_is_the_best_of_eleven_candidates(jobs: Jobs) -> None:
    runs = jobs[0][1].teachers[0].spec.runs
    assert len(runs) == 11 * 3 * 3 * 4
    rates: dict[Any, set[float]] = {}
    for run in runs:
        assert run.train is not None
        rates.setdefault(run.model, set()).add(run.train.learning_rate)
    assert {str(model).partition("@")[0] for model in rates} == CONFIGS.keys()
    small = {"dccuchile/albert-large-spanish", "dccuchile/albert-xlarge-spanish"}
    small |= {"dccuchile/albert-xxlarge-spanish"}
    assert {model for model, tried in rates.items() if max(tried) < 1e-5} == small


def test_its_students_cost_what_the_paper_counts(jobs: Jobs) -> None:
    xnli = {cell.student: planned(job) for cell, job in jobs if cell.task == "xnli"}
    assert {name: xnli[name].student.macs.linear for name in MACS} == MACS
    assert xnli["tiny"].student.parameters == 5_345_075
    assert all(xnli[f"base-{n}"].student.parameters == 11_813_891 for n in (2, 4, 6, 8, 10))
    beto = count(REFERENCE_CONFIG, task=Output.CLASSES, labels=3, length=512)
    depth = [beto.macs_linear / xnli[f"base-{n}"].student.macs.linear for n in (2, 4, 6, 8, 10)]
    assert [round(times, 2) for times in depth] == [5.96, 2.99, 2.0, 1.5, 1.2]


def test_its_candidates_cost_what_the_paper_counts(jobs: Jobs) -> None:
    job = next(job for cell, job in jobs if cell.task == "xnli")
    found = {one.model.partition("@")[0]: one for one in planned(job).candidates}
    assert found["dccuchile/bert-base-spanish-wwm-cased"].macs.linear == 43_526_457_600
    assert found["dccuchile/distilbert-base-spanish-uncased"].macs.linear == 21_764_311_296
    assert found["PlanTL-GOB-ES/roberta-large-bne"].macs.linear == 154_722_634_752
    assert found["dccuchile/albert-xxlarge-spanish"].macs.linear == 1_237_437_394_944
    assert found["dccuchile/albert-xxlarge-spanish"].parameters == 222_735_875
