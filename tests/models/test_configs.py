"""Fields of a config.json: read and named."""

from pathlib import Path

import pytest

from alambique.models.configs import labels_of, read_config, with_dropout, with_labels
from alambique.spec.errors import BadModel

BERT = {"model_type": "bert", "num_hidden_layers": 7}


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
