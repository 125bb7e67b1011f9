"""docs/architecture.md: each step of its walks is a function that the walk's files call."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
STEP = re.compile(r"^(\d+)\. `([\w/.]+\.py)`: `([\w.]+)` ", re.MULTILINE)
CALLED_THROUGH = {
    "worker": '"worker"',  # the command of a process
    "drive": '"drive"',
    "Filler._compute_records": "self._compute_records",  # passed as an argument
    "Publisher.run": "publisher.run",
    "card_files": "self.documents",
    "signature_file": "self.documents",
}
"""Steps that no file of the walk calls by their own name, and the text that starts them."""


def walks() -> dict[str, list[tuple[str, str]]]:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    found = {one.partition("\n")[0]: STEP.findall(one) for one in sections}
    return {title: [step[1:] for step in steps] for title, steps in found.items() if steps}


def parsed(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text())


def functions(file: str) -> set[str]:
    """The names of functions, and of methods with their classes."""
    found = set()
    for node in parsed(file).body:
        match node:
            case ast.FunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name, body=body):
                methods = [one.name for one in body if isinstance(one, ast.FunctionDef)]
                found |= {f"{name}.{method}" for method in methods}
    return found


def calls(file: str) -> Iterator[str]:
    """The names of what a file calls, of methods without what is before the dot."""
    for node in ast.walk(parsed(file)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name


@pytest.mark.parametrize("title", walks())
def test_the_steps_of_a_walk_are_there_and_call_one_another(title: str) -> None:
    steps = walks()[title]
    numbers = [int(step[0]) for step in STEP.findall(TEXT)]
    assert numbers.count(1) == len(walks()) == 4
    called: set[str] = set()
    for number, (file, name) in enumerate(steps):
        assert name in functions(file), f"{file} has no {name}"
        called |= set(calls(file))
        if number == 0:
            continue
        if text := CALLED_THROUGH.get(name):
            files = {one for one, _ in steps[: number + 1]}
            assert any(text in (ROOT / one).read_text() for one in files), f"no {text} up to {file}"
        else:
            assert name.rpartition(".")[2] in called, f"no file up to {file} calls {name}"


def test_no_walk_is_longer_than_a_screen() -> None:
    assert all(len(steps) <= 30 for steps in walks().values())


def test_every_package_of_the_workers_is_named() -> None:
    packages = {
        path.parent.name for path in (ROOT / "workers/alambique/workers").glob("*/__init__.py")
    }
    assert {name for name in packages if f"| `{name}/` |" in TEXT} == packages
