"""Fields of a config.json: read, named, cut, resized."""

from pathlib import Path
from typing import Any

import pytest
from transformers import ModernBertConfig

from alambique.models.configs import labels_of, read_config, with_dropout, with_labels
from alambique.models.shapes import attention_kinds, from_scratch, resized, with_layers
from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.sources import Architecture

GLOBAL, LOCAL = "full_attention", "sliding_attention"
MODERNBERT = {"model_type": "modernbert", "num_hidden_layers": 7, "hidden_size": 64}
MODERNBERT |= {"num_attention_heads": 4, "intermediate_size": 96}
BERT = MODERNBERT | {"model_type": "bert"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"has no config\.json"),
        ("{", "cannot be read as JSON"),
        ("[]", "holds a list"),
        ("{}", "model_type None"),
        ('{"model_type": "gpt2"}', "'gpt2' is not supported: give a model of type bert, roberta"),
    ],
)
def test_a_config_that_cannot_be_used(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadModel, match=said):
        read_config(tmp_path)


def test_labels_are_read_in_the_order_of_their_ids() -> None:
    assert labels_of({"id2label": {"1": "B-PER", "0": "O"}}) == ("O", "B-PER")
    assert labels_of(with_labels(BERT, ("O", "B-PER"))) == ("O", "B-PER")


@pytest.mark.parametrize("names", [None, {}, {"0": "LABEL_0", "1": "LABEL_1"}])
def test_labels_that_nobody_named(names: dict[str, str] | None) -> None:
    assert labels_of({"id2label": names}) is None


@pytest.mark.parametrize("names", [{"0": "O", "2": "B-PER"}, {"one": "O"}])
def test_labels_with_gaps_are_an_error(names: dict[str, str]) -> None:
    with pytest.raises(BadModel, match="expected 0 to"):
        labels_of({"id2label": names})


def test_dropout_leaves_all_else_alone() -> None:
    config = {"hidden_dropout_prob": 0.1, "classifier_dropout": None, "hidden_size": 4}
    assert with_dropout(config, 0) == {
        "hidden_dropout_prob": 0,
        "classifier_dropout": 0,
        "hidden_size": 4,
    }


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
    again = resized(MODERNBERT, layers=8)
    assert again["layer_types"] == [GLOBAL, LOCAL, LOCAL] * 2 + [GLOBAL, GLOBAL]
    assert resized(BERT, layers=2, width=32, ffn=8)["hidden_size"] == 32


@pytest.mark.parametrize(("config", "width"), [(BERT, 30), (MODERNBERT, 36)])
def test_heads_that_do_not_share_the_width(config: dict[str, Any], width: int) -> None:
    with pytest.raises(BadSpec, match=r"width \d+ is not a multiple of \d \(4 heads\)"):
        resized(config, layers=2, width=width)


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_network_from_scratch_is_what_was_asked_for(family: str) -> None:
    asked = {"architecture": family, "layers": 2, "width": 32, "heads": 4, "ffn": 48}
    architecture = Architecture.model_validate(asked)
    config = from_scratch(architecture, vocabulary=77, pad=0, cls=2, sep=3, positions=128)
    assert config["model_type"] == family
    assert (config["vocab_size"], config["max_position_embeddings"]) == (77, 128)
    if family == "modernbert":
        assert set(attention_kinds(config)) == {GLOBAL}
    with pytest.raises(BadSpec, match="heads"):
        from_scratch(
            architecture.model_copy(update={"heads": 5}),
            vocabulary=77,
            pad=0,
            cls=2,
            sep=3,
            positions=128,
        )
