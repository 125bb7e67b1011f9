"""Numbers of tiny fixed runs, pinned for one SCHEMA: a stage that is kept for other jobs must be
what the code of today would give.

DeepSpeed gives the losses of one plain process, as test_zero.py shows: so those are pinned alone.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alambique.spec.objective import Attention, Gold, Hidden, Logits, Relations, Term
from alambique.workers.once import SCHEMA
from alambique.workers.training.course import Course

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

PINNED = Path(__file__).with_name("pinned.json")
TAGS = "named-entities"
OUTPUTS: Mapping[str, tuple[Term, ...]] = {
    TAGS: (Logits(), Gold()),
    "question-answering": (Logits(), Gold()),
    "document-classification": (Logits(), Gold()),
}
TERMS: Mapping[str, Term] = {
    "gold": Gold(),
    "logits kl": Logits(temperature=2.0),
    "logits ce": Logits(loss="ce", temperature=2.0),
    "logits ce tinybert": Logits(loss="ce", reduction="tinybert"),
    "logits mse": Logits(loss="mse"),
    "hidden mse": Hidden(),
    "hidden per-layer tinybert": Hidden(projection="per-layer", reduction="tinybert"),
    "hidden cosine": Hidden(loss="cosine", mapping="last"),
    "hidden pkd": Hidden(loss="pkd", mapping="learned", embeddings=False),
    "attention score-mse": Attention(),
    "attention textbrewer": Attention(reduction="textbrewer"),
    "attention kl": Attention(loss="kl", heads="each"),
    "attention probability-mse": Attention(loss="probability-mse"),
    "relations": Relations(heads=4),
    "relations v1": Relations(pairs=("qk", "vv")),
}


def test_the_numbers_of_this_schema(
    distilled: Callable[..., Course],
    course: Callable[..., Course],
    recorded: Callable[..., "Recorded"],
    folder_of: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def losses(told: Course) -> list[float]:
        """Of every step, and on validation at the end, with the metric."""
        quick = told.train.model_copy(update={"epochs": 1, "checkpoint": 100})
        run = recorded(told.model_copy(update={"train": quick}))
        outcome = run.to_the_end()
        assert outcome.best_loss is not None
        return [*run.losses, outcome.best_loss, outcome.metric]

    found = {task: losses(distilled(task, objective=terms)) for task, terms in OUTPUTS.items()}
    teacher = folder_of("beside", seed=2)
    for name, term in TERMS.items():
        told = distilled(TAGS) if isinstance(term, Logits) else course(TAGS)
        layers = {} if isinstance(term, Gold | Logits) else {"beside": teacher}
        found[name] = losses(told.model_copy(update={"objective": (term,), **layers}))
    deep = folder_of("deep", task="general", layers=4, width=48, seed=2, positions=128)
    states = (Hidden(projection="per-layer"), Relations(heads=8))
    found["general"] = losses(course("general", objective=states, beside=deep))
    fresh = tmp_path_factory.getbasetemp() / PINNED.name
    fresh.write_text(json.dumps({"schema": SCHEMA, "losses": found}, indent=1) + "\n")
    pinned: dict[str, Any] = json.loads(PINNED.read_text())
    every = found.keys() | pinned["losses"].keys()
    changed = sorted(n for n in every if found.get(n) != approximately(pinned["losses"].get(n)))
    assert pinned["schema"] == SCHEMA, f"pin the numbers of this schema: copy {fresh} to {PINNED}"
    assert not changed, (
        f"numbers have changed: {', '.join(changed)}. Stages that are kept from before are not "
        f"what this code gives: raise SCHEMA in workers/once.py, and copy {fresh} to {PINNED}"
    )


def approximately(losses: list[float] | None) -> Any:
    """On another processor sums are made in another order."""
    return None if losses is None else pytest.approx(losses, rel=1e-4)
