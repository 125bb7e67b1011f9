"""The repository keeps its own rules: recipes, sizes of files, pins."""

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from alambique.api.planning import plan_of
from alambique.registry.database import Database
from alambique.spec import matrix, suite
from alambique.spec.job import Job
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.sources import Architecture, Local, Source, source_of
from alambique.spec.space import axes, trial_count
from alambique.tasks.catalogue import dataset

REPO = Path(__file__).parents[1]
ROOTS = ("platform", "tasks", "workers", "api")
RECIPES = sorted((REPO / "recipes").glob("*.yaml"))
LONGEST = 400
"""Lines of a source file."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@cache
def jobs_of(recipe: Path) -> list[Job]:
    """The one job of a recipe, or those of a suite."""
    text = recipe.read_text()
    if "students" not in yaml.safe_load(text):
        return [read_job(text)]
    return [job for _, job in matrix.jobs_of(suite.read_suite(text))]


def sources_of(recipe: Path) -> list[Source]:
    return [source_of(model) for job in jobs_of(recipe) for _, model in job.models()]


def models_at_hand(recipe: Path) -> bool:
    """Whether the recipe names no model outside of this package."""
    return all(
        isinstance(source, Architecture) or source == Local("sample-encoder")
        for source in sources_of(recipe)
    )


def models_in_folders(recipe: Path) -> bool:
    """Whether all its models can be in a folder of models, and not all are in this package."""
    local = all(isinstance(source, Architecture | Local) for source in sources_of(recipe))
    return local and not models_at_hand(recipe)


def test_there_are_recipes() -> None:
    assert {"demo.yaml", "pico.yaml", "pico-suite.yaml"} <= {recipe.name for recipe in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_can_be_read_and_names_no_path(recipe: Path) -> None:
    for job in jobs_of(recipe):
        assert list(job.paths()) == []
        assert dataset(job.data.name).task == job.task


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_stops_no_trials_where_they_are_few(recipe: Path) -> None:
    """As docs/search.md has it: with fewer than eight, `none` is the better choice."""
    for job in jobs_of(recipe):
        if job.search and trial_count(job.search, axes(job)) < 8:
            assert job.search.scheduler == "none"


@pytest.mark.parametrize("recipe", [r for r in RECIPES if models_at_hand(r)], ids=lambda r: r.stem)
def test_a_recipe_can_be_planned(recipe: Path, settings: Settings) -> None:
    for job in jobs_of(recipe):
        check_plan(job, settings)


@pytest.mark.parametrize(
    "recipe",
    [
        # the others read much data, a suite that of each of its jobs
        pytest.param(recipe, marks=[] if jobs_of(recipe)[0].search else [pytest.mark.slow])
        for recipe in RECIPES
        if models_in_folders(recipe)
    ],
    ids=lambda recipe: recipe.stem,
)
def test_a_recipe_of_real_data_can_be_planned(
    recipe: Path, settings: Settings, shared: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(shared / "models", models)
    # a body that benchmarks/spanish_minilm.py makes in an hour: to be planned, any will do
    shutil.copytree(models / "mini-es", models / "minilm-es")
    folders = {"models": models, "data": shared / "data"}
    for job in jobs_of(recipe):
        check_plan(job, settings.model_copy(update=folders))


def check_plan(job: Job, settings: Settings) -> None:
    found = plan_of(job, settings, Database(settings.database))
    assert 0 < found.student.parameters <= found.teacher.parameters
    assert 0 < found.student.macs.full <= found.teacher.macs.full
    assert found.cache.bytes is None or (found.cache.bytes > 0) is job.needs_outputs


def test_source_files_are_short() -> None:
    lines = {
        str(path.relative_to(REPO)): path.read_bytes().count(b"\n")
        for root in ROOTS
        for path in (REPO / root).rglob("*.py")
    }
    assert {path: count for path, count in lines.items() if count > LONGEST} == {}


def test_one_module_imports_datasets() -> None:
    importing = re.compile(r"^\s*(?:import|from) datasets\b", re.MULTILINE)
    files = [path for root in ROOTS for path in (REPO / root).rglob("*.py")]
    found = [path.name for path in files if importing.search(path.read_text("utf-8"))]
    assert found == ["hub_data_process.py"]


THEIRS = {"_exit", "_attn_implementation"}
"""Private names by which the standard library and transformers are to be had."""


def private_names(path: Path) -> Iterator[str]:
    """The private names of others that a test imports or reads."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ImportFrom(names=names):
                found = [alias.name for alias in names]
            case ast.Attribute(value=ast.Name("self" | "cls")):
                continue
            case ast.Attribute(attr=name):
                found = [name]
            case _:
                continue
        for name in found:
            if name.startswith("_") and not name.endswith("__") and name not in THEIRS:
                yield f"{path.relative_to(REPO)}:{node.lineno}: {name}"


def test_tests_use_no_private_names() -> None:
    assert [name for path in (REPO / "tests").rglob("*.py") for name in private_names(path)] == []


def test_torch_is_pinned_in_both_places() -> None:
    pinned = (REPO / "constraints.txt").read_text().splitlines()
    assert "torch==2.13.0" in pinned
    assert '"torch==2.13.0"' in (REPO / "pyproject.toml").read_text()


def test_constraints_are_exact_and_without_places() -> None:
    """A place, such as a file or an index, is of one machine."""
    lines = (REPO / "constraints.txt").read_text().splitlines()
    strange = [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.+!-]+", line)]
    assert strange == []


def test_the_licence_is_whole() -> None:
    text = (REPO / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
