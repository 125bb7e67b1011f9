"""The best weights of a run, and what was learnt beside them, as files for who comes after it."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from alambique.models.distillation_model import (
    learned_layer_maps,
    projection_head_weights,
    student_weights,
)
from alambique.models.networks import Network, write
from alambique.spec.errors import BadModel
from alambique.workers.files import replace_folder, write_text
from alambique.workers.training.spec import TrainingSpec


def read_projection_heads(path: Path) -> dict[str, Tensor]:
    """Return the projection heads and learned layer maps that a training has written.

    Raises:
        BadModel: the file is gone.
    """
    if not path.exists():
        raise BadModel(
            f"{path} is gone, with what was trained beside the student's weights in that folder: "
            "post the job with `fresh: true`, and it is trained again"
        )
    return load_file(path)


def write_best(course: TrainingSpec, state: Mapping[str, Tensor], like: Network) -> None:
    """Writes the weights as a folder that `transformers` loads; whole or not at all.

    Args:
        course: says where.
        state: of the distillation model, gathered on one process.
        like: its student.
    """
    if maps := learned_layer_maps(state):
        write_text(course.learned_maps, json.dumps(maps))
    if course.live_teacher is not None:  # written also without weights, so that it can be read
        unfinished = course.projection_heads.with_suffix(".new")
        save_file(projection_head_weights(state), unfinished)
        unfinished.replace(course.projection_heads)
    weights = student_weights(state)
    replace_folder(
        course.best, lambda into: write(weights, like=like, folder=into, tokenizer=course.start)
    )
