"""Models side by side: how long each takes for one text, here and now."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from alambique.runtime.latency import Latency, measure_in_turns
from alambique.runtime.model import Model
from alambique.runtime.windows import Inputs


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
