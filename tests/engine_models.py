"""Small networks with random weights, as folders that the runtime reads."""

import json
from pathlib import Path

from alambique.models.networks import new, save
from alambique.models.sources import SAMPLES
from alambique.runtime.about import ABOUT
from alambique.runtime.engines import ONNX_FILE
from alambique.tasks.all import find
from alambique.workers.compression.formats import export_onnx

LABELS = {
    "question-answering": (),
    "named-entities": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
    "paraphrase": ("0", "1"),
}
"""Of the tasks that a small network can be made for."""


def make_engine_model(folder: Path, task: str, *, max_length: int = 48, seed: int = 1) -> Path:
    """Write a network of one layer with the files that a compressed version has."""
    tokenizer, output = SAMPLES["sample-encoder"], find(task).output
    config = json.loads((tokenizer / "config.json").read_text())
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2}
    layers = {"num_hidden_layers": 1, "layer_types": ["full_attention"], "initializer_range": 0.5}
    network = new(config | sizes | layers, output, LABELS[task], seed=seed)
    save(network, folder, tokenizer)
    export_onnx(network, folder / ONNX_FILE)
    (folder / "model.safetensors").unlink()
    about = {
        "task": task,
        "output": output,
        "inputs": find(task).inputs,
        "labels": LABELS[task],
        "max_length": max_length,
        "stride": max_length // 4,
        "settings": {},
    }
    (folder / ABOUT).write_text(json.dumps(about))
    return folder
