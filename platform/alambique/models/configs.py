"""What a network is built from: the fields of its config.json, read and changed without torch."""

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alambique.models.families import family_of
from alambique.spec.errors import BadModel
from alambique.spec.excerpts import listed, short

Config = Mapping[str, Any]
"""The fields of a config.json, by the names that transformers gives them."""
LARGEST_CONFIG = 4 << 20
"""Bytes of a config.json: those of the families that are known have some thousand, and most of a
large one are the names of classes."""
_MOST_CLASSES = 10_000
"""Names of classes; the largest tag sets have some hundred."""
_HIGHEST = 10_000_000
"""No field that counts something, from layers to pieces of a vocabulary, says more."""
_DEEPEST = 1000
"""Layers, as many as a job may ask for."""
_CLASSES = ("num_labels", "id2label", "label2id")
"""Those of them that say which classes a head has."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a network is."""

    layers: int
    width: int
    heads: int
    ffn: int
    embedding: int
    """Columns of the embeddings; where they are not `width`, a linear layer makes them so."""
    key_heads: int
    """Heads of keys and values: as many as `heads`, or fewer, each shared by as many neighbours."""

    @property
    def head(self) -> int:
        """Columns of one head."""
        return self.width // self.heads

    @property
    def key_value_groups(self) -> int:
        """How many heads of queries read the same head of keys and values."""
        return self.heads // self.key_heads


def read_config(folder: Path) -> dict[str, Any]:
    """Return the fields of a model folder's config.json.

    Raises:
        BadModel: there is none, it is no JSON object, or its model type may not be loaded.
    """
    path = folder / "config.json"
    try:
        content = bounded_bytes(path, LARGEST_CONFIG)
    except FileNotFoundError as error:
        raise BadModel(f"{folder} has no config.json: it is not a model folder") from error
    try:
        config = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise BadModel(
            f"{path} holds a {type(config).__name__}, not an object of fields: "
            "fetch the model again"
        )
    try:
        family_of(config)
    except BadModel as error:
        raise BadModel(f"{path}: {error}") from error
    return _with_current_names(config)


def _with_current_names(config: dict[str, Any]) -> dict[str, Any]:
    """Return the fields under the names that transformers has for them now.

    The code in older EuroBERT repositories has `clf_pooling`, which transformers 5.23 ignores: it
    would pool as it does by default.
    """
    if config["model_type"] == "eurobert" and "clf_pooling" in config:
        return {"classifier_pooling": config.pop("clf_pooling")} | config
    return config


