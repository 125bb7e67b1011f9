"""Networks with weights of 16 bits, as safetensors that plain transformers loads."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_WEIGHTS = "model.safetensors"


def write_low_precision(source: Path, folder: Path, dtype: torch.dtype) -> None:
    """Write a network's weights and config with its floating-point numbers in another precision.

    Args:
        source: the folder of the network, with one file of weights.
        folder: the one to write to.
        dtype: torch.bfloat16 or torch.float16.
    """
    weights = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(source / _WEIGHTS).items()
    }
    save_file(weights, folder / _WEIGHTS, metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    config.pop("torch_dtype", None)  # the field's older name, which would contradict the new one
    config["dtype"] = str(dtype).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
