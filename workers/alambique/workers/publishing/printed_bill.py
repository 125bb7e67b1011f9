"""The numbers that a bill of materials prints, beside those of the provenance."""

import json
from collections.abc import Iterator, Mapping

from alambique.workers.publishing.bill_of_materials import performance_metrics
from alambique.workers.publishing.findings import Finding, Verdict
from alambique.workers.publishing.provenance import Provenance


def bill_findings(bill: bytes, provenance: Provenance) -> Iterator[Finding]:
    """Yield a finding on the figures of a bill of materials: they are those of the provenance."""
    model, form = provenance.model, provenance.model.form
    expected = performance_metrics(
        provenance.numbers,
        form=form.format if form else None,
        role=model.role,
        primary=model.primary,
    )
    try:
        component = json.loads(bill)["metadata"]["component"]
        found = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
        named = (component["name"], component["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        yield Finding("bom.json", Verdict.FALSE, note="it is no bill of materials of a model")
        return
    if named != (model.name, str(model.version)):
        yield Finding(
            "bom.json: name and version",
            Verdict.FALSE,
            f"{named[0]}@{named[1]}",
            f"{model.name}@{model.version}",
        )
    if not isinstance(found, list) or len(found) != len(expected):
        yield Finding(
            "bom.json: figures",
            Verdict.FALSE,
            len(found) if isinstance(found, list) else None,
            len(expected),
            note="the provenance has another number of them",
        )
        return
    differing = [(a, b) for a, b in zip(found, expected, strict=True) if a != b]
    for one, other in differing:
        yield Finding(
            f"bom.json: {other['type']} of {other['slice']}",
            Verdict.FALSE,
            str(one.get("value") if isinstance(one, dict) else one),
            other["value"],
            note="the provenance has another value",
        )
    if not differing:
        yield Finding(
            "bom.json: figures", Verdict.HELD, len(found), note="each as in the provenance"
        )


def bill_hashes(bill: bytes) -> Mapping[str, str]:
    """Return the sha256 of each file that a bill of materials lists; none where it is none."""
    try:
        return {
            str(part["name"]): str(part["hashes"][0]["content"])
            for part in json.loads(bill)["components"]
            if part["type"] == "file"
        }
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return {}
