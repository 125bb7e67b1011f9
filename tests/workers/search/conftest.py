"""Searches over the smallest job, as their trials and their coordinator take them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.workers.search.trial_runs import DEPTHS, SMALL

from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.search.trial_job import SearchJob


@pytest.fixture
def make_search(
    distil_context: Callable[..., JobContext],
    folder_of: Callable[..., Path],
    as_teacher: Callable[..., TrainedModel],
    tmp_path: Path,
) -> Callable[..., SearchJob]:
    """What the trials of a search over the smallest job share; its teacher is drawn."""

    def made(space: str = DEPTHS, more: str = "sampler: grid", *overrides: str) -> SearchJob:
        folder = tmp_path / "teacher"
        folder = folder if folder.exists() else folder_of(folder.name)
        teacher = as_teacher(folder, max_length=48, stride=16)
        search = f"search={{{space}, {more}}}"
        return SearchJob(distil_context(teacher, search, *SMALL, *overrides))

    return made


@pytest.fixture
def spoilt(folder_of: Callable[..., Path]) -> Callable[[SearchJob], SearchJob]:
    """The same search with a teacher that was made from weights that are no numbers."""

    def made(given: SearchJob) -> SearchJob:
        start = folder_of("spoilt", seed=2)
        weights = load_file(start / "model.safetensors")
        none = {name: torch.full_like(weight, torch.nan) for name, weight in weights.items()}
        save_file(none, start / "model.safetensors", metadata={"format": "pt"})
        (teacher,) = given.context.teachers
        spoilt_teacher = teacher.model_copy(update={"start": start})
        return SearchJob(replace(given.context, teachers=(spoilt_teacher,)))

    return made
