"""recipes/kd-study.yaml is the study of Speedy Gonzales: its space, sampler, scheduler, models."""

from pathlib import Path

import pytest

from alambique.models.configs import Config
from alambique.spec.errors import UnknownName
from alambique.spec.objective import Gold, Logits
from alambique.spec.reading import read_job
from alambique.spec.sources import Source, source_text
from alambique.spec.space import Between, Listed, axes, job_with_values, trial_count
from alambique.tasks.plan import plan

JOB = read_job((Path(__file__).parents[2] / "recipes" / "kd-study.yaml").read_text())
ALBERT: Config = {
    "model_type": "albert",
    "vocab_size": 31_000,
    "embedding_size": 128,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
TINY: Config = {**ALBERT, "hidden_size": 312, "num_hidden_layers": 4, "intermediate_size": 1248}


def test_it_searches_what_the_paper_searches() -> None:
    assert axes(JOB) == (
        Between("objective.alpha", 0, 1, log=False, whole=False),
        Listed("objective.logits.temperature", (1, 2, 5)),
        Listed("objective.logits.loss", ("kl", "ce", "mse")),
        Between("train.learning_rate", 1e-5, 1e-4, log=False, whole=False),
    )
    assert JOB.search is not None
    assert (JOB.search.sampler, JOB.search.scheduler, trial_count(JOB.search, axes(JOB))) == (
        "tpe",
        "hyperband",
        500,
    )
    assert (JOB.train.epochs, JOB.train.batch_size, JOB.search.goals) == (50, 64, ("loss min",))


def test_its_published_choice_is_a_trial_of_it() -> None:
    chosen = {
        "objective.alpha": 0,
        "objective.logits.temperature": 1,
        "objective.logits.loss": "kl",
        "train.learning_rate": 1e-4,
    }
    found = job_with_values(JOB, chosen)
    assert found.objective == (Gold(weight=0), Logits(loss="kl", temperature=1, weight=1))


def test_its_networks_weigh_what_the_paper_s_do() -> None:
    def config_of(source: Source) -> Config:
        return TINY if "tiny" in source_text(source) else ALBERT

    found = plan(JOB, UnknownName("the data is not at hand"), config_of=config_of)
    # of two classes, the published 11 813 891 and 5 345 075 of three
    assert found.teacher.parameters == 11_813_891 - (768 + 1)
    assert found.student.parameters == 5_345_075 - (312 + 1)
    assert found.student.macs.linear < found.teacher.macs.linear


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_its_loss_is_the_paper_s(alpha: float) -> None:
    gold, logits = job_with_values(JOB, {"objective.alpha": alpha}).objective
    assert (gold.weight, logits.weight) == (alpha, 1 - alpha)
