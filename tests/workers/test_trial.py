"""A trial of one process that DeepSpeed holds, as on a GPU: in a group of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alambique.spec.job import Student
from alambique.workers.training.spec import TrainingSpec, read_result
from alambique.workers.training.trial import TrialSpec

ALONE = """
import json, sys, torch
from alambique.workers.training.trial import TrialSpec, run_trial
torch.set_num_threads(1)
spec = TrialSpec.model_validate_json(open(sys.argv[1]).read())
for again in range(2):
    told = []
    run_trial(spec, told.append)
    print(*(report.epoch for report in told))
"""


@pytest.mark.slow
def test_a_finished_trial_is_reported_at_once_by_a_group_of_one(
    training_spec: Callable[..., TrainingSpec], folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    """What is over already is told at once, by a process that served another trial before."""
    own = training_spec(zero=1)
    own = own.model_copy(update={"start": own.folder / "start", "folder": own.folder / "run"})
    spec = TrialSpec(
        number=1,
        trainings=(own,),
        student=Student(layers=1),
        source_folder=folder_of(),
        resources=None,
    )
    path = tmp_path / "trial.json"
    path.write_text(spec.model_dump_json())
    output = subprocess.check_output([sys.executable, "-c", ALONE, str(path)], text=True)
    assert output.splitlines()[-2:] == ["1 2", "2"]
    outcome = read_result(own)
    assert outcome is not None
    assert (outcome.epochs, outcome.diverged) == (2, False)
