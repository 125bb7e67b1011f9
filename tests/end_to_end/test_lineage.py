"""Lineage when the code changes between two jobs: a version names what trained it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KL = "(p_RC * (log_p_RC - log_q_RC)).sum(1)"
LOSSES = Path("platform/alambique/distill/losses.py")

pytestmark = pytest.mark.slow


def alambique(checkout: Path, home: Path, *arguments: str) -> str:
    roots = os.pathsep.join(str(root) for root in sorted(checkout.iterdir()))
    told = {"ALAMBIQUE_HOME": str(home), "PYTHONPATH": roots}
    command = [sys.executable, "-P", "-m", "alambique.cli", *arguments]
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stages(version: dict[str, Any]) -> dict[str, list[str]]:
    made_by = version["details"]["made_by"]
    return {stage: [one["code"] for one in makers] for stage, makers in made_by.items()}


def test_a_version_names_the_code_that_trained_it(checkout: Path, tmp_path: Path) -> None:
    recipe, home = str(ROOT / "recipes" / "pico.yaml"), tmp_path / "home"

    def version(number: int, where: Path = home, name: str = "pico") -> dict[str, Any]:
        shown = alambique(checkout, where, "models", "show", f"{name}@{number}", "--json")
        found: dict[str, Any] = json.loads(shown)
        return found

    alambique(checkout, home, "run", recipe)
    before = stages(version(1))
    (code,) = before["training"]
    stages_of_it = ("training", "outputs", "evaluation", "registration")
    assert before == {stage: [code] for stage in stages_of_it}
    losses = checkout / LOSSES
    text = losses.read_text()
    assert KL in text
    losses.write_text(text.replace(KL, f"{KL} * 10"))
    again = alambique(checkout, home, "run", recipe)
    assert "done before" in again
    found = version(2)
    after = stages(found)
    assert (after["training"], after["evaluation"]) == ([code], [code])
    assert after["registration"] != [code]
    (edge,) = (edge for edge in found["lineage"] if edge["relation"] == "code")
    assert edge["hashes"]["alambique"] == code
    told = alambique(checkout, home, "models", "show", "pico@2")
    assert "warning: its stages were done by different code" in " ".join(told.split())
    # other code, and outputs of before
    alambique(checkout, home, "run", recipe, "--set", "train.seed=7")
    found = version(3)
    after = stages(found)
    assert (after["training"] == after["registration"], after["outputs"]) == (True, [code])
    assert after["training"] != [code]
    (edge,) = (edge for edge in found["lineage"] if edge["relation"] == "code")
    assert [edge["hashes"][name] for name in ("alambique", "outputs")] == [*after["training"], code]
    # the teacher was tested then, and is timed beside the new student now
    of_teacher = stages(version(3, name="pico-teacher"))
    assert of_teacher["training"] == [code]
    assert of_teacher["evaluation"] == [code, *after["training"]]
    # the job that makes the first one again gives its weights, on the same machine
    (tmp_path / "again.yaml").write_text(alambique(checkout, home, "models", "reproduce", "pico@1"))
    losses.write_text(text)
    elsewhere = tmp_path / "elsewhere"
    alambique(checkout, elsewhere, "run", str(tmp_path / "again.yaml"))
    made_again = version(1, elsewhere)
    assert made_again["weights"] == version(1)["weights"]
    assert stages(made_again)["training"] == [code]
