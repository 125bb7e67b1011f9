"""Every family with every output: two steps of training, written, read, cut, counted."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss
from transformers import (
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from alambique.models.configs import Config, depth, longest_text, sizes_of
from alambique.models.counts import count
from alambique.models.families import FAMILIES, family_of
from alambique.models.networks import Network, load, new, save
from alambique.models.students import cut
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

Batch = tuple[Tensor, Tensor, Tensor]
Tiny = Callable[[str], Config]
LABELS = {
    Output.SPAN: ("start", "end"),
    Output.TAGS: ("O", "B-PER", "I-PER"),
    Output.CLASSES: ("CCAT", "ECAT", "GCAT", "MCAT"),
    Output.SCORE: ("similarity",),
    Output.STATES: (),
}
PLAIN: Mapping[Output, Any] = {
    Output.SPAN: AutoModelForQuestionAnswering,
    Output.TAGS: AutoModelForTokenClassification,
    Output.CLASSES: AutoModelForSequenceClassification,
    Output.SCORE: AutoModelForSequenceClassification,
    Output.STATES: AutoModel,
}


def trained(network: Network, batch: Batch, *, steps: int) -> list[float]:
    """The loss before each step, against the first class everywhere, or a score of 10."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        logits_NC = network(*batch).flatten(0, 1)
        if network.output is Output.SCORE:
            loss = mse_loss(logits_NC, torch.full_like(logits_NC, 10.0))
        else:
            loss = cross_entropy(logits_NC, torch.zeros(len(logits_NC), dtype=torch.int64))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def answer(network: Network, batch: Batch) -> Tensor:
    logits_BNC: Tensor = network(*batch)
    return logits_BNC


@torch.no_grad()
def plain_answer(folder: Path, network: Network, batch: Batch) -> Tensor:
    """What plain transformers says, given all that the architecture takes."""
    as_tags = network.output is Output.SPAN and family_of(network.config).spans_as_tags
    auto = PLAIN[Output.TAGS if as_tags else network.output]
    model, report = auto.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    names = ("input_ids", "attention_mask", "token_type_ids")
    given = dict(zip(names, batch, strict=True))
    if not family_of(network.config).token_types:
        del given["token_type_ids"]
    said = model(**given)
    if network.output is Output.SPAN and not as_tags:
        return torch.stack((said.start_logits, said.end_logits), -1)
    if network.output is Output.STATES:
        states: Tensor = said.last_hidden_state
        return states
    logits: Tensor = said.logits
    return logits[:, None] if network.output.is_per_text else logits


def same(one: Tensor, other: Tensor) -> bool:
    """Bit by bit; a product with a single column is rounded by how its weights lie in memory."""
    if one.shape[-1] == 1:
        return torch.allclose(one, other, rtol=1e-5)
    return torch.equal(one, other)


@pytest.mark.parametrize("output", Output)
def test_every_family_with_every_output(
    config: Config, output: Output, batch: Batch, tmp_path: Path, tokenizer_folder: Path
) -> None:
    labels = LABELS[output]
    network = new(config, output, labels, seed=1)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    losses = trained(network, batch, steps=3)
    assert losses == sorted(losses, reverse=True)
    for name, weight in network.state_dict().items():
        assert weight.isfinite().all(), name
        # without a head nothing reads what the pooler makes
        pooler = not output.has_head and "pooler" in name
        assert torch.equal(weight, before[name]) is pooler, name

    save(network, tmp_path / "whole", tokenizer_folder)
    again = load(tmp_path / "whole", output, labels)
    assert again.head_present
    logits_BNC = answer(network, batch)
    columns = len(labels) or sizes_of(config).width
    assert logits_BNC.shape == (2, 1 if output.is_per_text else 24, columns)
    assert same(answer(again, batch), logits_BNC)
    assert same(plain_answer(tmp_path / "whole", network, batch), logits_BNC)

    student = cut(tmp_path / "whole", (2,), output, labels, seed=1)
    assert (depth(student.config), student.head_present) == (1, True)
    save(student, tmp_path / "cut", tokenizer_folder)
    assert same(plain_answer(tmp_path / "cut", student, batch), answer(student, batch))
    for one in (network, student):
        counted = count(one.config, task=output, labels=len(labels), length=24)
        assert counted.parameters == sum(weight.numel() for weight in one.parameters())


def test_types_are_told_to_the_families_that_have_them(
    kind: str, config: Config, batch: Batch
) -> None:
    ids_BN, attention_BN, types_BN = batch
    network = new(config, Output.TAGS, LABELS[Output.TAGS], seed=1)
    flipped = answer(network, (ids_BN, attention_BN, 1 - types_BN))
    told = kind in ("bert", "albert", "electra", "deberta-v2", "deberta-v3")
    assert torch.equal(answer(network, batch), flipped) is not told


@pytest.mark.parametrize(("family", "types"), [("bert", 1), ("deberta-v2", 0), ("electra", 1)])
def test_types_that_a_network_does_not_have(
    tiny: Tiny, family: str, types: int, batch: Batch
) -> None:
    config = {**tiny(family), "type_vocab_size": types}
    network = new(config, Output.SPAN, ("start", "end"), seed=1)
    assert answer(network, batch).isfinite().all()


def test_sizes_are_read_by_one_word_in_each_family(config: Config) -> None:
    found = sizes_of(config)
    assert (found.layers, found.width, found.heads, found.ffn, found.head) == (4, 16, 2, 24, 8)
    projected = config["model_type"] in ("albert", "electra")
    assert found.embedding == (8 if projected else 16)


def test_the_longest_text_is_as_long_as_it_says(kind: str, config: Config) -> None:
    """One more piece is an index out of range, where there is a table."""
    longest = longest_text(config)
    assert longest == (None if kind in ("deberta-v3", "modernbert", "eurobert") else 64)
    network = new(config, Output.TAGS, LABELS[Output.TAGS], seed=1)
    ids_BN = torch.full((1, longest or 200), 7)
    said_BNC = answer(network, (ids_BN, torch.ones_like(ids_BN), torch.zeros_like(ids_BN)))
    assert said_BNC.isfinite().all()
    if longest:
        ids_BN = torch.full((1, longest + 1), 7)
        with pytest.raises((IndexError, RuntimeError)):
            network(ids_BN, torch.ones_like(ids_BN), torch.zeros_like(ids_BN))


def test_the_longest_text_of_a_published_roberta() -> None:
    published = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert longest_text(published) == 512
    with pytest.raises(BadModel, match="pad_token_id None"):
        longest_text(published | {"pad_token_id": None})


@pytest.mark.parametrize("family", ["modernbert", "eurobert"])
def test_a_mean_over_no_pieces_is_a_number(tiny: Tiny, batch: Batch, family: str) -> None:
    """Both can be told to take the mean; a row of padding alone has none."""
    ids_BN, attention_BN, types_BN = batch
    attention_BN[1] = 0
    config = {**tiny(family), "classifier_pooling": "mean"}
    network = new(config, Output.CLASSES, ("yes", "no"), seed=1)
    logits_BNC = network(ids_BN, attention_BN, types_BN)
    assert logits_BNC.isfinite().all()
    for gradient in torch.autograd.grad(logits_BNC.sum(), list(network.parameters())):
        assert gradient.isfinite().all()


def test_the_families_are_those_of_the_issue() -> None:
    assert set(FAMILIES) == {
        *("bert", "roberta", "albert", "distilbert"),
        *("electra", "xlm-roberta", "deberta-v2", "modernbert", "eurobert"),
    }
