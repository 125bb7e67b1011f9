"""docs/architecture.md: each step of its walks is a function that the walk's files call."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
STEP = re.compile(r"^(\d+)\. `([\w/.]+\.py)`: `(\w+)` ", re.MULTILINE)
CALLED_THROUGH = {
    # a queue, a process, a base class of a library or a Protocol stands between
    "run_round": "Dispatcher",
    "_start_driver": "jobs.candidates",
    "drive": "PROGRAM",
    "run": "stage.run",
    "_records": "self._records",
}
"""Steps that are not called by their own name, and the words that stand for the call."""


def walks() -> dict[str, list[tuple[str, str]]]:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    found = {one.partition("\n")[0]: STEP.findall(one) for one in sections}
    return {title: [step[1:] for step in steps] for title, steps in found.items() if steps}


def functions(file: str) -> dict[str, str]:
    """The source of each function and method of a file, by its name; of two, both."""
    text = (ROOT / file).read_text()
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            source = ast.get_source_segment(text, node) or ""
            found[node.name] = found.get(node.name, "") + source
    return found


@pytest.mark.parametrize("title", walks())
def test_the_steps_of_a_walk_are_there_and_call_one_another(title: str) -> None:
    steps = walks()[title]
    numbers = [int(step[0]) for step in STEP.findall(TEXT)]
    assert numbers.count(1) == len(walks()) == 3
    for number, (file, name) in enumerate(steps):
        assert name in functions(file), f"{file} has no {name}"
        if number == 0:
            continue
        texts = [(ROOT / one).read_text() for one, _ in steps[: number + 1]]
        call = CALLED_THROUGH.get(name, f"{name}(")
        called = any(call in text.replace(f"def {name}(", "") for text in texts)
        assert called, f"no file up to {file} calls {name}"


def test_no_walk_is_longer_than_a_screen() -> None:
    assert all(len(steps) <= 30 for steps in walks().values())


def test_every_room_of_the_workers_is_named() -> None:
    rooms = {
        path.parent.name for path in (ROOT / "workers/alambique/workers").glob("*/__init__.py")
    }
    assert {name for name in rooms if f"| `{name}/` |" in TEXT} == rooms
