"""`bom.json`: the bill of materials of a published version, as CycloneDX 1.7 (an ML-BOM).

It has every field that the registry can fill, and none that it cannot: what a model is for, whom it
may harm and what it costs the climate nobody has measured here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from alambique.registry.records import Edge, Version
from alambique.spec.errors import UnknownName
from alambique.spec.outputs import Output
from alambique.spec.sources import source_text
from alambique.tasks.catalogue import dataset
from alambique.workers.publishing.licences import LicenceClass, LicenceLink, LinkKind
from alambique.workers.publishing.numbers import (
    THIS,
    Number,
    form_name,
    gain_over,
    numbers_of,
)
from alambique.workers.publishing.places import places_of, without_places
from alambique.workers.publishing.provenance import WEIGHTS, json_bytes
from alambique.workers.publishing.release import Release

BILL_OF_MATERIALS = "bom.json"
"""The file in a published folder."""
LARGEST = 16 << 20
"""Bytes of one."""
_SPEC_VERSION = "1.7"
_SPDX = """
Apache-2.0 MIT BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear ISC Zlib AFL-3.0 BSL-1.0 ECL-2.0
NCSA PostgreSQL WTFPL MS-PL CC0-1.0 Unlicense PDDL-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0
CDLA-Sharing-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-BY-ND-4.0
CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-SA-2.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0
CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 etalab-2.0 ODC-By-1.0 ODbL-1.0 GPL-2.0-only GPL-2.0-or-later
GPL-3.0-only GPL-3.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later
AGPL-3.0-only AGPL-3.0-or-later MPL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1 EUPL-1.2 OSL-3.0
Artistic-2.0 LGPL-LR
"""
"""Names that SPDX lists, of those that models and texts come under: others are given as words."""
_LICENCE_REF = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_ROOT = "model"


def document(
    release: Release,
    licences: Mapping[str, str],
    files: Mapping[str, str],
    *,
    links: Sequence[LicenceLink] = (),
    config: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the bill of materials of a release: the same bytes whenever it is asked for.

    Args:
        release: what the registry knows of it.
        licences: of the version and its teachers, by `NAME@NUMBER`: SPDX expressions. Data sets
            that have no link may be here by their names too.
        files: the sha256 of each published file by its name, but for this one and the signature.
        links: the licence chain, each of which is a component, with where its licence was read.
        config: the fields of its config.json, for the name of its architecture.
    """
    version, timestamp = release.version, release.version.created_at.isoformat()
    parts = [
        *_file_components(files),
        *_data_components(release, licences, links),
        *_library_components(version),
    ]
    materials = [part["bom-ref"] for part in parts if part["type"] != "file"]
    return json_bytes(
        without_places(
            {
                "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC_VERSION}.schema.json",
                "bomFormat": "CycloneDX",
                "specVersion": _SPEC_VERSION,
                "serialNumber": f"urn:uuid:{release.publication.id}",
                "version": 1,
                "metadata": {
                    "timestamp": timestamp,
                    "tools": {"components": [_tool(version)]},
                    "component": _model_component(release, licences, links, config or {}),
                },
                "components": parts,
                "dependencies": [
                    {"ref": _ROOT, "dependsOn": sorted(materials)},
                    *({"ref": ref, "dependsOn": []} for ref in sorted(materials)),
                ],
            },
            places_of(release),
        )
    )


def performance_metrics(
    numbers: Sequence[Number], *, form: str | None, role: str, primary: str
) -> list[dict[str, Any]]:
    """Return what a bill of materials has of a version's numbers: those of its own files.

    Args:
        numbers: all of its provenance.
        form: the format of the published file of an engine, if there is one.
        role: what the version is in its job: over all seeds its numbers have that name.
        primary: the metric that gains are in.
    """
    own = {THIS, role, *([form_name(form)] if form else [])}
    values = {(number.model, number.metric): number.value for number in numbers}
    ends = ("lower end", "upper end")
    metrics = []
    for number in numbers:
        if number.model not in own or number.metric.endswith(ends):
            continue
        bounds = [values.get((number.model, f"{number.metric}, {end}")) for end in ends]
        seed = f", seed {number.seed}" if number.seed is not None else ""
        data = f"{number.data} {number.split}, " if number.data else ""
        entry: dict[str, Any] = {
            "type": number.metric,
            "value": str(number.value),
            "slice": f"{data}{number.model}{seed}",
        }
        is_gain = number.metric.startswith(gain_over(primary, ""))
        if is_gain and bounds[0] is not None and bounds[1] is not None:
            lower, upper = map(str, bounds)
            entry["confidenceInterval"] = {"lowerBound": lower, "upperBound": upper}
        metrics.append(entry)
    return metrics


