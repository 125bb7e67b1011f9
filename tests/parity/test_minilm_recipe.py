"""recipes/minilm.yaml is the paper's student: its size, its relation heads, its schedule."""

from pathlib import Path

import pytest

from alambique.models.counts import REFERENCE_CONFIG
from alambique.spec.errors import BadSpec, UnknownName
from alambique.spec.objective import Relations
from alambique.spec.reading import read_job
from alambique.tasks.catalogue import dataset
from alambique.tasks.costs import Plan
from alambique.tasks.plan import plan
from alambique.workers.training.schedule import learning_rate

RECIPE = (Path(__file__).parents[2] / "recipes" / "minilm.yaml").read_text()
JOB = read_job(RECIPE)
STEPS = 400_000

PUBLISHED = 22_713_216
"""Parameters of MiniLM-L6-H384 of an English BERT, which has 30 522 pieces."""


def planned(*overrides: str) -> Plan:
    """Of the recipe, whose data is not at hand."""
    return plan(
        read_job(RECIPE, overrides), UnknownName("not here"), config_of=lambda _: REFERENCE_CONFIG
    )


def test_the_student_has_the_published_size_and_the_pieces_of_its_teacher() -> None:
    assert planned().student.parameters == PUBLISHED + (31_002 - 30_522) * 384
    assert planned().cache.bytes == 0  # the teacher answers beside the student


def test_its_relation_heads_divide_both_widths() -> None:
    (term,) = JOB.objective
    assert isinstance(term, Relations)
    assert (term.pairs, term.heads, term.layer) == (("qq", "kk", "vv"), 48, None)
    with pytest.raises(BadSpec, match=r"36 relation heads .* one of 1, 2, 3, .* 48, 64, "):
        planned("objective.0.heads=36")
    with pytest.raises(BadSpec, match="layer 12, and the teacher has layers 0 to 11"):
        planned("objective.0.layer=12")


def test_it_is_trained_for_as_many_steps_as_the_paper_s() -> None:
    rows = dataset(JOB.data.name).sizes["train"]  # few paragraphs are longer than a window
    train = JOB.train
    assert train.batch_size is not None
    steps = train.epochs * -(-rows // train.batch_size)
    assert abs(steps - STEPS) < 0.01 * STEPS
    assert train.patience == train.epochs
    said = {"peak": train.learning_rate, "warmup": train.warmup}
    rates = [
        learning_rate(step, STEPS, shape="linear", **said) for step in (3999, 202_000, STEPS - 1)
    ]
    assert rates == pytest.approx([6.0e-4, 3.0e-4, 0], abs=1e-8)