def bounded_bytes(path: Path, most: int) -> bytes:
    """Return the content of a file that came with a model.

    Raises:
        FileNotFoundError: it is not there.
        BadModel: it has more than `most` bytes, is no file, or cannot be read.
    """
    check_size(path, most)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise BadModel(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > most:  # it has grown meanwhile
        raise BadModel(f"{path} has more than the {most:,} bytes that are read")
    return content


def check_size(path: Path, most: int) -> None:
    """Check that a file that came with a model is not larger than any that makes sense.

    Raises:
        FileNotFoundError: it is not there.
        BadModel: it has more than `most` bytes, is no file, or cannot be reached.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadModel(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device may be without an end
        raise BadModel(f"{path} is no file: put the model's own in its place")
    if (size := status.st_size) > most:
        raise BadModel(
            f"{path} has {size:,} bytes, and at most {most:,} are read: no model that is known "
            "here needs as many"
        )


def labels_of(config: Config) -> tuple[str, ...] | None:
    """Return the names of the classes in order; None where nobody has named them (LABEL_0, …).

    Raises:
        BadModel: `id2label` does not name the classes 0, 1, ….
    """
    names: Any = config.get("id2label") or {}
    if not isinstance(names, dict):
        raise BadModel(f"id2label of the model is a {type(names).__name__}: expected an object")
    if len(names) > _MOST_CLASSES:
        raise BadModel(
            f"id2label of the model names {len(names):,} classes, and at most {_MOST_CLASSES:,} "
            "are read: give a model of fewer"
        )
    ids = {str(number): name for number, name in names.items()}
    labels: tuple[Any, ...] = tuple(ids.get(str(number)) for number in range(len(ids)))
    if None in labels:
        raise BadModel(
            f"id2label of the model has the ids {listed(sorted(ids))}: "
            f"expected 0 to {len(names) - 1}"
        )
    if no_texts := [label for label in labels if not isinstance(label, str)]:
        raise BadModel(f"id2label of the model has names that are no texts: {listed(no_texts)}")
    return None if labels == tuple(f"LABEL_{i}" for i in range(len(labels))) else labels


def with_labels(config: Config, labels: Sequence[str]) -> dict[str, Any]:
    """Return the config of the same network with these classes; it names none if there are none."""
    fields = {name: value for name, value in config.items() if name not in _CLASSES}
    if not labels:
        return fields
    return fields | {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def with_dropout(config: Config, dropout: float) -> dict[str, Any]:
    """Return the config with every probability of dropping something set to `dropout`."""
    return {name: dropout if "dropout" in name else value for name, value in config.items()}


def vocabulary_of(config: Config) -> int:
    """Return the size of the network's vocabulary.

    Raises:
        BadModel: the config does not say.
    """
    return number(config, "vocab_size")


def depth(config: Config) -> int:
    """Return how many layers the network has.

    Raises:
        BadModel: the config does not say.
    """
    return number(config, family_of(config).fields["layers"], most=_DEEPEST)


def sizes_of(config: Config) -> Sizes:
    """Return how large the network is.

    Raises:
        BadModel: the config does not say.
    """
    fields = family_of(config).fields
    width, heads = number(config, fields["width"]), number(config, fields["heads"])
    return Sizes(
        layers=depth(config),
        width=width,
        heads=heads,
        ffn=number(config, fields["ffn"]),
        embedding=_embedding(config, width),
        key_heads=_key_heads(config, width, heads),
    )


def _key_heads(config: Config, width: int, heads: int) -> int:
    if config["model_type"] != "eurobert":
        return heads
    if config.get("head_dim") not in (None, width // heads):
        raise BadModel(
            f"config.json says head_dim {short(config['head_dim'])}: heads whose columns are not "
            f"width / heads, here {width // heads}, are not supported"
        )
    if config.get("num_key_value_heads") is None:
        return heads
    key_heads = number(config, "num_key_value_heads")
    if heads % key_heads:
        raise BadModel(
            f"config.json says num_key_value_heads {key_heads}: expected a divisor of the {heads} "
            "heads"
        )
    return key_heads


def _embedding(config: Config, width: int) -> int:
    fields = family_of(config).fields
    if "embedding" in fields:
        return number(config, fields["embedding"], 128)
    if config["model_type"] == "deberta-v2":
        # its code looks for the field, though its config class does not have it
        return number(config, "embedding_size", width)
    return width


def longest_text(config: Config) -> int | None:
    """Return how many pieces a network has positions for; None if positions have no table.

    Raises:
        BadModel: the config does not say.
    """
    match config["model_type"]:
        case "modernbert" | "eurobert":
            return None
        case "deberta-v2" if not config.get("position_biased_input", True):
            return None  # distances beyond the farthest that it knows count as that one
        case "roberta" | "xlm-roberta":
            # the row of the padding id and all before it are never a position of a piece
            return number(config, "max_position_embeddings", 512) - _padding_id(config) - 1
        case _:
            return number(config, "max_position_embeddings", 512)


def _padding_id(config: Config) -> int:
    padding = config.get("pad_token_id", 1)
    if not isinstance(padding, int):
        raise BadModel(
            f"config.json says pad_token_id {short(padding)}: expected the id of the padding"
        )
    return padding


def number(config: Config, field: str, default: int | None = None, *, most: int = _HIGHEST) -> int:
    """Return the number in a field of a config that counts something.

    Raises:
        BadModel: nothing where there is no default, or no number from 1 to `most`.
    """
    value = config.get(field, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadModel(
            f"config.json says {field} {short(value)}: expected a number above 0, at most {most:,}"
        )
    return value
