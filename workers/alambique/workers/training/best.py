"""The best weights of a run, and what was learnt beside them, as files for who comes after it."""

import json
from collections.abc import Mapping

from safetensors.torch import save_file
from torch import Tensor

from alambique.models.learner import bridge_weights, mixed, student_weights
from alambique.models.networks import Network, write
from alambique.workers.files import put, replaced
from alambique.workers.training.course import Course


def write_best(course: Course, state: Mapping[str, Tensor], like: Network) -> None:
    """Writes the weights as a folder that `transformers` loads; whole or not at all.

    Args:
        course: says where.
        state: of the learner, gathered on one process.
        like: its student.
    """
    if mixtures := mixed(state):
        put(course.mixtures, json.dumps(mixtures))
    if bridges := bridge_weights(state):
        unfinished = course.bridges.with_suffix(".new")
        save_file(bridges, unfinished)
        unfinished.replace(course.bridges)
    weights = student_weights(state)
    replaced(
        course.best, lambda into: write(weights, like=like, folder=into, tokenizer=course.start)
    )
