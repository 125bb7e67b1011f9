"""Fields of a config.json: read and named."""

import json
import os
from pathlib import Path

import pytest

from alambique.models.configs import (
    depth,
    labels_of,
    read_config,
    sizes_of,
    with_dropout,
    with_labels,
)
from alambique.spec.errors import BadModel

BERT = {"model_type": "bert", "num_hidden_layers": 7}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, r"has no config\.json"),
        ("{", "cannot be read as JSON"),
        ("[]", "holds a list"),
        ("{}", "model_type None"),
        ('{"model_type": "gpt2"}', "'gpt2' is not supported: give a model of type bert, roberta"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadModel, match=sentence):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("said", "pooling"),
    [
        ({}, None),
        ({"clf_pooling": "mean"}, "mean"),
        ({"clf_pooling": "late", "classifier_pooling": "bos"}, "bos"),
    ],
)
def test_the_pooling_is_read_by_its_older_name_too(
    tmp_path: Path, said: dict[str, str], pooling: str | None
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "eurobert"} | said))
    config = read_config(tmp_path)
    assert config.get("classifier_pooling") == pooling
    assert "clf_pooling" not in config


def test_labels_are_read_in_the_order_of_their_ids() -> None:
    assert labels_of({"id2label": {"1": "B-PER", "0": "O"}}) == ("O", "B-PER")
    assert labels_of(with_labels(BERT, ("O", "B-PER"))) == ("O", "B-PER")


@pytest.mark.parametrize("names", [None, {}, {"0": "LABEL_0", "1": "LABEL_1"}])
def test_labels_that_nobody_named_are_none(names: dict[str, str] | None) -> None:
    assert labels_of({"id2label": names}) is None


def test_a_config_of_millions_of_bytes_is_not_read(tmp_path: Path) -> None:
    field, rest = '{"model_type": "bert", "note": "', '"}'
    room = (4 << 20) - len(field + rest)
    (tmp_path / "config.json").write_text(f"{field}{'x' * room}{rest}")
    assert read_config(tmp_path)["model_type"] == "bert"
    (tmp_path / "config.json").write_text(f"{field}{'x' * (room + 1)}{rest}")
    with pytest.raises(
        BadModel, match=r"config\.json has 4,194,305 bytes, and at most 4,194,304 are read"
    ):
        read_config(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"model_type": "bert", "a": {"9" * 5000}}}'])
def test_a_config_that_python_cannot_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadModel, match=r"config\.json.* JSON"):
        read_config(tmp_path)


def test_labels_are_at_most_ten_thousand() -> None:
    names = {str(number): f"L{number}" for number in range(10_000)}
    assert labels_of({"id2label": names}) == tuple(names.values())
    with pytest.raises(BadModel, match="names 10,001 classes"):
        labels_of({"id2label": names | {"10000": "one more"}})


@pytest.mark.parametrize("name", [1, None, ["O"], {"O": 1}])
def test_labels_that_are_no_texts_are_refused(name: object) -> None:
    with pytest.raises(BadModel, match="id2label"):
        labels_of({"id2label": {"0": "O", "1": name}})


def test_an_error_about_many_labels_is_short() -> None:
    with pytest.raises(BadModel, match="id2label") as caught:
        labels_of({"id2label": {f"a{number}": "O" for number in range(10_000)}})
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("layers", [0, -1, True, "2", None, 10**7 + 1, 10**4000])
def test_a_count_that_no_model_has_is_refused(layers: object) -> None:
    with pytest.raises(BadModel, match="num_hidden_layers") as caught:
        depth({"model_type": "bert", "num_hidden_layers": layers})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("names", [{"0": "O", "2": "B-PER"}, {"one": "O"}, {"²": "O"}])
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


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "loop"])
def test_a_config_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "config.json"
    match kind:
        case "device":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
    with pytest.raises(BadModel, match=r"config\.json"):
        read_config(tmp_path)


def test_a_network_has_at_most_a_thousand_layers() -> None:
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    assert depth({"model_type": "bert", "num_hidden_layers": 1000} | sizes) == 1000
    for read in (depth, sizes_of):
        with pytest.raises(BadModel, match="num_hidden_layers"):
            read({"model_type": "bert", "num_hidden_layers": 1001} | sizes)
