"""The task of a user's own that the documents show: added as they say, it carries a job."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs" / "tasks.md"
JOB = """
name: stars
task: stars
data: ./reviews
teacher:
  model: {architecture: modernbert, layers: 2, width: 32, heads: 2, ffn: 48, vocabulary: 200}
  train: {epochs: 6, learning_rate: 3.0e-3, batch_size: 16, max_length: 32, stride: 8}
  max_length: 32
  stride: 8
  gate: off
student: {layers: 1}
train: {epochs: 2, learning_rate: 3.0e-3, batch_size: 16, max_length: 32, stride: 8}
"""
WORDS = ("horrible", "malo", "regular", "bueno", "excelente")


def module() -> str:
    """The block of the page that begins with the task's docstring."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if block.startswith('"""Stars')]
    return str(found)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tasks of this project and one more, and reviews with stars."""
    folder = tmp_path_factory.mktemp("own")
    tasks = shutil.copytree(REPO / "tasks", folder / "tasks") / "alambique" / "tasks"
    (tasks / "stars.py").write_text(module())
    listed = (tasks / "all.py").read_text()
    listed = listed.replace("import (\n", "import (\n    stars,\n", 1)
    listed = listed.replace("] = (\n", "] = (\n    stars.TASK,\n", 1)
    (tasks / "all.py").write_text(listed)
    (folder / "reviews").mkdir()
    for n, split in enumerate(("train", "dev", "test")):
        rows = [f"El hotel {i} es {WORDS[i % 5]},{i % 5 + 1}" for i in range(n, 120, 1 + 2 * n)]
        text = "\n".join(["review,stars", *rows]) + "\n"
        (folder / "reviews" / f"{split}.csv").write_text(text)
    (folder / "job.yaml").write_text(JOB)
    return folder


def alambique(folder: Path, *arguments: str) -> str:
    """What the program prints in that folder, with its tasks in the place of ours."""
    done = subprocess.run(
        [sys.executable, "-m", "alambique.cli", *arguments],
        cwd=folder,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(
                [str(folder / "tasks"), os.environ.get("PYTHONPATH", "")]
            ),
            "ALAMBIQUE_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_fits_on_a_screen() -> None:
    assert len(module().splitlines()) <= 40


@pytest.mark.slow  # a whole job more, whose stages other tests carry out
def test_a_job_of_it_ends_with_its_own_metric(own: Path) -> None:
    told = alambique(own, "run", "job.yaml")
    assert "NEARNESS" in told
    scores, _ = [line for line in told.splitlines() if "student, distilled" in line]
    *_, nearness, _, _ = scores.split()  # before what is kept of the teacher's, and the ECE
    assert float(nearness) > 0
