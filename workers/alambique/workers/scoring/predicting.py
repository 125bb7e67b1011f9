"""Predictions and latencies of versions' folders, by an engine, or by torch for networks of torch.

Torch is imported where it runs a network: whoever has the file of an engine need not have torch.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alambique.runtime.about import About, about_fields
from alambique.runtime.engines import Forward, has_engine_file, open_engine
from alambique.runtime.latency import Latency, measure_in_turns
from alambique.runtime.model import Model, Query
from alambique.runtime.windows import Encoder, Inputs
from alambique.tasks.all import find


def predict(
    folder: Path,
    *,
    question: str | None = None,
    context: str | None = None,
    texts: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what the model in `folder` says of a question and its context, or of texts.

    Returns:
        The answer; or the words of the text with their tags; or its class; or its score.

    Raises:
        BadModel: the folder is not that of a version.
        BadSpec: the model's task needs other input, or it has no head.
        MissingExtra: the engine of its file is not installed.
    """
    (said,) = open_model(folder).run([Query(question, context, texts)])
    return said


def open_model(folder: Path) -> Model:
    """Return the model of a version's folder, whatever its network's file.

    Raises:
        BadModel: a file is missing or damaged.
        MissingExtra: the engine of its file is not installed.
    """
    fields = about_fields(folder)
    if "task" in fields and not {"output", "inputs"} <= fields.keys():  # of alambique 0.1
        task = find(fields["task"])
        fields = {"output": task.output, "inputs": task.inputs} | fields
    about = About.of(fields, folder)
    encoder = Encoder.from_folder(folder, max_length=about.max_length, stride=about.stride)
    forward = open_engine(folder) if has_engine_file(folder) else _open_torch(folder, about)
    return Model(about, encoder, forward)


def _open_torch(folder: Path, about: About) -> Forward:
    """Return the network of a folder, run by torch."""
    import torch

    from alambique.models.networks import load
    from alambique.models.sources import check_folder

    check_folder(folder)
    network = load(folder, about.output, about.labels).eval()

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
        with torch.inference_mode():
            logits: torch.Tensor = network(*(torch.from_numpy(array) for array in arrays))
        logits_BNC: NDArray[np.float32] = logits.numpy()
        return logits_BNC

    return forward


def compare_latency(models: Sequence[Model], *, length: int) -> list[Latency]:
    """Return the times of each model for one text of random pieces, measured in turns.

    Args:
        models: of any formats and tasks.
        length: pieces of the text; fewer where one of the models reads no more.
    """
    shortest = min([length, *(model.about.max_length for model in models)])
    calls = [text_call(model, shortest) for model in models]
    return measure_in_turns(calls, clock=time.perf_counter)


def text_call(model: Model, length: int) -> Callable[[], object]:
    """Return a call that has a model answer one text of so many random pieces."""
    vocabulary = model.encoder.tokenizer.get_vocab_size()
    ids_BN = np.random.default_rng(0).integers(0, vocabulary, (1, length))
    inputs = Inputs(ids_BN, np.ones_like(ids_BN), np.zeros_like(ids_BN))
    return lambda: model.forward(inputs)
