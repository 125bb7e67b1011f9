"""Answering with the files of a version, by the network itself."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from alambique.models.networks import Network, load
from alambique.models.sources import check_folder
from alambique.runtime.answering import answer, classify, tag
from alambique.runtime.inputs import Inputs
from alambique.runtime.spans import Span, SpanSettings
from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadModel, BadSpec
from alambique.spec.outputs import Output
from alambique.tasks.all import find
from alambique.tasks.general import unanswered

ABOUT = "alambique.json"
"""What a version's folder says of itself beyond what `transformers` reads."""


def predict(
    folder: Path,
    *,
    question: str | None = None,
    context: str | None = None,
    texts: Sequence[str] = (),
) -> dict[str, Any]:
    """What the model in `folder` says of a question and its context, of a text, or of two.

    Returns:
        The answer; or the words of the text with their tags; or its class.

    Raises:
        BadModel: the folder is not that of a version.
        BadSpec: the model's task needs other input, or it has no head.
    """
    about = _about(folder)
    task = find(about["task"])
    if task.output is Output.STATES:
        unanswered()
    check_folder(folder)
    labels = tuple(about["labels"])
    encoder = Encoder.from_folder(folder, max_length=about["max_length"], stride=about["stride"])
    forward = partial(_logits, load(folder, task.output, labels).eval())
    match task.output:
        case Output.SPAN:
            if question is None or context is None:
                raise BadSpec("this model answers questions: give a question and a context")
            settings = SpanSettings(null_threshold=about["settings"].get("null_threshold"))
            return _answered(answer(question, context, encoder, forward, settings))
        case Output.TAGS:
            if len(texts) != 1:
                raise BadSpec("this model tags words: give one text")
            words = tag(texts[0], encoder, forward, labels)
            return {"words": [{"word": word, "tag": label} for word, label in words]}
        case Output.CLASSES:
            if len(texts) != len(task.inputs):
                inputs = " and ".join(task.inputs)
                raise BadSpec(f"this model reads {inputs}: give a text for each, in this order")
            scores = classify(texts, encoder, forward, labels)
            return {"label": next(iter(scores)), "scores": scores}
        case _:
            assert_never(task.output)


def _answered(found: Span) -> dict[str, Any]:
    return {
        "answer": found.text,
        "start": found.start,
        "end": found.end,
        "score": found.probability,
    }


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
