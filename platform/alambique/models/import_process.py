"""The process that reads pickled weights and older tokenizers; `importing` alone starts it.

`python -P -m alambique.models.import_process` reads an `ImportRequest` from its input, enters a
`sandbox`, and writes safetensors, tokenizer.json, and an `ImportReport` beside them.
"""

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alambique.models.import_messages import DISK_FULL, REPORT, ImportReport, ImportRequest
from alambique.models.sandbox import enter_sandbox
from alambique.spec.errors import BadModel
from alambique.spec.excerpts import excerpt, named

if TYPE_CHECKING:
    from torch import Tensor

_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
"""How torch names what a pickle asks for and does not get."""
_KINDS = frozenset(
    {
        *("float64", "float32", "float16", "bfloat16", "bool"),
        *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
    }
)
"""Types that `weights.check_finite` knows."""
_FULL = os.strerror(errno.ENOSPC)
_OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}
"""What TensorFlow calls the parameters of a layer norm, and what torch does."""
_NO_WEIGHT = "position_ids"
"""A buffer of numbers from 0 on, which older versions of transformers wrote among the weights."""


def main() -> None:
    """Run the request that the input holds, and write the report.

    A refusal is reported too, and is no failure of the process.
    """
    request = ImportRequest(**json.load(sys.stdin))
    isolation = enter_sandbox(
        memory=request.memory,
        seconds=request.seconds,
        file=request.largest_file,
        reads=_inputs(request),
        writes=Path(request.out),
    )
    os.chdir(request.out)
    try:
        try:
            report = import_files(request, isolation)
        except BadModel as error:
            if _is_disk_full(error):
                raise
            report = ImportReport(isolation=isolation, refused=str(error))
        Path(REPORT).write_text(json.dumps(asdict(report)))
    except Exception as error:
        if _is_disk_full(error):
            sys.exit(DISK_FULL)
        raise


def _inputs(request: ImportRequest) -> list[Path]:
    """Return the paths that are read; in the hub's cache the files of a folder are links."""
    folder = [Path(request.tokenizer)] if request.tokenizer else []
    return [
        *map(Path, request.weights),
        *folder,
        *(file for one in folder for file in one.iterdir()),
    ]


def _is_disk_full(error: BaseException | None) -> bool:
    """Return whether that is the cause: the libraries beneath tell it in words alone."""
    while error is not None:
        if getattr(error, "errno", None) == errno.ENOSPC or _FULL in str(error):
            return True
        error = error.__cause__
    return False


def import_files(request: ImportRequest, isolation: list[str]) -> ImportReport:
    """Write what is asked for, and return what it was made of.

    Raises:
        BadModel: a file holds something else than tensors, or cannot be read.
    """
    renamed: list[str] = []
    dropped: list[str] = []
    assumed: list[str] = []
    if request.weights:
        from safetensors.torch import save_file

        stored = _merge_shards(_tensors_of(Path(path)) for path in request.weights)
        weights = _clean_names(stored, renamed, dropped)
        _check_size(weights, request.largest_file)
        # tensors that share their memory, such as tied embeddings, are written twice: safetensors
        # has no way to say that two are one
        whole = {name: tensor.detach().contiguous().clone() for name, tensor in weights.items()}
        save_file(whole, Path(request.out) / "model.safetensors", metadata={"format": "pt"})
    if request.tokenizer:
        from alambique.models.conversion import convert_tokenizer

        assumed = convert_tokenizer(Path(request.tokenizer), request.model_type, Path(request.out))
    return ImportReport(isolation=isolation, renamed=renamed, dropped=dropped, assumed=assumed)


def _tensors_of(path: Path) -> dict[str, "Tensor"]:
    """Return the tensors of one pickle, by name."""
    import torch
    from torch import Tensor

    try:
        stored: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or hostile file leads to
        raise BadModel(_refusal_message(path, error)) from error
    if not isinstance(stored, Mapping):
        raise BadModel(f"{path.name} holds a {type(stored).__name__}: expected tensors by name")
    for name, value in stored.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise BadModel(
                f"{path.name} holds {excerpt(str(name), 100)!r}, a {type(value).__name__}: "
                "expected tensors by name and nothing else"
            )
        strided = value.layout is torch.strided and not value.is_nested
        if not strided or value.is_quantized or value.is_meta:
            raise BadModel(f"{path.name} holds {name!r}, which is no dense tensor: save it as one")
        kind = str(value.dtype).removeprefix("torch.")
        if kind not in _KINDS:
            raise BadModel(
                f"{path.name} holds {name!r} of type {kind}, which is not supported: save the "
                "model as float32"
            )
    return dict(stored)


def _refusal_message(path: Path, error: Exception) -> str:
    if match := _GLOBAL.search(str(error)):
        return (
            f"{path.name} asks for {match[1]}, and a file of weights needs tensors alone: it was "
            "not read, and may have been made to run code"
        )
    first_line = next(filter(None, str(error).splitlines()), "")
    return (
        f"{path.name} cannot be read as weights: {type(error).__name__} {excerpt(first_line, 300)}"
    )


def _merge_shards(parts: Iterable[dict[str, "Tensor"]]) -> dict[str, "Tensor"]:
    merged: dict[str, Tensor] = {}
    for part in parts:
        if twice := sorted(merged.keys() & part.keys()):
            raise BadModel(f"two shards hold {named(twice)}: fetch the model again")
        merged |= part
    return merged


def _clean_names(
    stored: Mapping[str, "Tensor"], renamed: list[str], dropped: list[str]
) -> dict[str, "Tensor"]:
    """Return the weights under today's names; what was changed is added to the two lists."""
    weights = {}
    for name, tensor in stored.items():
        if name.rpartition(".")[2] == _NO_WEIGHT:
            dropped.append(name)
            continue
        old = next((end for end in _OLD_NAMES if name.endswith(f"LayerNorm{end}")), None)
        today = name if old is None else name.removesuffix(old) + _OLD_NAMES[old]
        if old is not None:
            renamed.append(name)
        if today in weights:
            raise BadModel(f"the weights hold {today} twice, once as {name}: fetch the model again")
        weights[today] = tensor
    return weights


def _check_size(weights: Mapping[str, "Tensor"], most: int) -> None:
    """Check that tensors are as large as the file they come from: a view may claim any size."""
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    if claimed > most:
        raise BadModel(f"the weights claim {claimed:,} bytes, and at most {most:,} fit such files")


if __name__ == "__main__":
    main()
