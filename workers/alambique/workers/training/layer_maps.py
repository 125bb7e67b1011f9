"""Layer maps between a student and its teacher: chosen before a training, reported after it.

Shapes: T tokens, D width of a network, S and L layers of student and teacher.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alambique.distill.cka import best_map, cka_table
from alambique.distill.mapping import layer_pairs
from alambique.distill.terms.comparison import LayerSelection
from alambique.distill.terms.table import awaits_map, comparison_of, with_chosen_map
from alambique.models.activation_hooks import ActivationHooks
from alambique.models.configs import depth, read_config
from alambique.models.networks import load
from alambique.registry.job_result import LayerMap
from alambique.runtime.windows import Encoder
from alambique.spec.objective import LayerMapping, intermediate_losses
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.workers.files import write_text
from alambique.workers.training.batches import InputTensors, forward
from alambique.workers.training.example_windows import ExampleWindow
from alambique.workers.training.inputs import make_windows
from alambique.workers.training.predictions import by_length
from alambique.workers.training.spec import TrainingSpec

_EXAMPLES = 64
"""How many training examples the layers are compared on before the training."""
_TOKENS = 2048
"""The most of their tokens that are compared: of each layer of a wide teacher all are kept."""

_CHOSEN = "map.json"
"""The file in the folder of a training with the map that was chosen for it."""


def resolve_maps(spec: TrainingSpec) -> TrainingSpec:
    """Return the training with a chosen layer map in each term that awaits one.

    The map is chosen once, and read from the training's folder from then on.
    """
    if spec.live_teacher is None or not any(map(awaits_map, spec.objective)):
        return spec
    path = spec.folder / _CHOSEN
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, most_similar_map(spec).model_dump_json())
    chosen = LayerMap.model_validate_json(path.read_text())
    assert chosen.pairs is not None  # a map by likeness lists its pairs
    terms = tuple(with_chosen_map(term, chosen.pairs) for term in spec.objective)
    return spec.model_copy(update={"objective": terms})


def maps_of(spec: TrainingSpec) -> dict[str, LayerMap]:
    """Return the layer map of each term of a finished training that has one, by its label."""
    if spec.live_teacher is None:
        return {}
    path = spec.folder / _CHOSEN
    chosen = LayerMap.model_validate_json(path.read_text()) if path.exists() else None
    depths = depth(read_config(spec.start)), depth(read_config(spec.live_teacher))
    mappings = {
        term.label: comparison_of(term).layer_map for term in intermediate_losses(spec.objective)
    }
    return {
        label: _layer_map(label, mapping, spec, depths, chosen)
        for label, mapping in mappings.items()
        if mapping is not None
    }


def most_similar_map(spec: TrainingSpec) -> LayerMap:
    """Return the map between the layers that are most alike before the training, by linear CKA.

    They are compared on some of the training examples (Kornblith et al., 2019, §3).
    """
    windows = _sample_windows(spec)
    assert spec.live_teacher is not None  # a term compares layers
    table_SL = cka_table(
        _states(spec, spec.start, windows), _states(spec, spec.live_teacher, windows)
    )
    chosen = best_map(table_SL)
    return LayerMap(
        pairs=tuple(enumerate(chosen)),
        likeness=tuple(table_SL[i, j].item() for i, j in enumerate(chosen)),
    )


def _layer_map(
    label: str,
    mapping: LayerMapping,
    spec: TrainingSpec,
    depths: tuple[int, int],
    chosen: LayerMap | None,
) -> LayerMap:
    match mapping:
        case "learned":
            return LayerMap(weights=spec.read_learned_maps()[label])
        case "similar":
            assert chosen is not None  # before the training
            return chosen
        case _:
            return LayerMap(pairs=layer_pairs(mapping, *depths))


def _sample_windows(spec: TrainingSpec) -> list[ExampleWindow]:
    examples = read(spec.training)
    generator = np.random.default_rng(spec.train.seed)
    sample = generator.permutation(len(examples))[:_EXAMPLES]
    encoder = Encoder.from_folder(
        spec.start, max_length=spec.train.max_length, stride=spec.train.stride
    )
    return make_windows(find(spec.task), [examples[i] for i in sample], encoder, spec.labels)


@torch.inference_mode()
def _states(spec: TrainingSpec, folder: Path, windows: Sequence[ExampleWindow]) -> list[Tensor]:
    """Return the states (T, D) after each layer of the network in `folder`.

    The tokens are the same for all networks.
    """
    network = load(folder, find(spec.task).output, spec.labels)
    layers = range(depth(network.config))
    hooks = ActivationHooks(network, LayerSelection(hidden=frozenset(layers)))
    states: list[list[Tensor]] = [[] for _ in layers]
    lengths = [window.length for window in windows]
    tokens = _sample_tokens(lengths, spec.train.seed)
    for batch in by_length(lengths, torch.device("cpu")):
        forward(network, InputTensors.of([windows[i].window for i in batch], pad_id=0))
        hidden = hooks.take().hidden
        for b, i in enumerate(batch):
            for layer in layers:
                states[layer].append(hidden[layer][b, tokens[i]])
    return [torch.cat(parts) for parts in states]


def _sample_tokens(lengths: Sequence[int], seed: int) -> list[NDArray[np.int64]]:
    """Return the positions in each window of the tokens to compare, `_TOKENS` of all at most."""
    generator = np.random.default_rng(seed)
    sample = np.sort(generator.permutation(sum(lengths))[:_TOKENS])
    begins = np.cumsum([0, *lengths])
    return [
        sample[(sample >= begin) & (sample < end)] - begin
        for begin, end in itertools.pairwise(begins)
    ]
