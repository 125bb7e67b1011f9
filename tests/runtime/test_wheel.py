"""The release: a wheel made of the sdist, with `runtime` alone in an empty environment."""

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import alambique.runtime
from alambique.spec.outputs import Output

REPO = Path(__file__).parents[2]
VERSION = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["version"]
TEXT = "Ana Ruiz nació en Lugo."

PROGRAM = """
import sys
from importlib.util import find_spec
import alambique.runtime
unwanted = ("torch", "transformers", "sqlalchemy", "redis", "pyarrow", "sklearn", "scipy", "ray")
assert [name for name in unwanted if find_spec(name)] == []
model = alambique.runtime.load(sys.argv[1], threads=1)
print([(word.start, word.end, word.tag) for word in model.tag(sys.argv[2])])
"""


def run(*command: object) -> str:
    """What a command prints, which sees nothing of the checkout and its environment."""
    own = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([*map(str, command)], env=own, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


FILES = {
    "alambique/workers/publishing/templates/card_es.md",
    "alambique/workers/publishing/licence_texts/Apache-2.0.txt",
    "alambique/tasks/sample_data/questions/train.jsonl.gz",
}
"""Some that are no modules."""


def unpacked(wheel: Path) -> set[str]:
    """The names of the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment into which the wheel was installed, as a user installs it."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "build", "--outdir", folder, REPO)  # the wheel from the sdist
    (wheel,) = folder.glob("alambique-*.whl")
    assert [path.name for path in folder.glob("*.tar.gz")] == [f"alambique-{VERSION}.tar.gz"]
    assert unpacked(wheel) >= FILES
    run(sys.executable, "-m", "venv", folder / "venv")
    programs = folder / "venv" / "bin"
    constraints = REPO / "constraints.txt"
    run(programs / "pip", "install", "--quiet", "-c", constraints, f"{wheel}[runtime]")
    return programs


@pytest.mark.slow
def test_it_answers_without_torch(installed: Path, exported: Callable[[Output], Path]) -> None:
    folder = exported(Output.TAGS)
    words = alambique.runtime.load(folder, threads=1).tag(TEXT)
    printed = run(installed / "python", "-c", PROGRAM, folder, TEXT)
    assert printed == f"{[(word.start, word.end, word.tag) for word in words]}\n"


@pytest.mark.slow
def test_the_command_line_is_there_and_says_what_it_lacks(installed: Path, tmp_path: Path) -> None:
    assert "Usage" in run(installed / "alambique", "--help")
    command = [str(installed / "alambique"), "up"]
    own = {"ALAMBIQUE_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=own, cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: this command needs ")
    assert "pip install 'alambique[api,workers]'" in done.stderr


@pytest.mark.slow
def test_what_was_installed_fits_together(installed: Path) -> None:
    assert "No broken requirements" in run(installed / "pip", "check")
