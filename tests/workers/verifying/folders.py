"""Published folders, as a publisher makes them and as a forger changes them."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from alambique.models.configs import read_config
from alambique.runtime.about import ABOUT
from alambique.runtime.engines import ONNX_FILE
from alambique.spec.settings import Settings
from alambique.workers.publishing import bill_of_materials, provenance, signing
from alambique.workers.publishing.bill_of_materials import BILL_OF_MATERIALS
from alambique.workers.publishing.provenance import PROVENANCE, read_provenance
from alambique.workers.publishing.published_files import PUBLIC_KEY, SIGNATURE, list_files
from alambique.workers.publishing.release import Release
from alambique.workers.stages.artifacts import fetch_model

LICENCES = {"pico@1": "Apache-2.0", "sample-entities": "Apache-2.0"}


def stage(settings: Settings, release: Release, folder: Path) -> None:
    """Lay the files of a release out as they are published, unsigned."""
    shutil.copytree(fetch_model(settings, release.version), folder)
    if release.engine_file:
        for name in (ONNX_FILE, ABOUT):
            shutil.copyfile(fetch_model(settings, release.engine_file) / name, folder / name)
    (folder / "pictures").mkdir()
    (folder / "pictures" / "front.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "LICENSE").write_text("Apache License\n" * 200)
    (folder / PROVENANCE).write_bytes(provenance.document(release))
    write_card(folder)
    hashes = list_files(folder).hashes
    bill = bill_of_materials.document(release, LICENCES, hashes, config=read_config(folder))
    (folder / BILL_OF_MATERIALS).write_bytes(bill)


def write_card(folder: Path) -> None:
    """Write a card whose model-index has the scores of the provenance."""
    numbers = read_provenance((folder / PROVENANCE).read_bytes()).numbers
    metrics = [
        {"type": number.metric, "value": round(number.value, 4)}
        for number in numbers
        if number.model == "this" and number.split == "test"
    ]
    result = {
        "task": {"type": "token-classification"},
        "dataset": {"name": "sample-entities", "type": "sample-entities", "split": "test"},
        "metrics": metrics,
    }
    index = {"model-index": [{"name": "pico", "results": [result]}]}
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(index)}---\n# pico\n\nEtiqueta.\n")


def forge(folder: Path, edit: Callable[[dict[str, Any]], None], key: Path) -> None:
    """Edit the provenance, write card and bill of materials after it, and sign all of it."""
    document = json.loads((folder / PROVENANCE).read_bytes())
    edit(document["predicate"])
    (folder / PROVENANCE).write_text(json.dumps(document))
    write_card(folder)
    for name in (SIGNATURE, PUBLIC_KEY):
        (folder / name).unlink()
    forged = read_provenance((folder / PROVENANCE).read_bytes())
    bill = json.loads((folder / BILL_OF_MATERIALS).read_bytes())
    card = bill["metadata"]["component"]["modelCard"]
    card["quantitativeAnalysis"]["performanceMetrics"] = bill_of_materials.performance_metrics(
        forged.numbers, form="onnx", role=forged.model.role, primary=forged.model.primary
    )
    for part in bill["components"]:
        if part["type"] == "file":
            content = (folder / part["name"]).read_bytes()
            part["hashes"][0]["content"] = hashlib.sha256(content).hexdigest()
    (folder / BILL_OF_MATERIALS).write_text(json.dumps(bill))
    signing.sign(folder, key)
