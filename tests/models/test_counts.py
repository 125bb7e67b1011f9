"""Parameters and MACs from a config equal those of the network that is built from it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
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
EUROBERT = SIZE | {
    "model_type": "eurobert",
    "num_key_value_heads": 1,
    **{"bos_token_id": 2, "eos_token_id": 3, "mask_token_id": 4},
}
ALBERT = SIZE | {"model_type": "albert", "embedding_size": 8}
ELECTRA = ALBERT | {"model_type": "electra"}
DISTILBERT = {
    "model_type": "distilbert",
    **{"vocab_size": 50, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24},
}
DEBERTA = SIZE | {"model_type": "deberta-v2"}
DISTANCES = {"relative_attention": True, "pos_att_type": "p2c|c2p"}
BUCKETS = DISTANCES | {"position_buckets": 6, "norm_rel_ebd": "layer_norm"}
CONFIGS = [
    BERT,
    with_layers(BERT, (0, 3)),
    BERT | {"type_vocab_size": 1},
    SIZE | {"model_type": "roberta"},
    SIZE | {"model_type": "xlm-roberta", "type_vocab_size": 1, "pad_token_id": 1},
    ALBERT,
    ALBERT | {"embedding_size": 16},
    ALBERT | {"num_hidden_groups": 2, "inner_group_num": 2},
    with_layers(ALBERT, (0, 1)),
    ELECTRA,
    ELECTRA | {"embedding_size": 16},
    DISTILBERT,
    DEBERTA,
    DEBERTA | {"embedding_size": 8, "type_vocab_size": 2},
    DEBERTA | DISTANCES,
    DEBERTA | DISTANCES | {"max_relative_positions": 9, "pos_att_type": ["c2p"]},
    DEBERTA | BUCKETS | {"conv_kernel_size": 3, "position_biased_input": False},
    DEBERTA | BUCKETS | {"conv_kernel_size": 5, "conv_groups": 4},
    DEBERTA | BUCKETS | {"share_att_key": True},
    DEBERTA | BUCKETS | {"share_att_key": True, "pos_att_type": ["p2c"]},
    DEBERTA | {"norm_rel_ebd": "layer_norm"},
    MODERNBERT,
    MODERNBERT | BIASES,
    MODERNBERT | {"classifier_pooling": "mean"},
    with_layers(MODERNBERT, (0, 1, 4)),
    with_layers(MODERNBERT, (2,)),
    EUROBERT,
    EUROBERT | {"num_key_value_heads": 2, "head_dim": 8},
    EUROBERT | {"num_key_value_heads": None, "attention_bias": True},
    EUROBERT | {"mlp_bias": True, "tie_word_embeddings": True},
    EUROBERT | {"classifier_pooling": "mean"},
    EUROBERT | {"classifier_pooling": "bos"},
    with_layers(EUROBERT, (0, 3)),
]


def built(config: dict[str, Any], task: Output, labels: int) -> PreTrainedModel:
    auto: Any = {
        Output.SPAN: AutoModelForQuestionAnswering,
        Output.TAGS: AutoModelForTokenClassification,
        Output.CLASSES: AutoModelForSequenceClassification,
        Output.SCORE: AutoModelForSequenceClassification,
        Output.STATES: AutoModel,
    }[task]
    if task is Output.SPAN and config["model_type"] == "eurobert":
        auto = AutoModelForTokenClassification  # it has no head of spans
    classes = {Output.SPAN: 2, Output.SCORE: 1}.get(task, labels)
    model: PreTrainedModel = auto.from_config(AutoConfig.for_model(**config, num_labels=classes))
    model.train(False)
    return model


def macs_of_each_output(module: nn.Module) -> int:
    """By thop's rule."""
    match module:
        case nn.Linear():
            return module.in_features
        case nn.Conv1d():
            return module.in_channels // module.groups * module.kernel_size[0]
        case _:
            return 4


def macs_by_hooks(model: PreTrainedModel) -> int:
    """What linear layers, convolutions and layer norms do in a real pass."""
    done = 0

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal done
        done += macs_of_each_output(module) * output.numel()

    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.LayerNorm):
            module.register_forward_hook(look)
    ids_BN = torch.ones(1, LENGTH, dtype=torch.int64)
    with torch.no_grad():
        model(input_ids=ids_BN, attention_mask=torch.ones_like(ids_BN))
    return done


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("task", Output)
def test_counts_equal_a_network_that_was_built(config: dict[str, Any], task: Output) -> None:
    model = built(config, task, labels=9)
    got = count(config, task=task, labels=9, length=LENGTH)
    assert got.parameters == sum(weight.numel() for weight in model.parameters())
    assert got.macs_linear == macs_by_hooks(model)


