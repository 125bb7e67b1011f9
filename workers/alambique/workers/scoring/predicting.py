"""Answering with the files of a version, by the network itself."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alambique.models.networks import Network, load
from alambique.models.sources import check_folder
from alambique.runtime.windows import Encoder, Inputs
from alambique.spec.errors import BadModel
from alambique.tasks.all import find
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.kinds.kind import AnsweringModel, Query

ABOUT = "alambique.json"
"""What a version's folder says of itself beyond what `transformers` reads."""


def predict(
    folder: Path,
    *,
    question: str | None = None,
    context: str | None = None,
    texts: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what the model in `folder` says of a question and its context, or of texts.

    Returns:
        The answer; or the words of the text with their tags; or its class.

    Raises:
        BadModel: the folder is not that of a version.
        BadSpec: the model's task needs other input, or it has no head.
    """
    about = _about(folder)
    task = find(about["task"])
    check_folder(folder)
    labels = tuple(about["labels"])
    model = AnsweringModel(
        forward=partial(_logits, load(folder, task.output, labels).eval()),
        encoder=Encoder.from_folder(folder, max_length=about["max_length"], stride=about["stride"]),
        labels=labels,
        inputs=task.inputs,
        settings=about.get("settings", {}),
    )
    return kind_of(task.output).answer(Query(question, context, texts), model)


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
    logits_BNC: NDArray[np.float32] = logits.numpy()
    return logits_BNC
