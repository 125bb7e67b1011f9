"""Safetensors files read without torch: names, shapes, whether all is finite, and hashes of models.

The format is an 8-byte length, a JSON header, and the tensors' bytes
(https://huggingface.co/docs/safetensors, "Format").
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from alambique.models.configs import Config, bounded_bytes, labels_of, read_config
from alambique.spec.errors import BadModel
from alambique.spec.excerpts import named

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""The files of a model folder that hold its tokenizer."""
_FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
_INTEGERS = frozenset({"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})
_BF16_EXPONENT = 0x7F80
_CHUNK = 1 << 24
_LARGEST = 1 << 24
"""Bytes of an index or a header: some hundred for each tensor, and large models have thousands."""

_NO_MATTER = frozenset(
    {
        "_name_or_path",
        "architectures",
        "dtype",
        "id2label",
        "label2id",
        "torch_dtype",
        "transformers_version",
    }
)
"""Fields of a config.json that change no output of a network in evaluation."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as it lies in a file."""

    name: str
    dtype: str
    """As safetensors writes it: F32, BF16, ….."""
    shape: tuple[int, ...]
    data: NDArray[np.uint8]
    """Its bytes, mapped and not yet read."""


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files of a model folder: one, or the shards that its index names.

    Raises:
        BadModel: there is none, or a shard of the index is missing.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return (single,)
    if not index.is_file():
        raise BadModel(_no_weights_message(folder))
    try:
        content = bounded_bytes(index, _LARGEST).decode()
        names = sorted(set(json.loads(content)["weight_map"].values()))
    except (KeyError, AttributeError, TypeError, RecursionError, ValueError) as error:
        raise BadModel(f"{index} is not an index of weights: {error}") from error
    shards = tuple(folder / Path(name).name for name in names)
    if lost := [shard.name for shard in shards if not shard.is_file()]:
        raise BadModel(f"{index} names {named(lost)}, not there: fetch the model again")
    return shards


def stored_tensors(folder: Path) -> Iterator[StoredTensor]:
    """Yield every tensor of a model folder, by name.

    Raises:
        BadModel: the folder has no safetensors, or one is damaged.
    """
    tensors = [tensor for path in weight_files(folder) for tensor in tensors_of(path)]
    yield from sorted(tensors, key=lambda tensor: tensor.name)


def tensors_of(path: Path) -> Iterator[StoredTensor]:
    """Yield the tensors of one safetensors file.

    Raises:
        BadModel: the file is cut short or otherwise damaged.
    """
    header, start = _header(path)
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        data = np.zeros(0, np.uint8)
        if last > first:
            data = np.memmap(path, np.uint8, "r", offset=start + first, shape=last - first)
        yield StoredTensor(name, entry["dtype"], tuple(entry["shape"]), data)


def check_finite(folder: Path) -> None:
    """Check that every weight of the folder is a finite number.

    Raises:
        BadModel: one is NaN or infinite, or of a type that is not read here.
    """
    for tensor in stored_tensors(folder):
        for start in range(0, len(tensor.data), _CHUNK):
            if not _is_finite(tensor.dtype, tensor.data[start : start + _CHUNK]):
                raise BadModel(
                    f"the weights {tensor.name!r} in {folder} are not all finite (NaN or infinity):"
                    " the training that made them diverged; take an earlier checkpoint"
                )


def weights_hash(folder: Path) -> str:
    """Return a hash of what the network computes: its tensors, and its config without mere names.

    It depends on names, types, shapes and bytes of the tensors, however they are sharded, and never
    on where the folder lies.

    Raises:
        BadModel: the folder's config or weights cannot be read.
    """
    return _hash(read_config(folder), stored_tensors(folder))


def model_hash(folder: Path) -> str:
    """Return a hash of all that decides what a model answers to a text, and under which names.

    It covers what `weights_hash` covers, the tokenizer, the class of the network, and the names of
    its classes in their order.

    Raises:
        BadModel: the folder's config or weights cannot be read.
    """
    config = read_config(folder)
    content_keys = [weights_hash(folder), config.get("architectures"), labels_of(config)]
    digest = hashlib.sha256(json.dumps(content_keys).encode())
    for name in TOKENIZER_FILES:
        path = folder / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _hash(config: Config, tensors: Iterator[StoredTensor]) -> str:
    digest = hashlib.sha256(b"alambique weights 1\n")
    matters = {name: value for name, value in config.items() if name not in _NO_MATTER}
    digest.update(json.dumps(matters, sort_keys=True).encode())
    for tensor in tensors:
        digest.update(f"\n{json.dumps([tensor.name, tensor.dtype, tensor.shape])}\n".encode())
        digest.update(tensor.data.data)
    return digest.hexdigest()


def _is_finite(dtype: str, data: NDArray[np.uint8]) -> bool:
    if dtype in _FLOATS:
        return bool(np.isfinite(data.view(_FLOATS[dtype])).all())
    if dtype == "BF16":
        # numpy has no bfloat16: infinity and NaN are the values whose exponent bits are all set
        return bool(((data.view(np.uint16) & _BF16_EXPONENT) != _BF16_EXPONENT).all())
    if dtype in _INTEGERS:
        return True
    raise BadModel(f"weights of type {dtype} are not supported: save the model as float32")


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the entry of each tensor in a file, and the byte where the first one starts."""
    try:
        with safe_open(path, framework="np"):  # checks lengths, offsets and shapes
            pass
    except (SafetensorError, OSError) as error:
        raise BadModel(
            f"{path} is no safetensors file, or a damaged one ({error}): fetch the model again"
        ) from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LARGEST:
            raise BadModel(
                f"{path} has a header of {length:,} bytes, at most {_LARGEST:,} are read"
            )
        header = json.loads(file.read(length))
    return {name: entry for name, entry in header.items() if name != "__metadata__"}, 8 + length


def _no_weights_message(folder: Path) -> str:
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    found = f", only {', '.join(pickled)}" if pickled else ""
    return (
        f"{folder} has no model.safetensors{found}. Weights of other kinds are not loaded, because "
        "they can run code; where you trust them, convert them once with transformers: "
        "AutoModel.from_pretrained(…).save_pretrained(…)"
    )
