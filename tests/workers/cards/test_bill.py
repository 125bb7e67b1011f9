"""The bill of materials says the licence of all that went into a student, and who says so."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from alambique.models.sources import SAMPLES
from alambique.spec.settings import Settings
from alambique.workers.publishing.documents import bill_file
from alambique.workers.publishing.release import Release

BASE, NAMED, DATA = f"team/base@{'a' * 40}", f"o/closed@{'b' * 40}", f"hub:o/texts@{'c' * 40}"
REPOSITORIES: list[dict[str, Any]] = [
    {"kind": "base model", "named": BASE, "commit": "a" * 40, "licence": "mit"}
    | {"base_models": ["o/closed"], "data_sets": ["o/texts", "o/gone"]},
    {"kind": "base model", "named": "o/closed", "commit": "b" * 40, "licence": "our own terms"},
    {"kind": "data", "named": "o/texts", "commit": "c" * 40, "licence": "cc-by-4.0"},
    {"kind": "data", "named": "o/gone", "unread": "there is none at http://host.example"},
]


@pytest.fixture
def bill(released: Callable[..., Release], tmp_path: Path) -> dict[str, Any]:
    """That of a student whose teacher began with a model of the hub, which is not asked again."""
    teacher = {"model": BASE, "train": {"epochs": 3}}
    data = {"name": "sample-entities", "unlabelled": "text"}
    known = released(job={"teacher": teacher, "data": data}, repositories=REPOSITORIES)
    release = replace(known, engine_file=None)
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(SAMPLES["sample-encoder"] / "config.json", folder)
    content = bill_file(folder, release, Settings(home=tmp_path / "home"))["bom.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(content) is None
    older = content.replace("bom-1.7", "bom-1.6").replace('"1.7"', '"1.6"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(older) is None
    assert "host.example" not in content
    read: dict[str, Any] = json.loads(content)
    return read


def licence(component: dict[str, Any]) -> str | None:
    said: dict[str, Any] | None
    (said,) = component.get("licenses", [None])
    if said is None:
        return None
    return str(said.get("expression") or next(iter(said["license"].values())))


def source(component: dict[str, Any]) -> str:
    values: dict[str, str] = {each["name"]: each["value"] for each in component["properties"]}
    return values.get("alambique:licence source", "")


def test_teachers_and_base_models_have_their_licences(bill: dict[str, Any]) -> None:
    component = bill["metadata"]["component"]
    ancestors = {each["bom-ref"]: each for each in component["pedigree"]["ancestors"]}
    assert {ref: licence(each) for ref, each in ancestors.items()} == {
        # of all that its job began with; of two of them no licence is known
        "teacher/tiny-teacher@1": "CC-BY-4.0 AND LicenseRef-Unknown",
        f"base/{BASE}": "MIT",
        f"base/{NAMED}": "our own terms",
    }
    assert source(ancestors[f"base/{BASE}"]) == "README.md of the hub at that commit"
    assert source(ancestors[f"base/{NAMED}"]).endswith(f"named by README.md of {BASE}")


def test_so_have_data_that_a_base_model_names(bill: dict[str, Any]) -> None:
    data = {each["name"]: each for each in bill["components"] if each["type"] == "data"}
    assert licence(data[DATA]) == "CC-BY-4.0"
    assert licence(data["hub:o/gone"]) is None
    assert source(data["hub:o/gone"]).startswith(
        "not read at the hub, named by README.md of team/base"
    )
    assert "the catalogue" in source(data["text"])
