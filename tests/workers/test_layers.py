"""A student that learns from the layers of a teacher beside it: resumed, split, exported, told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

from alambique.models.distillation_model import LAYER_MAPS, DistillationModel
from alambique.models.networks import load
from alambique.models.projection_heads import LearnedLayerMap
from alambique.spec.objective import Attention, Hidden, Relations, Term
from alambique.spec.outputs import Output
from alambique.spec.schedules import Change
from alambique.spec.train import Train
from alambique.workers.training.engines import make_optimizer, set_learning_rate
from alambique.workers.training.layer_maps import maps_of, most_similar_map, resolve_maps
from alambique.workers.training.spec import TrainingSpec

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

Made = Callable[..., TrainingSpec]
Recorder = Callable[..., "Recorded"]
LAYERS: tuple[Term, ...] = (
    Hidden(projection="per-layer", mapping="learned", weight=Change(start=1.0, end=0.2)),
    Attention(loss="kl"),
    Relations(heads=8, weight=2.0),
)


@pytest.fixture
def layered(training_spec: Made, folder_of: Callable[..., Path], tmp_path: Path) -> Made:
    """A training beside a deeper and wider teacher."""

    def made(**changed: object) -> TrainingSpec:
        teacher = tmp_path / "deep"
        if not teacher.exists():
            folder_of(teacher.name, layers=4, width=48, seed=2, positions=128)
        return training_spec(**{"objective": LAYERS, "live_teacher": teacher, **changed})

    return made


def moved(spec: TrainingSpec, name: str) -> TrainingSpec:
    """The same training in another folder."""
    return spec.model_copy(update={"folder": spec.folder.with_name(name)})


def test_killed_and_resumed_is_as_undisturbed(layered: Made, recorded: Recorder) -> None:
    """The projections and the map are part of the checkpoint, and so is what Adam knows of them."""
    whole = layered()
    undisturbed = recorded(whole)
    outcome = undisturbed.run()
    broken = moved(whole, "broken")
    broken.folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        recorded(broken, stop_at=8).run()
    resumed = recorded(broken)
    assert resumed.run() == outcome
    assert resumed.losses == undisturbed.losses[-len(resumed.losses) :]
    assert len(resumed.losses) < len(undisturbed.losses)
    assert broken.read_learned_maps() == whole.read_learned_maps()


def test_micro_batches_split_memory_and_not_results(layered: Made, recorded: Recorder) -> None:
    one = layered()
    other = layered(train=one.train.model_copy(update={"accumulate": 3}))
    runs = [recorded(spec) for spec in (one, other)]
    for run in runs:
        run.run()
    assert runs[0].losses == pytest.approx(runs[1].losses, abs=1e-5)


def test_each_term_is_told_by_itself(layered: Made, recorded: Recorder) -> None:
    spec = layered()
    run = recorded(spec)
    run.run()
    lines = [json.loads(line) for line in spec.progress.read_text().splitlines()]
    last = lines[-1]
    assert set(last["terms"]) == {"hidden", "attention", "relations"}
    assert all(value > 0 for value in last["terms"].values())
    steps = len(run.losses)
    weight = 1.0 + (0.2 - 1.0) * (steps - 1) / steps  # of hidden, at the last step
    total = weight * last["terms"]["hidden"] + last["terms"]["attention"]
    assert last["loss"] == pytest.approx(total + 2 * last["terms"]["relations"], rel=1e-5)


def test_terms_of_one_kind_are_told_by_their_names(layered: Made, recorded: Recorder) -> None:
    """Each map that is learnt is its own; the projection is that of both."""
    # what a name is may also be what a module has, as `values` is
    near, far = Hidden(mapping="learned"), Hidden(mapping="learned", loss="cosine", name="values")
    spec = layered(objective=(near, far, Relations(layer=1, name="lower"), Relations()))
    run = recorded(spec)
    run.run()
    last = json.loads(spec.progress.read_text().splitlines()[-1])
    assert set(last["terms"]) == {"hidden", "values", "lower", "relations"}
    assert last["loss"] == pytest.approx(sum(last["terms"].values()), rel=1e-5)
    maps = maps_of(spec)
    assert set(maps) == {"hidden", "values"}
    assert maps["hidden"].weights != maps["values"].weights


def test_what_is_trained_beside_the_student_is_not_exported(
    layered: Made, recorded: Recorder
) -> None:
    spec = layered()
    recorded(spec).run()
    names = load_file(spec.best / "model.safetensors").keys()
    assert names == load_file(spec.start / "model.safetensors").keys()
    load(spec.best, Output.TAGS, spec.labels)
    weights = maps_of(spec)["hidden"].weights
    assert weights is not None
    torch.testing.assert_close(torch.tensor(weights).sum(1), torch.ones(2))


def test_a_student_that_learns_layers_alone_is_judged_by_them(
    layered: Made, recorded: Recorder
) -> None:
    """Its head has learnt nothing: cross entropy with the labels would choose among chances."""
    spec = layered(objective=(Hidden(),))
    outcome = recorded(spec).run()
    lines = [json.loads(line) for line in spec.progress.read_text().splitlines()]
    found = [line["validation"] for line in lines if line["validation"] is not None]
    assert outcome.best_loss == min(found)
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(lines[-1]["terms"]["hidden"], rel=0.3)


def test_a_learnt_map_leaves_where_it_began(layered: Made, recorded: Recorder) -> None:
    """Whether its layers matter shows only if a training of usual length moves it visibly."""
    spec = layered(objective=(Hidden(mapping="learned"),))
    recorded(spec).run()
    begun_SL = LearnedLayerMap(2, 4)()
    learnt_SL = torch.tensor(spec.read_learned_maps()["hidden"])
    torch.testing.assert_close(learnt_SL.sum(1), torch.ones(2))
    assert (learnt_SL - begun_SL).abs().max() > 0.1
    assert maps_of(spec)["hidden"].weights == spec.read_learned_maps()["hidden"]


def test_a_layer_map_learns_a_hundred_times_as_fast_and_does_not_decay(layered: Made) -> None:
    """The first step of Adam moves each weight by its rate, against the sign of its gradient."""
    settings = Train(weight_decay=0.5)
    spec = layered()
    assert spec.live_teacher is not None
    student, teacher = (
        load(folder, Output.TAGS, spec.labels) for folder in (spec.start, spec.live_teacher)
    )
    learned = DistillationModel(student, teacher, (Hidden(mapping="learned"), Attention()))
    before = {name: weight.clone() for name, weight in learned.state_dict().items()}
    optimizer = make_optimizer(learned, settings)
    for weight in learned.parameters():
        weight.grad = torch.ones_like(weight)
    set_learning_rate(optimizer, 1e-3)
    optimizer.step()
    maps = [name for name in before if name.startswith(LAYER_MAPS)]
    assert len(maps) == 1
    for name, weight in learned.named_parameters():
        faster, decay = (100, 0.0) if name in maps else (1, 0.5 if weight.ndim > 1 else 0.0)
        expected = before[name] * (1 - 1e-3 * decay) - 1e-3 * faster
        torch.testing.assert_close(weight.detach(), expected, msg=name)


def test_layers_that_are_alike_are_found(layered: Made) -> None:
    """A student that is its teacher is most alike to itself; the map is chosen once."""
    spec = layered(objective=(Hidden(mapping="similar"), Attention(mapping="similar")))
    own = spec.model_copy(update={"start": spec.live_teacher})
    chosen = most_similar_map(own)
    assert chosen.pairs == tuple((layer, layer) for layer in range(4))
    assert chosen.likeness == pytest.approx([1.0] * 4)
    taken = resolve_maps(own)
    assert [getattr(term, "mapping", None) for term in taken.objective] == [chosen.pairs] * 2
    assert resolve_maps(own.model_copy(update={"start": spec.start})).objective == taken.objective
    assert maps_of(own) == {"hidden": chosen, "attention": chosen}


def test_other_layers_are_not_as_alike(layered: Made) -> None:
    chosen = most_similar_map(layered(objective=(Hidden(mapping="similar"),)))
    assert chosen.pairs is not None
    assert [ours for ours, _ in chosen.pairs] == [0, 1]
    assert chosen.likeness is not None
    assert all(0 < value < 0.999 for value in chosen.likeness)