def _model_component(
    release: Release,
    licences: Mapping[str, str],
    links: Sequence[LicenceLink],
    config: Mapping[str, Any],
) -> dict[str, Any]:
    version, name = release.version, f"{release.version.name}@{release.version.number}"
    places = places_of(release)
    shown = {model: places.get(model, model) for model in map(source_text, release.base_models)}
    known = {model: _link(links, "base model", model, name) for model, name in shown.items()}
    further = [each for each in links if each.kind == "base model" and each not in known.values()]
    ancestors = [
        *(_teacher_component(release, licences, edge) for edge in _teacher_edges(version)),
        *(_base_component(shown[model], link, "base model") for model, link in known.items()),
        *(_base_component(each.name, each, "named by a base model") for each in further),
    ]
    weights = next(file for file in version.files if file.name == "model.safetensors")
    return {
        "type": "machine-learning-model",
        "bom-ref": _ROOT,
        "name": version.name,
        "version": str(version.number),
        "hashes": [_sha256(weights.sha256)],
        **_licence_fields(licences.get(name)),
        **({"pedigree": {"ancestors": ancestors}} if ancestors else {}),
        "modelCard": {
            "modelParameters": _model_parameters(release, config),
            "quantitativeAnalysis": {
                "performanceMetrics": performance_metrics(
                    numbers_of(release),
                    form=release.engine_file.details["format"] if release.engine_file else None,
                    role=release.row.role,
                    primary=release.result.primary,
                )
            },
            **_considerations(release),
        },
        "properties": _properties(
            {
                "role": release.row.role,
                "parameters": version.parameters,
                "weights": version.weights,
                "job": version.job_id,
                "seed": version.details.get("seed"),
            }
        ),
    }


def _model_parameters(release: Release, config: Mapping[str, Any]) -> dict[str, Any]:
    version = release.version
    details = version.details
    output = details["output"]
    labels = f": {', '.join(version.labels)}" if output in (Output.TAGS, Output.CLASSES) else ""
    classes = [str(name) for name in config.get("architectures") or ()]
    return {
        "approach": {"type": _approach(release)},
        "task": version.task,
        "architectureFamily": "transformer",
        **({"modelArchitecture": classes[0]} if classes else {}),
        "datasets": [{"ref": ref} for ref in _data_refs(version)],
        "inputs": [{"format": f"text: {name}"} for name in details["inputs"]],
        "outputs": [{"format": f"{output}{labels}"}],
    }


def _approach(release: Release) -> str:
    """Return how it learnt, in the words that CycloneDX has for that."""
    if not Output(release.version.details["output"]).has_head:
        return "self-supervised"
    return "semi-supervised" if release.job.data.unlabelled else "supervised"


def _considerations(release: Release) -> dict[str, Any]:
    """Return what a reader of the figures should not miss, and who answers for the licence."""
    notes, override = list(release.result.notes), release.publication.override
    said = {
        **({"technicalLimitations": notes} if notes else {}),
        **(
            {"ethicalConsiderations": [{"name": "licences", "mitigationStrategy": _word(override)}]}
            if override
            else {}
        ),
    }
    return {"considerations": said} if said else {}


def _word(override: Mapping[str, Any]) -> str:
    return f"{override['by']} answers for its publication: {override['note']}"


def _teacher_edges(version: Version) -> list[Edge]:
    return [edge for edge in version.lineage if edge.relation == "teacher"]


def _teacher_component(release: Release, licences: Mapping[str, str], edge: Edge) -> dict[str, Any]:
    known = next((each for each in release.teachers if each.id == edge.parent), None)
    properties = {"relation": "teacher", WEIGHTS: edge.hashes["weights"]}
    if known is None:
        return {
            "type": "machine-learning-model",
            "name": "teacher",
            "properties": _properties(properties),
        }
    weights = [file.sha256 for file in known.files if file.name == "model.safetensors"]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"teacher/{known.name}@{known.number}",
        "name": known.name,
        "version": str(known.number),
        **({"hashes": [_sha256(digest) for digest in weights]} if weights else {}),
        **_licence_fields(licences.get(f"{known.name}@{known.number}")),
        "properties": _properties(properties | {"parameters": known.parameters}),
    }


def _base_component(shown: str, link: LicenceLink | None, relation: str) -> dict[str, Any]:
    name, _, revision = shown.partition("@")
    return {
        "type": "machine-learning-model",
        "bom-ref": f"base/{shown}",
        "name": name,
        **({"version": revision} if revision else {}),
        **_link_licence(link),
        "properties": _properties({"relation": relation, **_link_source(link)}),
    }


