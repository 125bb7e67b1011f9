"""Published folders, as a publisher makes them and as a forger changes them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alambique.models.configs import read_config
from alambique.runtime.about import ABOUT
from alambique.runtime.engines import ONNX_FILE
from alambique.spec.settings import Settings
from alambique.workers.publishing import bill_of_materials, card, provenance, signing
from alambique.workers.publishing.bill_of_materials import BILL_OF_MATERIALS
from alambique.workers.publishing.licences import LicenceLink, chain_of
from alambique.workers.publishing.provenance import PROVENANCE, read_provenance
from alambique.workers.publishing.published_files import PUBLIC_KEY, SIGNATURE, list_files
from alambique.workers.publishing.release import Release
from alambique.workers.stages.artifacts import fetch_model

LICENCES = {"pico@1": "Apache-2.0", "sample-entities": "Apache-2.0"}
CHAIN = chain_of([LicenceLink("data", "sample-entities", "Apache-2.0", "the catalogue")])
Edit = Callable[[dict[str, Any]], None]


def stage(settings: Settings, release: Release, folder: Path) -> None:
    """Lay the files of a release out as they are published, unsigned."""
    shutil.copytree(fetch_model(settings, release.version), folder)
    if release.engine_file:
        for name in (ONNX_FILE, ABOUT):
            shutil.copyfile(fetch_model(settings, release.engine_file) / name, folder / name)
    (folder / "LICENSE").write_text("Apache License\n" * 200)
    (folder / PROVENANCE).write_bytes(provenance.document(release, CHAIN))
    _write_documents(folder, release)
    write_bill(folder, release)


def write_bill(folder: Path, release: Release) -> None:
    """Write the bill of materials of a folder as it stands."""
    for name in (BILL_OF_MATERIALS, SIGNATURE, PUBLIC_KEY):
        (folder / name).unlink(missing_ok=True)
    hashes = list_files(folder).hashes
    bill = bill_of_materials.document(release, LICENCES, hashes, config=read_config(folder))
    (folder / BILL_OF_MATERIALS).write_bytes(bill)


def published_release(folder: Path) -> Release:
    """What a folder's provenance has of its release."""
    read = read_provenance((folder / PROVENANCE).read_bytes())
    return read.record.release(read.job)


def forge_list(folder: Path, edit: Edit, key: Path) -> None:
    """Edit what a provenance says beside its record, and sign; bill of materials follow."""
    document = json.loads((folder / PROVENANCE).read_bytes())
    edit(document["predicate"])
    (folder / PROVENANCE).write_text(json.dumps(document))
    write_bill(folder, published_release(folder))
    forged = read_provenance((folder / PROVENANCE).read_bytes())
    bill = json.loads((folder / BILL_OF_MATERIALS).read_bytes())
    model_card = bill["metadata"]["component"]["modelCard"]
    model_card["quantitativeAnalysis"]["performanceMetrics"] = (
        bill_of_materials.performance_metrics(
            forged.numbers, form="onnx", role=forged.model.role, primary=forged.model.primary
        )
    )
    (folder / BILL_OF_MATERIALS).write_text(json.dumps(bill))
    signing.sign(folder, key)


def forge(folder: Path, edit: Edit, key: Path) -> None:
    """Edit the record of a release, or its job, and make all else after it, as a publisher does."""
    document = json.loads((folder / PROVENANCE).read_bytes())
    edit(document["predicate"])
    (folder / PROVENANCE).write_text(json.dumps(document))
    release = published_release(folder)
    (folder / PROVENANCE).write_bytes(provenance.document(release, CHAIN))
    _write_documents(folder, release)
    write_bill(folder, release)
    signing.sign(folder, key)


def forge_files(folder: Path, edit: Callable[[Path], object], key: Path) -> None:
    """Edit files of a folder but for its provenance, and sign it anew."""
    edit(folder)
    write_bill(folder, published_release(folder))
    signing.sign(folder, key)


def _write_documents(folder: Path, release: Release) -> None:
    for name, content in card.documents(release, CHAIN).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
