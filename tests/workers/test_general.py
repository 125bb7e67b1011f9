"""A student without a head: judged by its objective, and by how alike it is to its teacher."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel

from alambique.distill.cka import cka
from alambique.spec.errors import BadModel
from alambique.spec.objective import Hidden, Relations, Term
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.examples import Text, read, write
from alambique.workers.scoring.cka_score import StudentAndTeacher, cka_score
from alambique.workers.scoring.loaded_model import LoadedModel
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.inputs import load_inputs
from alambique.workers.training.loop import train
from alambique.workers.training.spec import TrainingSpec
from alambique.workers.training.validation import Validation, validate

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

Made = Callable[..., TrainingSpec]
HERE = SingleProcess(torch.device("cpu"))
QUICK = Train(epochs=2, learning_rate=3e-3, batch_size=8, max_length=96, stride=32, seed=5)
LAYERS: tuple[Term, ...] = (Hidden(projection="per-layer", mapping="learned"), Relations(heads=8))


@pytest.fixture
def general(training_spec: Made, folder_of: Callable[..., Path], tmp_path: Path) -> Made:
    """A training beside a deeper and wider teacher, whose layers have something to say."""

    def made(**changed: object) -> TrainingSpec:
        teacher = tmp_path / "deep"
        if not teacher.exists():
            folder_of(teacher.name, task="general", layers=4, width=48, seed=2, positions=128)
            weights = load_file(teacher / "model.safetensors")
            sharper = {name: w * 6 if w.ndim > 1 else w for name, w in weights.items()}
            save_file(sharper, teacher / "model.safetensors", metadata={"format": "pt"})
        said = {"objective": LAYERS, "live_teacher": teacher, "train": QUICK, **changed}
        spec = training_spec("general", **said)
        write(spec.training, read(spec.training)[:16])
        return spec

    return made


def windows_of(spec: TrainingSpec) -> list[list[int]]:
    """Of the validation examples."""
    rows = examined(spec, spec.start).windows(read(spec.validation))
    return [row.window.input_ids_N.tolist() for row in rows]


def examined(spec: TrainingSpec, folder: Path) -> LoadedModel:
    length, stride = spec.train.max_length, spec.train.stride
    return LoadedModel.of(find(spec.task), folder, (), max_length=length, stride=stride)


@torch.no_grad()
def plain_states(folder: Path, windows: Sequence[Sequence[int]]) -> Tensor:
    """The last states of every token, as plain transformers gives them, window by window."""
    model = AutoModel.from_pretrained(folder)
    found = [model(input_ids=torch.tensor([ids])).last_hidden_state[0] for ids in windows]
    return torch.cat(found)


def test_the_metric_is_the_alignment_of_plain_networks(
    general: Made, recorded: Callable[..., "Recorded"]
) -> None:
    spec = general()
    run = recorded(spec)
    outcome = run.run()
    assert outcome.best_epoch == spec.train.epochs - 1
    assert outcome.best_loss < 0.98 * run.losses[0]
    windows = windows_of(spec)
    assert spec.live_teacher is not None
    ours, theirs = (plain_states(folder, windows) for folder in (spec.best, spec.live_teacher))
    assert outcome.metric == pytest.approx(cka(ours, theirs), abs=1e-5)
    before = cka(plain_states(spec.start, windows), theirs)
    assert outcome.metric > before + 0.05


def test_what_was_learnt_beside_it_measures_it_again(general: Made) -> None:
    """The projections and the map, which are no part of the student."""
    spec = general()
    outcome = train(spec, HERE)
    network, examples = examined(spec, spec.best), read(spec.validation)
    found = cka_score(network, spec, examples, network.windows(examples))
    assert found["objective"] == pytest.approx(outcome.best_loss, rel=1e-5)
    assert found["cka"] == pytest.approx(outcome.metric, abs=1e-6)
    learnt = load_file(spec.projection_heads)
    save_file(
        {name: torch.zeros_like(weight) for name, weight in learnt.items()}, spec.projection_heads
    )
    untrained = cka_score(network, spec, examples, network.windows(examples))
    assert untrained["objective"] > 1.01 * found["objective"]
    assert untrained["cka"] == pytest.approx(outcome.metric, abs=1e-6)
    spec.projection_heads.unlink()
    with pytest.raises(BadModel, match=r"projection_heads\.safetensors"):
        cka_score(network, spec, examples, network.windows(examples))


def test_weights_that_no_term_reaches_stay_as_they_were(general: Made) -> None:
    decaying = QUICK.model_copy(update={"weight_decay": 1.0})
    spec = general(objective=(Relations(heads=8),), train=decaying)
    train(spec, HERE)
    before, after = (load_file(folder / "model.safetensors") for folder in (spec.start, spec.best))
    moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    last = {name for name in after if name.startswith("layers.1.")}
    assert {name for name in last if "Wqkv" in name or "attn_norm" in name} == last & moved
    assert "final_norm.weight" not in moved
    assert "layers.0.mlp.Wo.weight" in moved


class Together:
    """One of several processes, in a thread of its own."""

    device = torch.device("cpu")

    def __init__(self, rank: int, world: int, shelf: dict[int, Any], barrier: Barrier) -> None:
        self.rank, self.world = rank, world
        self._shelf, self._barrier = shelf, barrier

    def gather(self, value: Any) -> list[Any]:
        """What each gave."""
        self._shelf[self.rank] = value
        self._barrier.wait(60)
        found = [self._shelf[rank] for rank in range(self.world)]
        self._barrier.wait(60)
        return found

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """The sum over all."""
        found: Tensor = torch.stack(self.gather(values)).sum(0)
        return found

    def barrier(self) -> None:
        """All wait for all."""
        self._barrier.wait(60)


def validated(spec: TrainingSpec, context: Any) -> Validation:
    model, inputs = load_inputs(spec, context)
    networks = StudentAndTeacher(model.eval())
    return validate(networks.forward, inputs.validation, inputs.collator, context, spec.objective)


def test_processes_together_find_what_one_finds(general: Made) -> None:
    """Of four examples on three processes, two have one, and answer to a stand-in as well."""
    spec = general()
    some = read(spec.validation)[:4]
    long = Text("long", " ".join(text.text for text in some if isinstance(text, Text)))
    write(spec.validation, [long, *some[1:]])
    shelf, barrier = dict[int, Any](), Barrier(3)
    contexts = [Together(rank, 3, shelf, barrier) for rank in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda context: validated(spec, context), contexts))
    alone = validated(spec, HERE)
    for one in found:
        assert one.loss == pytest.approx(alone.loss, rel=1e-6)
        assert one.metric == pytest.approx(alone.metric, abs=1e-9)