@pytest.mark.parametrize(
    "config",
    [
        BERT,
        SIZE | {"model_type": "roberta"},
        DISTILBERT,
        DEBERTA | BUCKETS,
        MODERNBERT | BIASES,
        EUROBERT,
    ],
)
def test_a_config_that_says_everything_counts_the_same(config: dict[str, Any]) -> None:
    whole = AutoConfig.for_model(**config).to_dict()
    for task in Output:
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
    shared = count(EUROBERT, task=Output.SPAN, labels=2, length=LENGTH)
    assert shared.macs_full - shared.macs_linear == 2 * 5 * 24 * 24 * 16


def products(model: PreTrainedModel) -> int:
    """What the products of queries, keys, values and attention take, as torch multiplies them."""
    done = 0
    real = torch.bmm

    def counted(one: Tensor, other: Tensor) -> Tensor:
        nonlocal done
        result = real(one, other)
        done += result.numel() * one.shape[-1]
        return result

    ids_BN = torch.ones(1, LENGTH, dtype=torch.int64)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(torch, "bmm", counted)
        model(input_ids=ids_BN, attention_mask=torch.ones_like(ids_BN))
    return done


@pytest.mark.parametrize("config", [one for one in CONFIGS if one["model_type"] == "deberta-v2"])
def test_queries_and_keys_meet_distances_too(config: dict[str, Any]) -> None:
    got = count(config, task=Output.TAGS, labels=3, length=LENGTH)
    assert got.macs_full - got.macs_linear == products(built(config, Output.TAGS, labels=3))


DEBERTA_V3_BASE: dict[str, Any] = {
    "model_type": "deberta-v2",
    "vocab_size": 128100,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 0,
    "position_buckets": 256,
    "relative_attention": True,
    "max_relative_positions": -1,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "pooler_hidden_size": 768,
}
DEBERTA_V2_XLARGE = DEBERTA_V3_BASE | {
    "hidden_size": 1536,
    "num_hidden_layers": 24,
    "num_attention_heads": 24,
    "attention_head_size": 64,
    "intermediate_size": 6144,
    "pooler_hidden_size": 1536,
    "conv_kernel_size": 3,
    "conv_act": "gelu",
}
MODERNBERT_BASE: dict[str, Any] = {
    "model_type": "modernbert",
    "vocab_size": 50368,
    "hidden_size": 768,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "intermediate_size": 1152,
    "local_attention": 128,
    "global_attn_every_n_layers": 3,
}

EUROBERT_610M: dict[str, Any] = {
    "model_type": "eurobert",
    "vocab_size": 128_256,
    "hidden_size": 1152,
    "num_hidden_layers": 26,
    "num_attention_heads": 18,
    "num_key_value_heads": 6,
    "intermediate_size": 4096,
    "max_position_embeddings": 8192,
    "rope_theta": 250_000,
}


@pytest.mark.parametrize(
    "config", [DEBERTA_V3_BASE, DEBERTA_V2_XLARGE, MODERNBERT_BASE, EUROBERT_610M]
)
@pytest.mark.parametrize("task", Output)
def test_parameters_of_published_sizes(config: dict[str, Any], task: Output) -> None:
    with torch.device("meta"):
        model = built(config, task, labels=3)
    got = count(config, task=task, labels=3, length=512)
    assert got.parameters == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2'"),
        ({}, "model_type None"),
        ({"model_type": "bert"}, "hidden_size None"),
        (BERT | {"vocab_size": "many"}, "vocab_size 'many'"),
        (
            EUROBERT | {"num_key_value_heads": 3},
            "num_key_value_heads 3: expected a divisor of the 2",
        ),
        (EUROBERT | {"head_dim": 16}, "head_dim 16: heads whose columns are not width / heads"),
    ],
)
def test_a_config_that_cannot_be_counted_is_refused(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadModel, match=sentence):
        count(config, task=Output.SPAN, labels=2, length=8)


MMBERT: dict[str, Any] = {
    "model_type": "modernbert",
    "vocab_size": 256_000,
    "hidden_size": 768,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "intermediate_size": 1152,
    "max_position_embeddings": 8192,
    "global_attn_every_n_layers": 3,
    "local_attention": 128,
    "pad_token_id": 0,
}
"""As the base model's page has it: 307 M parameters, 110 M of them outside the embeddings."""


def test_mmbert_is_counted() -> None:
    found = count(MMBERT, task=Output.STATES, labels=0, length=512).parameters
    with torch.device("meta"):
        model = built(MMBERT, Output.STATES, labels=2)
    assert found == sum(weight.numel() for weight in model.parameters())
    assert round(found / 1e6) == 307
    assert round((found - 256_000 * 768) / 1e6) == 110