def _link(links: Sequence[LicenceLink], kind: LinkKind, *names: str) -> LicenceLink | None:
    """Return the link of a model or data set, whose name has no folder and no subset."""
    plain = {each.removeprefix("./").partition("#")[0] for each in names}
    return next((each for each in links if each.kind == kind and each.name in plain), None)


def _link_licence(link: LicenceLink | None) -> dict[str, Any]:
    """Return the licence that a link was found with; nothing where none was."""
    if link is None or link.found is None:
        return {}
    # words that are no licence known here are given as they were found
    known = LicenceClass.UNKNOWN not in {kind for one in link.licences for kind in one.classes}
    return _licence_fields(link.expression if known else link.found)


def _link_source(link: LicenceLink | None) -> dict[str, str]:
    return {} if link is None else {"licence source": link.where}


def _file_components(files: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, digest in sorted(files.items()):
        yield {
            "type": "file",
            "bom-ref": f"file/{name}",
            "name": name,
            "hashes": [_sha256(digest)],
        }


def _data_components(
    release: Release, licences: Mapping[str, str], links: Sequence[LicenceLink]
) -> Iterator[dict[str, Any]]:
    """Yield the splits that the version learnt from or was measured on, then other data sets."""
    data, splits = release.job.data, _split_hashes(release.version)
    named = {"test": data.test or data.name, "unlabelled": data.unlabelled or data.name}
    places = places_of(release)
    used = set()
    for split, digest in splits.items():
        name = named.get(split, data.name)
        shown = places.get(name, name)
        link = _link(links, "data", name, shown)
        used.add(link)
        yield _data_component(name, shown, licences, link, split=split, digest=digest)
    for name in release.data_sets:
        shown = places.get(name, name)
        link = _link(links, "data", name, shown)
        used.add(link)
        if name not in {named.get(split, data.name) for split in splits}:
            yield _data_component(name, shown, licences, link)
    for link in links:
        if link.kind == "data" and link not in used:
            yield _data_component(link.name, link.name, licences, link)


def _data_component(
    name: str,
    shown: str,
    licences: Mapping[str, str],
    link: LicenceLink | None,
    *,
    split: str | None = None,
    digest: str | None = None,
) -> dict[str, Any]:
    """Return a data set, or one split of it, under the name that is published of it."""
    ref = f"data/{split}" if split else f"data-set/{shown}"
    licence, about = licences.get(name), None
    try:
        known = dataset(name)
        licence, about = licence or known.licence, known.about
    except UnknownName:  # of the hub, or files of somebody's own
        pass
    return {
        "type": "data",
        "bom-ref": ref,
        "name": f"{shown} {split}" if split else shown,
        **({"description": about} if about else {}),
        # of its examples as they were read, and not of the file that they came in
        **({"hashes": [_sha256(digest)]} if digest else {}),
        **(_link_licence(link) or _licence_fields(licence)),
        **({"properties": _properties(_link_source(link))} if link else {}),
        "data": [{"type": "dataset", "name": shown}],
    }


def _library_components(version: Version) -> Iterator[dict[str, Any]]:
    """Yield the libraries, in each of the versions that a stage was done by."""
    found = {
        (name, number)
        for makers in (version.details.get("made_by") or {}).values()
        for maker in makers
        for name, number in maker["libraries"].items()
    }
    for name, number in sorted(found):
        purl = f"pkg:pypi/{name}@{quote(number)}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": number,
            "purl": purl,
        }


def _tool(version: Version) -> dict[str, Any]:
    made_by = (version.details.get("made_by") or {}).get("registration") or [{"code": "unknown"}]
    return {"type": "application", "name": "alambique", "version": made_by[-1]["code"]}


def _split_hashes(version: Version) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for edge in version.lineage:
        if edge.relation == "data":
            hashes |= edge.hashes
    return dict(sorted(hashes.items()))


def _data_refs(version: Version) -> list[str]:
    return [f"data/{split}" for split in _split_hashes(version)]


def _licence_fields(licence: str | None) -> dict[str, Any]:
    """Return a licence as CycloneDX has it; nothing where none is known."""
    if not licence:
        return {}
    names = licence.split(" AND ")
    known = (*_SPDX.split(), *(name for name in names if _LICENCE_REF.fullmatch(name)))
    if len(names) > 1 and all(name in known for name in names):
        return {"licenses": [{"expression": licence}]}
    return {"licenses": [{"license": {"id" if licence in _SPDX.split() else "name": licence}}]}


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def _properties(values: Mapping[str, object]) -> list[dict[str, str]]:
    return [
        {"name": f"alambique:{name}", "value": str(value)}
        for name, value in values.items()
        if value is not None
    ]
