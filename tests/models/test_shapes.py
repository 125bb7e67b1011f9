"""Configs of students: cut, resized, narrowed; and of networks from scratch."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import ModernBertConfig

from alambique.models.configs import Config, longest_text, sizes_of
from alambique.models.counts import count
from alambique.models.families import FAMILIES, family_of
from alambique.models.networks import new
from alambique.models.shapes import (
    attention_kinds,
    from_scratch,
    narrowed_config,
    resized_config,
    student_config,
    with_layers,
)
from alambique.spec.errors import BadSpec
from alambique.spec.job import Student
from alambique.spec.outputs import Output
from alambique.spec.sources import Architecture

Tiny = Callable[[str], Config]
GLOBAL, LOCAL = "full_attention", "sliding_attention"
MODERNBERT = {"model_type": "modernbert", "num_hidden_layers": 7, "hidden_size": 64}
MODERNBERT |= {"num_attention_heads": 4, "intermediate_size": 96}
BERT = MODERNBERT | {"model_type": "bert"}


@pytest.mark.parametrize("every", [1, 2, 3])
def test_kinds_of_attention_are_those_of_transformers(every: int) -> None:
    config: dict[str, Any] = MODERNBERT | {"global_attn_every_n_layers": every}
    kinds = ModernBertConfig(**config).layer_types
    assert list(attention_kinds(config)) == kinds
    assert list(attention_kinds(config | {"layer_types": kinds})) == kinds


def test_kinds_of_attention_where_nothing_is_said() -> None:
    built = ModernBertConfig(num_hidden_layers=7)
    assert list(attention_kinds(MODERNBERT)) == built.layer_types


@pytest.mark.parametrize(
    ("kept", "kinds", "every"),
    [
        ((0, 3, 6), [GLOBAL, GLOBAL, GLOBAL], 1),
        ((0, 1, 2, 3), [GLOBAL, LOCAL, LOCAL, GLOBAL], 3),
        ((0, 2), [GLOBAL, LOCAL], 2),
        ((1, 3), [LOCAL, GLOBAL], None),
        ((0, 1, 3, 6), [GLOBAL, LOCAL, GLOBAL, GLOBAL], None),
    ],
)
def test_cut_layers_keep_their_kind(kept: tuple[int, ...], kinds: list[str], every: Any) -> None:
    cut = with_layers(MODERNBERT, kept)
    assert cut["layer_types"] == kinds
    assert cut["global_attn_every_n_layers"] == every
    assert cut["num_hidden_layers"] == len(kept)
    assert MODERNBERT["num_hidden_layers"] == 7


def test_a_bert_is_cut_by_its_number_of_layers() -> None:
    assert with_layers(BERT, (0, 6)) == BERT | {"num_hidden_layers": 2}
    with pytest.raises(BadSpec, match=r"layers \[0, 7\] cannot be cut from a model of 7"):
        with_layers(BERT, (0, 7))


def test_a_resized_network_repeats_the_kinds_of_attention() -> None:
    again = resized_config(MODERNBERT, layers=8)
    assert again["layer_types"] == [GLOBAL, LOCAL, LOCAL] * 2 + [GLOBAL, GLOBAL]
    assert resized_config(BERT, layers=2, width=32, ffn=8)["hidden_size"] == 32


@pytest.mark.parametrize(("config", "width"), [(BERT, 30), (MODERNBERT, 36)])
def test_heads_that_do_not_divide_the_width_are_refused(config: dict[str, Any], width: int) -> None:
    with pytest.raises(BadSpec, match=r"width \d+ is not a multiple of \d \(4 heads\)"):
        resized_config(config, layers=2, width=width)


def counted(config: Config) -> int:
    return count(config, task=Output.TAGS, labels=2, length=128).parameters


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_from_scratch_is_what_was_asked_for(family: str) -> None:
    asked = {"architecture": family, "layers": 2, "width": 32, "heads": 4, "ffn": 48}
    architecture = Architecture.model_validate(asked)
    config = from_scratch(architecture, vocabulary=77, pad=0, cls=2, sep=3, mask=4, positions=128)
    assert config["model_type"] == family
    assert (config["vocab_size"], longest_text(config) or 128) == (77, 128)
    found = sizes_of(config)
    assert (found.layers, found.width, found.heads, found.ffn) == (2, 32, 4, 48)
    network = new(config, Output.TAGS, ("O", "B-PER"), seed=1)
    assert sum(one.numel() for one in network.parameters()) == counted(config)
    ids_BN = torch.randint(5, 77, (2, 128), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits_BNC = network(ids_BN, torch.ones_like(ids_BN), (ids_BN > 40).long())
    assert logits_BNC.shape == (2, 128, 2)
    assert logits_BNC.isfinite().all()
    if family == "modernbert":
        assert set(attention_kinds(config)) == {GLOBAL}
    with pytest.raises(BadSpec, match=r"width 32 .*\(5 heads\)"):
        from_scratch(
            architecture.model_copy(update={"heads": 5}),
            vocabulary=77,
            pad=0,
            cls=2,
            sep=3,
            mask=4,
            positions=128,
        )


def test_every_family_is_cut_and_resized_by_our_words(config: Config) -> None:
    fields = family_of(config).fields
    assert with_layers(config, (0, 2))[fields["layers"]] == 2
    new = sizes_of(resized_config(config, layers=6, width=24, heads=4, ffn=8))
    assert (new.layers, new.width, new.heads, new.ffn) == (6, 24, 4, 8)
    assert sizes_of(resized_config(config, layers=4)) == sizes_of(config)


@pytest.mark.parametrize("family", ["albert", "electra"])
def test_embeddings_of_their_own_width(tiny: Tiny, family: str) -> None:
    config = tiny(family)
    assert resized_config(config, layers=4, width=24)["embedding_size"] == 8
    assert resized_config(config, layers=4, embedding=4)["embedding_size"] == 4


@pytest.mark.parametrize(
    "family", ["bert", "roberta", "distilbert", "deberta-v2", "modernbert", "eurobert"]
)
def test_embeddings_as_wide_as_the_layers_cannot_be_narrowed(tiny: Tiny, family: str) -> None:
    with pytest.raises(BadSpec, match=rf"embedding 8: the embeddings of a {family} .* leave"):
        resized_config(tiny(family), layers=4, embedding=8)


@pytest.mark.parametrize("family", ["electra", "deberta-v2"])
def test_embeddings_that_were_as_wide_as_the_layers_stay_so(tiny: Tiny, family: str) -> None:
    again = resized_config({**tiny(family), "embedding_size": 16}, layers=4, width=24)
    assert again["embedding_size"] == 24


def test_what_a_deberta_says_twice_is_changed_twice(tiny: Tiny) -> None:
    config = {**tiny("deberta-v2"), "pooler_hidden_size": 16, "attention_head_size": 8}
    again = resized_config(config, layers=4, width=32, heads=2)
    assert (again["pooler_hidden_size"], again["attention_head_size"]) == (32, 16)


def test_an_albert_whose_layers_take_turns_is_refused(tiny: Tiny) -> None:
    config = {**tiny("albert"), "num_hidden_groups": 2}
    with pytest.raises(BadSpec, match="this albert has 2 layers that take turns"):
        with_layers(config, (0,))
    with pytest.raises(BadSpec, match="num_hidden_groups"):
        resized_config(config, layers=2)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"width": 24}, "width 24 cannot be sliced from a model of width 16: give at most that"),
        ({"heads": 4}, "heads 4 cannot be sliced from a model of heads 2"),
        ({"ffn": 25}, "ffn 25 cannot be sliced"),
        ({"heads": 1}, "make heads of 16 columns, which cannot be sliced from heads of 8"),
        ({"width": 9}, r"width 9 .* 2 \(2 heads\)"),
    ],
)
def test_sizes_that_cannot_be_sliced_are_refused(
    tiny: Tiny, asked: dict[str, int], sentence: str
) -> None:
    with pytest.raises(BadSpec, match=sentence):
        narrowed_config(tiny("bert"), **asked)


def test_slicing_neither_makes_nor_drops_a_projection(tiny: Tiny) -> None:
    electra = tiny("electra")
    for config, asked in (
        (electra, {"width": 8}),
        ({**electra, "embedding_size": 16}, {"width": 8, "embedding": 4}),
    ):
        with pytest.raises(BadSpec, match="cannot be sliced from the electra's 16 and"):
            narrowed_config(config, **asked)
    assert narrowed_config(tiny("albert"), width=8)["embedding_size"] == 8


def test_a_convolution_of_groups_is_not_sliced(tiny: Tiny) -> None:
    config = {**tiny("deberta-v2"), "conv_groups": 2}
    assert narrowed_config(config, ffn=12)["intermediate_size"] == 12
    with pytest.raises(BadSpec, match="has 2 groups, which do not slice"):
        narrowed_config(config, width=8)


@pytest.mark.parametrize(
    ("heads", "keys"), [(12, (4, 12)), (9, (3, 9)), (3, (1, 3)), (2, (1, 2)), (1, (1, 1))]
)
def test_as_many_heads_share_keys_as_before(tiny: Tiny, heads: int, keys: tuple[int, int]) -> None:
    """Of a EuroBERT of 12 heads that share 4 of keys, and of one where each has its own."""
    base: dict[str, Any] = {**tiny("eurobert"), "hidden_size": 144, "num_attention_heads": 12}
    for was, now in zip((4, 12), keys, strict=True):
        config = base | {"num_key_value_heads": was, "head_dim": 12}
        new = resized_config(config, layers=4, width=12 * heads, heads=heads)
        assert (sizes_of(new).key_heads, new["head_dim"]) == (now, 12)
    with pytest.raises(BadSpec, match="read by 3 heads of queries: give a multiple of 3, such as"):
        resized_config(base | {"num_key_value_heads": 4}, layers=4, width=80, heads=8)


@pytest.mark.parametrize("start", ["teacher", "random"])
def test_a_student_has_the_sizes_that_its_job_gives(config: Config, start: str) -> None:
    keep: Any = "last" if start == "teacher" else "uniform"
    said = Student(start=start, layers=2, keep=keep, width=12, ffn=6)
    found = sizes_of(student_config(said, config))
    assert (found.layers, found.width, found.heads, found.ffn) == (2, 12, 2, 6)


def test_a_random_student_may_be_larger_than_its_teacher(tiny: Tiny) -> None:
    said = Student(start="random", layers=9, width=32)
    assert sizes_of(student_config(said, tiny("roberta"))).width == 32
    with pytest.raises(BadSpec, match=r"9 layers .* 4\b"):
        student_config(said.model_copy(update={"start": "teacher"}), tiny("roberta"))


def test_a_modernbert_is_cut_before_it_is_narrowed(tiny: Tiny) -> None:
    said = Student(layers=2, keep=(1, 3), width=8)
    assert attention_kinds(student_config(said, tiny("modernbert"))) == (LOCAL, GLOBAL)
