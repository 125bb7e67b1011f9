"""Which layers of a teacher a student learns from: chosen before a training, told after it.

Shapes: T tokens, D width of a network, S and L layers of student and teacher.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alambique.distill.layer_selection import LayerSelection
from alambique.distill.mapping import pairs
from alambique.distill.similarity import best_map, cka_table
from alambique.models.activation_hooks import ActivationHooks
from alambique.models.configs import depth, read_config
from alambique.models.networks import load
from alambique.registry.job_result import LayerMap
from alambique.runtime.windows import Encoder
from alambique.spec.objective import Attention, Hidden, counts
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.workers.files import write_text
from alambique.workers.training.batches import inputs_of
from alambique.workers.training.engines import forward
from alambique.workers.training.logits import by_length
from alambique.workers.training.spec import TrainingSpec
from alambique.workers.training.target_windows import TargetWindow, make_windows

_EXAMPLES = 64
"""Of the training examples, those on which layers are compared before the training."""
_TOKENS = 2048
"""Of their tokens, the most that are looked at: a wide teacher keeps them all for each layer."""

_CHOSEN = "map.json"


def resolve_maps(course: TrainingSpec) -> TrainingSpec:
    """The course with the layer map that its terms leave to be chosen; chosen once, and kept."""
    if course.beside is None or not any(
        isinstance(t, Hidden | Attention) and t.mapping == "similar" for t in course.objective
    ):
        return course
    path = course.folder / _CHOSEN
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, similar(course).model_dump_json())
    return _with_map(course, LayerMap.model_validate_json(path.read_text()))


def maps_of(course: TrainingSpec) -> dict[str, LayerMap]:
    """The layer map of each term of a course that is over."""
    if course.beside is None:
        return {}
    path = course.folder / _CHOSEN
    chosen = LayerMap.model_validate_json(path.read_text()) if path.exists() else None
    depths = depth(read_config(course.start)), depth(read_config(course.beside))
    return {
        term.label: _told(term, course, depths, chosen)
        for term in course.objective
        if isinstance(term, Hidden | Attention) and counts(term)
    }


def similar(course: TrainingSpec) -> LayerMap:
    """The map between the layers that are most alike before the training, by linear CKA.

    On some of the training examples (Kornblith et al., 2019, §3).
    """
    rows = _sample(course)
    assert course.beside is not None  # a term compares layers
    table_SL = cka_table(_states(course, course.start, rows), _states(course, course.beside, rows))
    chosen = best_map(table_SL)
    return LayerMap(
        pairs=tuple(enumerate(chosen)),
        likeness=tuple(table_SL[ours, theirs].item() for ours, theirs in enumerate(chosen)),
    )


def _with_map(course: TrainingSpec, chosen: LayerMap) -> TrainingSpec:
    terms = tuple(
        term.model_copy(update={"mapping": chosen.pairs})
        if isinstance(term, Hidden | Attention) and term.mapping == "similar"
        else term
        for term in course.objective
    )
    return course.model_copy(update={"objective": terms})


def _told(
    term: Hidden | Attention, course: TrainingSpec, depths: tuple[int, int], chosen: LayerMap | None
) -> LayerMap:
    match term.mapping:
        case "learned":
            return LayerMap(weights=course.read_mixtures()[term.label])
        case "similar":
            assert chosen is not None  # before the training
            return chosen
        case named:
            return LayerMap(pairs=pairs(named, *depths))


def _sample(course: TrainingSpec) -> list[TargetWindow]:
    examples = read(course.training)
    chance = np.random.default_rng(course.train.seed)
    some = chance.permutation(len(examples))[:_EXAMPLES]
    encoder = Encoder.from_folder(
        course.start, max_length=course.train.max_length, stride=course.train.stride
    )
    return make_windows(find(course.task), [examples[i] for i in some], encoder, course.labels)


@torch.inference_mode()
def _states(course: TrainingSpec, folder: Path, rows: Sequence[TargetWindow]) -> list[Tensor]:
    """(T, D) after each layer of the network in `folder`, of the same tokens for all networks."""
    network = load(folder, find(course.task).output, course.labels)
    layers = range(depth(network.config))
    taps = ActivationHooks(network, LayerSelection(hidden=frozenset(layers)))
    found: list[list[Tensor]] = [[] for _ in layers]
    looked_at = _some_tokens([row.length for row in rows], course.train.seed)
    for batch in by_length([row.length for row in rows], torch.device("cpu")):
        inputs = inputs_of([rows[i] for i in batch], pad_id=0)
        forward(network, inputs)
        hidden = taps.take().hidden
        for b, row in enumerate(batch):
            for layer in layers:
                found[layer].append(hidden[layer][b, looked_at[row]])
    return [torch.cat(parts) for parts in found]


def _some_tokens(lengths: Sequence[int], seed: int) -> list[NDArray[np.int64]]:
    """The tokens of each window that are looked at: as many of all together as are kept."""
    chance = np.random.default_rng(seed)
    some = np.sort(chance.permutation(sum(lengths))[:_TOKENS])
    begins = np.cumsum([0, *lengths])
    return [
        some[(some >= begin) & (some < end)] - begin for begin, end in itertools.pairwise(begins)
    ]
