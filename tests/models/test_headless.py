"""Networks without a head: made of any file, and the start of networks with one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from alambique.models.configs import Config, labels_of, read_config
from alambique.models.families import family_of
from alambique.models.networks import Network, load, new, save
from alambique.models.shapes import narrowed_config
from alambique.models.students import cut, narrow
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
Saved = Callable[..., Path]
Tiny = Callable[[str], Config]
LABELS = {
    Output.SPAN: ("start", "end"),
    Output.TAGS: ("O", "B-PER", "I-PER"),
    Output.CLASSES: ("yes", "no"),
    Output.SCORE: ("similarity",),
}
OUTPUTS = pytest.mark.parametrize("output", LABELS)


def body_of(network: Network) -> dict[str, Tensor]:
    """Its weights but for those of heads and poolers, by their names in a network without one."""
    return {
        name.removeprefix(network.body): weight
        for name, weight in network.inner.state_dict().items()
        if name.startswith(network.body) and "pooler" not in name
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@torch.no_grad()
def answer(network: Network, batch: Batch) -> Tensor:
    states_BND: Tensor = network(*batch)
    return states_BND


@OUTPUTS
def test_the_body_of_any_file_is_taken(saved: Saved, kind: str, output: Output) -> None:
    folder = saved(kind, output, LABELS[output])
    whole, found = load(folder, output, LABELS[output]), load(folder, Output.STATES, ())
    assert same(body_of(found), body_of(whole))
    assert found.head_present
    assert found.labels == ()
    assert labels_of(found.exported.to_dict()) is None


@OUTPUTS
def test_a_task_finds_its_whole_body_in_it(
    saved: Saved, tmp_path: Path, tokenizer_folder: Path, kind: str, output: Output
) -> None:
    """And its pooler, where that is part of the head."""
    folder = saved(kind, Output.STATES, ())
    start, found = load(folder, Output.STATES, ()), load(folder, output, LABELS[output])
    assert same(body_of(found), body_of(start))
    assert (found.head_present, found.labels) == (False, LABELS[output])
    poolers = [name for name in found.inner.state_dict() if "pooler." in name]
    if family_of(found.config).pooler and poolers:
        theirs = start.inner.state_dict()
        ours = found.inner.state_dict()
        assert all(torch.equal(ours[n], theirs[n.removeprefix(found.body)]) for n in poolers)


def test_a_file_that_lacks_some_of_the_body_is_refused(saved: Saved, kind: str) -> None:
    path = saved(kind, Output.STATES, ()) / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if "embed" in name and name.endswith("weight"))
    save_file({n: w for n, w in weights.items() if n != name}, path)
    with pytest.raises(BadModel, match=rf"lacks 1 weights .* such as \S*{name}: "):
        load(path.parent, Output.STATES, ())


@pytest.mark.parametrize("kept", [(0, 3), (1, 2)])
def test_it_is_cut_as_with_a_head(saved: Saved, kind: str, kept: tuple[int, ...]) -> None:
    tags = LABELS[Output.TAGS]
    folder = saved(kind, Output.TAGS, tags)
    with_one = cut(folder, kept, Output.TAGS, tags, seed=1)
    assert same(body_of(cut(folder, kept, Output.STATES, (), seed=1)), body_of(with_one))


def test_it_is_sliced_as_with_a_head(saved: Saved, batch: Batch, kind: str) -> None:
    tags = LABELS[Output.TAGS]
    folder = saved(kind, Output.TAGS, tags)
    asked = narrowed_config(read_config(folder), width=12, heads=2, ffn=12)
    with_one = narrow(load(folder, Output.TAGS, tags), asked)
    found = narrow(load(folder, Output.STATES, ()), asked)
    assert same(body_of(found), body_of(with_one))
    assert answer(found, batch).shape == (2, 24, 12)


def test_the_norm_of_projected_embeddings_is_sliced_to_the_width(tiny: Tiny) -> None:
    """Of a DeBERTa, whose norm comes after the projection."""
    config = {**tiny("deberta-v2"), "embedding_size": 12}
    wide = new(config, Output.STATES, (), seed=1)
    found = narrow(wide, narrowed_config(config, width=8)).inner.state_dict()
    norm, table = found["embeddings.LayerNorm.weight"], found["embeddings.word_embeddings.weight"]
    assert (norm.shape, table.shape[1]) == ((8,), 12)


def test_its_states_are_those_under_a_head(
    saved: Saved, batch: Batch, kind: str, tmp_path: Path, tokenizer_folder: Path
) -> None:
    folder = saved(kind, Output.TAGS, LABELS[Output.TAGS])
    whole = load(folder, Output.TAGS, LABELS[Output.TAGS])
    states: list[Tensor] = []
    whole.inner.base_model.register_forward_hook(lambda *args: states.append(args[2][0]))
    answer(whole, batch)
    found = load(folder, Output.STATES, ())
    assert torch.equal(answer(found, batch), states[0])
    save(found, tmp_path / "out", tokenizer_folder)
    assert torch.equal(answer(load(tmp_path / "out", Output.STATES, ()), batch), states[0])
