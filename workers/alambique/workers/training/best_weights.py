"""The best weights of a run, and what was learnt beside them, as files for who comes after it."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from alambique.models.distillation_model import bridge_weights, mixed, student_weights
from alambique.models.networks import Network, write
from alambique.spec.errors import BadModel
from alambique.workers.files import replace_folder, write_text
from alambique.workers.training.spec import TrainingSpec


def bridges_in(path: Path) -> dict[str, Tensor]:
    """What a course has trained beside its student.

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
        state: of the learner, gathered on one process.
        like: its student.
    """
    if mixtures := mixed(state):
        write_text(course.mixtures, json.dumps(mixtures))
    if course.beside is not None:  # also where nothing is trained beside it: who reads it is sure
        unfinished = course.bridges.with_suffix(".new")
        save_file(bridge_weights(state), unfinished)
        unfinished.replace(course.bridges)
    weights = student_weights(state)
    replace_folder(
        course.best, lambda into: write(weights, like=like, folder=into, tokenizer=course.start)
    )
