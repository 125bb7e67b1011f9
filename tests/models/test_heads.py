"""Which head a network gets: that of the file, that of the file reordered, or a new one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel, AutoModelForMaskedLM

from alambique.models.configs import Config
from alambique.models.families import family_of
from alambique.models.networks import Network, load, missing_body_weights
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
Saved = Callable[..., Path]
LABELS = {
    Output.SPAN: ("start", "end"),
    Output.TAGS: ("O", "B-PER", "I-PER"),
    Output.CLASSES: ("entailment", "neutral", "contradiction"),
}
OTHERS = {
    Output.SPAN: ("from", "to"),
    Output.TAGS: ("O", "B-LOC", "I-LOC"),
    Output.CLASSES: ("yes", "perhaps", "no"),
}
OUTPUTS = pytest.mark.parametrize("output", LABELS)
"""Those that have a head."""


@torch.no_grad()
def answer(network: Network, batch: Batch) -> Tensor:
    logits_BNC: Tensor = network(*batch)
    return logits_BNC


def differing(one: Network, other: Network) -> set[str]:
    ours, theirs = one.inner.state_dict(), other.inner.state_dict()
    assert ours.keys() == theirs.keys()
    return {name for name in ours if not torch.equal(ours[name], theirs[name])}


def say(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@OUTPUTS
def test_for_other_labels_only_the_last_layer_is_new(
    saved: Saved, kind: str, output: Output
) -> None:
    folder, labels = saved(kind, output, LABELS[output]), OTHERS[output]
    before = torch.get_rng_state()
    whole = load(folder, output, LABELS[output])
    one, same, other = (load(folder, output, labels, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert (whole.head_present, one.head_present) == (True, False)
    assert one.labels == labels
    last = family_of(whole.config).output_layer[output]
    assert differing(one, whole) == {f"{last}.weight", f"{last}.bias"}
    assert differing(one, same) == set()
    assert differing(one, other) == {f"{last}.weight"}  # biases start at 0


def test_labels_in_another_order_reorder_the_last_layer(
    saved: Saved, batch: Batch, kind: str
) -> None:
    output, labels = Output.CLASSES, LABELS[Output.CLASSES]
    folder, order = saved(kind, output, labels), [*range(1, len(labels)), 0]
    network = load(folder, output, [labels[i] for i in order])
    assert network.head_present
    expected_BNC = answer(load(folder, output, labels), batch)[..., order]
    torch.testing.assert_close(answer(network, batch), expected_BNC, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [(Output.TAGS, Output.SPAN), (Output.TAGS, Output.CLASSES), (Output.CLASSES, Output.TAGS)],
)
def test_a_head_that_answers_something_else_is_not_taken(
    saved: Saved, kind: str, stored: Output, asked: Output
) -> None:
    """A tagger of two classes has weights of the very names and shapes of a ModernBERT's spans."""
    labels = ("start", "end")
    if kind == "eurobert" and asked is Output.SPAN:
        pytest.skip("its spans are tags of these names")
    folder = saved(kind, stored, labels)
    assert not load(folder, asked, labels).head_present
    assert load(folder, stored, labels).head_present


@pytest.mark.parametrize("named", [None, ("O", "B-PER")])
def test_a_tagger_is_no_head_of_spans_of_a_eurobert(
    saved: Saved, named: tuple[str, str] | None
) -> None:
    """Both are the same class of transformers: the names of the classes alone tell them apart."""
    spans = LABELS[Output.SPAN]
    folder = saved("eurobert", Output.SPAN, spans)
    assert load(folder, Output.SPAN, spans).head_present
    say(folder, id2label={str(i): name for i, name in enumerate(named or ("LABEL_0", "LABEL_1"))})
    assert not load(folder, Output.SPAN, spans).head_present


def test_unnamed_labels_are_taken_in_the_order_of_the_data(saved: Saved, kind: str) -> None:
    labels = LABELS[Output.CLASSES]
    folder = saved(kind, Output.CLASSES, labels)
    say(folder, id2label={str(i): f"LABEL_{i}" for i in range(3)})
    assert load(folder, Output.CLASSES, labels).head_present
    assert not load(folder, Output.CLASSES, (*labels, "other")).head_present


def test_a_masked_language_model_gets_a_new_head(saved: Saved, kind: str, config: Config) -> None:
    """It has no pooler, which is part of a head and no lack of the body."""
    output = Output.CLASSES
    folder = saved(kind, Output.TAGS, LABELS[Output.TAGS])
    whole = load(folder, Output.TAGS, LABELS[Output.TAGS])
    AutoModelForMaskedLM.from_pretrained(folder).save_pretrained(folder)
    network = load(folder, output, LABELS[output], seed=3)
    assert not network.head_present
    ours, theirs = network.inner.state_dict(), whole.inner.state_dict()
    body = missing_body_weights(ours, config)
    assert body == missing_body_weights(theirs, config)
    assert all(torch.equal(ours[name], theirs[name]) for name in body)


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_the_pooler_of_an_encoder_is_kept(saved: Saved, family: str) -> None:
    folder = saved(family, Output.CLASSES, LABELS[Output.CLASSES])
    whole = load(folder, Output.CLASSES, LABELS[Output.CLASSES])
    AutoModel.from_pretrained(folder).save_pretrained(folder)
    network = load(folder, Output.CLASSES, LABELS[Output.CLASSES])
    assert not network.head_present
    assert differing(network, whole) == {"classifier.weight", "classifier.bias"}


def test_a_head_with_a_layer_missing_is_not_there(saved: Saved, kind: str) -> None:
    output = Output.CLASSES
    folder = saved(kind, output, LABELS[output])
    last = family_of(load(folder, output, LABELS[output]).config).output_layer[output]
    path = folder / "model.safetensors"
    state = load_file(path)
    del state[f"{last}.weight"]
    save_file(state, path)
    assert not load(folder, output, LABELS[output]).head_present
