"""Numbers of tiny fixed runs, pinned for one version of results: a stage that is kept for other
jobs must be what the code of today would give.

DeepSpeed's are pinned by themselves for every ZeRO stage, on one process; on two it has those of
one plain process, as test_zero.py shows.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alambique.cache.keys import RESULTS_VERSION
from alambique.spec.objective import Attention, Gold, Hidden, Logits, Relations, Term
from alambique.workers.training.spec import TrainingSpec, read_result

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


def test_numbers_change_only_with_the_schema(
    distilled: Callable[..., TrainingSpec],
    training_spec: Callable[..., TrainingSpec],
    recorded: Callable[..., "Recorded"],
    folder_of: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def losses(spec: TrainingSpec) -> list[float]:
        """Of every step, and on validation at the end, with the metric."""
        run = recorded(quick(spec))
        outcome = run.run()
        return [*run.losses, outcome.best_loss, outcome.metric]

    found = {task: losses(distilled(task, objective=terms)) for task, terms in OUTPUTS.items()}
    teacher = folder_of("beside", seed=2)
    for name, term in TERMS.items():
        spec = distilled(TAGS) if isinstance(term, Logits) else training_spec(TAGS)
        layers = {} if isinstance(term, Gold | Logits) else {"live_teacher": teacher}
        found[name] = losses(spec.model_copy(update={"objective": (term,), **layers}))
    deep = folder_of("deep", task="general", layers=4, width=48, seed=2, positions=128)
    states = (Hidden(projection="per-layer"), Relations(heads=8))
    found["general"] = losses(training_spec("general", objective=states, live_teacher=deep))
    mixed = {"objective": (Logits(), Gold(), TERMS["hidden pkd"]), "live_teacher": teacher}
    found |= with_deepspeed([quick(distilled(TAGS, zero=stage, **mixed)) for stage in range(4)])
    fresh = tmp_path_factory.getbasetemp() / PINNED.name
    fresh.write_text(json.dumps({"schema": RESULTS_VERSION, "losses": found}, indent=1) + "\n")
    pinned: dict[str, Any] = json.loads(PINNED.read_text())
    every = found.keys() | pinned["losses"].keys()
    changed = sorted(n for n in every if found.get(n) != approximately(pinned["losses"].get(n)))
    assert pinned["schema"] == RESULTS_VERSION, (
        f"pin the numbers of this version: copy {fresh} to {PINNED}"
    )
    assert not changed, (
        f"numbers have changed: {', '.join(changed)}. Stages that are kept from before are not "
        f"what this code gives: raise RESULTS_VERSION in cache/keys.py, copy {fresh} to {PINNED}"
    )


def quick(spec: TrainingSpec) -> TrainingSpec:
    """One epoch of it."""
    train = {"epochs": 1, "checkpoint": 100, "accumulate": 1 + (spec.zero or 0) // 2}
    return spec.model_copy(update={"train": spec.train.model_copy(update=train)})


def with_deepspeed(specs: list[TrainingSpec]) -> dict[str, list[float]]:
    """The same of runs by DeepSpeed, in a process that is a group of one; under ZeRO 2 and 3 each
    batch in two parts."""
    arguments = []
    for one in specs:
        path = one.folder / "training.json"
        path.write_text(one.model_dump_json())
        arguments.append(f"{path}@")
    group = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    subprocess.run(
        [sys.executable, str(PINNED.with_name("recorder.py")), *arguments],
        env=os.environ | group | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"},
        stderr=subprocess.DEVNULL,  # warnings of DeepSpeed's
        check=True,
    )
    found = {}
    for one in specs:
        losses = json.loads((one.folder / "losses.json").read_text())
        outcome = read_result(one)
        assert outcome is not None
        found[f"deepspeed zero {one.zero}"] = [*losses, outcome.best_loss, outcome.metric]
    return found


def approximately(losses: list[float] | None) -> Any:
    """On another processor sums are made in another order."""
    return None if losses is None else pytest.approx(losses, rel=1e-4)
