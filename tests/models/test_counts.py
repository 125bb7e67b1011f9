"""Parameters and MACs from a config equal those of the network that is built from it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from alambique.models.counts import count
from alambique.models.shapes import with_layers
from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

LENGTH = 24
HEADS: tuple[Output, ...] = (Output.SPAN, Output.TAGS, Output.CLASSES)
SIZE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 5,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
}
BERT = SIZE | {"model_type": "bert"}
MODERNBERT = SIZE | {
    "model_type": "modernbert",
    "local_attention": 8,
    **dict.fromkeys(("bos_token_id", "cls_token_id"), 2),
    **dict.fromkeys(("eos_token_id", "sep_token_id"), 3),
}
BIASES = dict.fromkeys(("norm_bias", "attention_bias", "mlp_bias", "classifier_bias"), True)
CONFIGS = [
    BERT,
    with_layers(BERT, (0, 3)),
    BERT | {"type_vocab_size": 1},
    MODERNBERT,
    MODERNBERT | BIASES,
    MODERNBERT | {"classifier_pooling": "mean"},
    with_layers(MODERNBERT, (0, 1, 4)),
    with_layers(MODERNBERT, (2,)),
]


def built(config: dict[str, Any], task: Output, labels: int) -> PreTrainedModel:
    auto: Any = {
        Output.SPAN: AutoModelForQuestionAnswering,
        Output.TAGS: AutoModelForTokenClassification,
        Output.CLASSES: AutoModelForSequenceClassification,
    }[task]
    classes = 2 if task is Output.SPAN else labels
    model: PreTrainedModel = auto.from_config(AutoConfig.for_model(**config, num_labels=classes))
    model.train(False)
    return model


def macs_by_hooks(model: PreTrainedModel) -> int:
    """What linear layers and layer norms do in a real pass, by thop's rule."""
    done = 0

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal done
        per_element = module.in_features if isinstance(module, nn.Linear) else 4
        done += per_element * output.numel()

    for module in model.modules():
        if isinstance(module, nn.Linear | nn.LayerNorm):
            module.register_forward_hook(look)
    ids_BN = torch.ones(1, LENGTH, dtype=torch.int64)
    with torch.no_grad():
        model(input_ids=ids_BN, attention_mask=torch.ones_like(ids_BN))
    return done


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("task", HEADS)
def test_counts_equal_a_network_that_was_built(config: dict[str, Any], task: Output) -> None:
    model = built(config, task, labels=9)
    got = count(config, task=task, labels=9, length=LENGTH)
    assert got.parameters == sum(weight.numel() for weight in model.parameters())
    assert got.macs_linear == macs_by_hooks(model)


@pytest.mark.parametrize("config", [BERT, MODERNBERT | BIASES])
def test_a_config_that_says_everything_counts_the_same(config: dict[str, Any]) -> None:
    whole = AutoConfig.for_model(**config).to_dict()
    for task in HEADS:
        asked: dict[str, Any] = {"task": task, "labels": 3, "length": LENGTH}
        assert count(whole, **asked) == count(config, **asked)


def test_attention_is_counted_where_it_looks() -> None:
    """Five layers of a ModernBERT: 0 and 3 see 24 tokens, the others 8."""
    got = count(MODERNBERT, task=Output.SPAN, labels=2, length=LENGTH)
    assert got.macs_full - got.macs_linear == 2 * 24 * 16 * (2 * 24 + 3 * 8)
    short = count(MODERNBERT, task=Output.SPAN, labels=2, length=6)
    assert short.macs_full - short.macs_linear == 2 * 5 * 6 * 6 * 16
    dense = count(BERT, task=Output.SPAN, labels=2, length=LENGTH)
    assert dense.macs_full - dense.macs_linear == 2 * 5 * 24 * 24 * 16


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2'"),
        ({}, "model_type None"),
        ({"model_type": "bert"}, "hidden_size None"),
        (BERT | {"vocab_size": "many"}, "vocab_size 'many'"),
    ],
)
def test_what_cannot_be_counted(config: dict[str, Any], said: str) -> None:
    with pytest.raises(BadModel, match=said):
        count(config, task=Output.SPAN, labels=2, length=8)
