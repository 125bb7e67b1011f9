"""Answering with the files of a version, by the network itself."""

import json
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from alambique.models.networks import Network, load
from alambique.models.sources import check_folder
from alambique.runtime.answering import answer, tag
from alambique.runtime.inputs import Inputs
from alambique.runtime.spans import SpanSettings
from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.outputs import Output
from alambique.tasks.all import find

ABOUT = "alambique.json"
"""What a version's folder says of itself beyond what `transformers` reads."""


def predict(
    folder: Path,
    *,
    question: str | None = None,
    context: str | None = None,
    text: str | None = None,
) -> dict[str, Any]:
    """What the model in `folder` says: an answer to a question, or the words of a text with tags.

    Raises:
        BadModel: the folder is not that of a version.
        BadSpec: the model's task needs other input.
    """
    about = _about(folder)
    task = find(about["task"])
    check_folder(folder)
    labels = tuple(about["labels"])
    encoder = Encoder.from_folder(folder, max_length=about["max_length"], stride=about["stride"])
    network = load(folder, task.output, labels).eval()
    match task.output:
        case Output.SPAN:
            if question is None or context is None:
                raise BadSpec("this model answers questions: give a question and a context")
            settings = SpanSettings(null_threshold=about["settings"].get("null_threshold"))
            found = answer(
                question, context, encoder, lambda inputs: _logits(network, inputs), settings
            )
            return {
                "answer": found.text,
                "start": found.start,
                "end": found.end,
                "score": found.probability,
            }
        case Output.TAGS:
            if text is None:
                raise BadSpec("this model tags words: give a text")
            words = tag(text, encoder, lambda inputs: _logits(network, inputs), labels)
            return {"words": [{"word": word, "tag": label} for word, label in words]}
        case _:
            assert_never(task.output)


def _about(folder: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError) as error:
        raise BadModel(f"{folder} has no readable {ABOUT}: download the version again") from error
    return about


def _logits(network: Network, inputs: Inputs) -> NDArray[np.float32]:
    arrays = (inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    with torch.inference_mode():
        logits: torch.Tensor = network(*(torch.from_numpy(array) for array in arrays))
    found: NDArray[np.float32] = logits.numpy()
    return found
