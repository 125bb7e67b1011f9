"""What the documents say is so: links, settings, fields with their defaults, examples."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from tests.documents import DOCS, PAGES, REPO, blocks

from alambique.models.families import FAMILIES
from alambique.spec.compression import Compression
from alambique.spec.data import Data, SplitShares
from alambique.spec.fields import Spec
from alambique.spec.job import Intermediate, Job, Student
from alambique.spec.matrix import jobs_of
from alambique.spec.objective import Attention, Gold, Hidden, Logits, Relations
from alambique.spec.publication import Publish
from alambique.spec.reading import read_job
from alambique.spec.schedules import Change
from alambique.spec.search import Range, Search
from alambique.spec.settings import Settings
from alambique.spec.sources import Architecture
from alambique.spec.suite import Suite, read_suite
from alambique.spec.teacher import Candidate, Grid, Teacher
from alambique.spec.train import Resources, Train
from alambique.tasks.all import ALL
from alambique.tasks.catalogue import DATASETS

RECORDS: tuple[type[Spec], ...] = (
    Job,
    Data,
    SplitShares,
    Teacher,
    Candidate,
    Grid,
    Student,
    Gold,
    Logits,
    Hidden,
    Attention,
    Relations,
    Change,
    Intermediate,
    Compression,
    Publish,
    Train,
    Resources,
    Architecture,
)
"""What the tables of docs/jobs.md describe, in their order."""


PAGES_OF_FIELDS: tuple[tuple[str, tuple[type[Spec], ...]], ...] = (
    ("jobs.md", RECORDS),
    ("suites.md", (Suite,)),
    ("search.md", (Search, Range)),
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_point_to_files(page: Path) -> None:
    assert [link for link in links(page) if not link.exists()] == []


def links(page: Path) -> list[Path]:
    """The files that a page links to."""
    text = page.read_text()
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^]]+\]: (\S+)", text, re.M)
    inside = [link.partition("#")[0] for link in found if "://" not in link]
    return [(page.parent / link).resolve() for link in inside if link]


def test_every_page_is_linked_from_another() -> None:
    linked = {link for page in PAGES for link in links(page)}
    linked |= {link / "README.md" for link in linked}
    assert [page for page in PAGES if page.parent != REPO and page not in linked] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_source_files_that_a_page_names_are_there(page: Path) -> None:
    roots = [REPO, *(REPO / root / "alambique" for root in ("platform", "tasks", "workers", "api"))]
    roots += [REPO / "tasks" / "alambique" / "tasks"]
    named = re.findall(r"`([\w/]+\.py)`", page.read_text())
    assert [name for name in named if not any((root / name).is_file() for root in roots)] == []


def test_settings_are_those_of_the_documents() -> None:
    fields = {f"ALAMBIQUE_{name.upper()}" for name in Settings.model_fields}
    named = {name for page in PAGES for name in re.findall(r"ALAMBIQUE_[A-Z_]+", page.read_text())}
    assert named == fields
    assert {row[0] for row in rows(DOCS / "operating.md") if row[0].startswith("ALAM")} == fields


def test_model_types_that_are_loaded_are_those_of_the_documents() -> None:
    (told,) = re.findall(r"Model types are a list: ([^.]+)\.", (DOCS / "security.md").read_text())
    assert set(re.findall(r"`(\S+)`", told)) == set(FAMILIES)


def rows(page: Path) -> list[list[str]]:
    """The cells of the lines of all tables, without their backticks."""
    lines = (line for line in page.read_text().splitlines() if line.startswith("|"))
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def tables(page: Path) -> list[dict[str, str]]:
    """For each table of fields, the default of each field as it is written there."""
    found: list[dict[str, str]] = []
    inside = False
    for line in page.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if cells[0] == "field":
            found.append({})
        inside = line.startswith("|") and (inside or cells[0] == "field")
        if inside and cells[0] != "field" and not set(cells[0]) <= {"-"}:
            found[-1][cells[0]] = cells[1]
    return found


@pytest.mark.parametrize(("page", "records"), PAGES_OF_FIELDS)
def test_every_field_is_told_with_its_default(page: str, records: Sequence[type[Spec]]) -> None:
    for table, record in zip(tables(DOCS / page), records, strict=True):
        fields = record.model_fields
        assert list(table) == list(fields), record
        assert {n: table[n] for n in fields if not same(table[n], fields[n])} == {}, record


def same(written: str, field: FieldInfo) -> bool:
    """Whether that is how the documents write the field's default."""
    if field.is_required():
        return written == "required"
    default: Any = field.get_default(call_default_factory=True)
    if default is None:
        return written == "none"
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    read: Any = TypeAdapter(kind).validate_python(yaml.safe_load(written))
    return bool(read == default)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=str)
def test_job_files_in_the_documents_can_be_read(page: Path) -> None:
    for block in blocks(page, "yaml"):
        if "students:" in block:
            jobs_of(read_suite(block))
        else:
            read_job(block)


def test_tasks_and_data_sets_are_those_of_the_program() -> None:
    page = DOCS / "tasks.md"
    first = {row[0] for row in rows(page)}
    assert {data.name for data in DATASETS} <= first
    assert {task.name for task in ALL} <= {cell for row in rows(page) for cell in row}
    strange = {name for name in first if re.fullmatch(r"[a-z]+-(es|questions)\S*", name)}
    assert strange <= {data.name for data in DATASETS}
