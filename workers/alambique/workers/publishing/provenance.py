"""`provenance.json`: what a published version was made of, by what, and every number of it.

An in-toto statement (https://in-toto.io/Statement/v1) about the published files, whose predicate is
SLSA provenance (https://slsa.dev/spec/v1.0/provenance); fields that SLSA does not have begin with
`alambique_`, as it asks of extensions.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from alambique.registry.records import Edge, Version
from alambique.runtime.about import ABOUT
from alambique.runtime.engines import ONNX_FILE
from alambique.spec.errors import BadModel
from alambique.spec.fields import Spec
from alambique.spec.sources import source_text
from alambique.workers.publishing.licences import LicenceChain
from alambique.workers.publishing.numbers import Number, numbers_of
from alambique.workers.publishing.places import places_of, without_places
from alambique.workers.publishing.record import Record
from alambique.workers.publishing.release import Release

PROVENANCE = "provenance.json"
"""The file in a published folder."""
LARGEST = 16 << 20
"""Bytes of one: a job with hundreds of models has some million."""
EXAMPLES, WEIGHTS = "alambique_examples_sha256", "alambique_weights_sha256"
"""Hashes of content, not of a file: of a split's examples, of a network's tensors and config."""
_BUILDER = "urn:alambique:worker"


class Resource(Spec):
    """A file, or something else that is known by its hashes."""

    name: str
    digest: dict[str, str]
    annotations: dict[str, Any] = Field(default_factory=dict)


class PublishedForm(Spec):
    """The published file of an engine."""

    version: str
    """As name@number, which it is registered as by itself."""
    format: str
    file: Literal["model.onnx"] = "model.onnx"


class PublishedModel(Spec):
    """The version that is published."""

    name: str
    version: int
    task: str
    role: str
    """What it is in its job."""
    primary: str
    """The metric that models of the job are compared by."""
    weights: str
    """Hash of its tensors and its config."""
    labels: tuple[str, ...]
    max_length: int
    stride: int
    settings: dict[str, Any]
    """How logits become predictions."""
    seed: int | None = None
    """Of its training. None: of a teacher."""
    seeds: tuple[int, ...] = ()
    """All that its job trained it with."""
    form: PublishedForm | None = None
    base_models: tuple[str, ...] = ()
    """Models of others that its ancestors began with."""
    data_sets: tuple[str, ...] = ()
    """That it and its ancestors have learnt from."""


class BuildDefinition(Spec):
    """What was asked for, and what went into it."""

    buildType: Literal["urn:alambique:job:1"] = "urn:alambique:job:1"
    externalParameters: dict[str, Any]
    """The job, with its models and data pinned."""
    internalParameters: dict[str, Any]
    """How scores and speeds were measured."""
    resolvedDependencies: tuple[Resource, ...]


class Builder(Spec):
    """What ran the job."""

    id: str = _BUILDER
    version: dict[str, str]
    """Of the code that registered the model, and of the libraries under it."""


class RunMetadata(Spec):
    """Which run it was."""

    invocationId: str
    finishedOn: str


class RunDetails(Spec):
    """How the job was run."""

    builder: Builder
    metadata: RunMetadata


class Predicate(Spec):
    """SLSA provenance, with what it has no fields for."""

    buildDefinition: BuildDefinition
    runDetails: RunDetails
    alambique_model: PublishedModel
    alambique_made_by: dict[str, Any]
    """The code and the libraries that did each stage."""
    alambique_numbers: tuple[Number, ...]
    alambique_record: Record
    """What these and the card are made of."""


class Provenance(Spec):
    """The whole document."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(
        "https://in-toto.io/Statement/v1", alias="_type"
    )
    subject: tuple[Resource, ...]
    """The published files that the registry knows."""
    predicateType: Literal["https://slsa.dev/provenance/v1"] = "https://slsa.dev/provenance/v1"
    predicate: Predicate

    @property
    def model(self) -> PublishedModel:
        """The version that is published."""
        return self.predicate.alambique_model

    @property
    def numbers(self) -> tuple[Number, ...]:
        """All that may be printed of it."""
        return self.predicate.alambique_numbers

    @property
    def record(self) -> Record:
        """What the registry has of it."""
        return self.predicate.alambique_record

    @property
    def job(self) -> Mapping[str, Any]:
        """The job that made it, as `spec.reading.job_of` reads it."""
        job = self.predicate.buildDefinition.externalParameters.get("job")
        return job if isinstance(job, dict) else {}

    @property
    def example_hashes(self) -> Mapping[str, str]:
        """The content hash of each split, and of what had no labels."""
        return {
            each.name.removeprefix("data/"): each.digest[EXAMPLES]
            for each in self.predicate.buildDefinition.resolvedDependencies
            if EXAMPLES in each.digest
        }


def document(release: Release, chain: LicenceChain) -> bytes:
    """Return the provenance of a release: the same bytes whenever it is asked for."""
    # fields stay in their order: tables of the card have columns in the order of the registry
    return json_bytes(statement_of(release, chain), is_sorted=False)


def statement_of(release: Release, chain: LicenceChain) -> dict[str, Any]:
    """Return the provenance of a release as JSON, without the places of its machines."""
    content = provenance_of(release, chain).model_dump(mode="json", by_alias=True)
    found: dict[str, Any] = without_places(content, places_of(release))
    return found


def json_bytes(content: object, *, is_sorted: bool = True) -> bytes:
    """Return JSON that depends on the content alone, a line for each field."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=is_sorted, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def read_provenance(content: bytes) -> Provenance:
    """Return what a document says.

    Raises:
        BadModel: it is no provenance of this platform.
    """
    try:
        return Provenance.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadModel(
            f"{PROVENANCE} is no provenance that this version reads ({where}: {first['msg']}): "
            "fetch the folder again, or verify it with the version that published it"
        ) from error


def provenance_of(release: Release, chain: LicenceChain) -> Provenance:
    """Return what is known of how a release was made, and of the licences that it comes under."""
    version, result = release.version, release.result
    details = version.details
    made_by: dict[str, Any] = details.get("made_by") or {}
    registered_by = (made_by.get("registration") or [{}])[-1]
    return Provenance(
        subject=tuple(_outputs(release)),
        predicate=Predicate(
            buildDefinition=BuildDefinition(
                externalParameters={"job": release.job.model_dump(mode="json")},
                internalParameters={
                    "decoder": details.get("settings", {}),
                    "measured": result.settings,
                    "raced": result.race_settings,
                },
                resolvedDependencies=tuple(_materials(release)),
            ),
            runDetails=RunDetails(
                builder=Builder(
                    version={
                        "alambique": registered_by.get("code", "not recorded"),
                        **registered_by.get("libraries", {}),
                    }
                ),
                metadata=RunMetadata(
                    invocationId=str(version.job_id), finishedOn=version.created_at.isoformat()
                ),
            ),
            alambique_model=_published_model(release),
            alambique_made_by=made_by,
            alambique_numbers=numbers_of(release),
            alambique_record=Record.of(release, chain),
        ),
    )


def _published_model(release: Release) -> PublishedModel:
    version, details, form = release.version, release.version.details, release.engine_file
    return PublishedModel(
        name=version.name,
        version=version.number,
        task=version.task,
        role=release.row.role,
        primary=release.result.primary,
        weights=version.weights,
        labels=version.labels,
        max_length=details["max_length"],
        stride=details["stride"],
        settings=details.get("settings", {}),
        seed=details.get("seed"),
        seeds=tuple(each.seed for each in release.row.seeds if each.seed is not None),
        form=None
        if form is None
        else PublishedForm(version=_name(form), format=form.details["format"]),
        base_models=tuple(map(source_text, release.base_models)),
        data_sets=release.data_sets,
    )


def _outputs(release: Release) -> Iterator[Resource]:
    """Yield the registered files of a release, and those of its engine in their place.

    What the runtime reads of the folder is of the engine's file.
    """
    files = {file.name: file.sha256 for file in release.version.files}
    if release.engine_file is not None:
        form = {file.name: file.sha256 for file in release.engine_file.files}
        files |= {name: form[name] for name in (ONNX_FILE, ABOUT)}
    for name, digest in sorted(files.items()):
        yield Resource(name=name, digest={"sha256": digest})


def _materials(release: Release) -> Iterator[Resource]:
    """Yield what the version was made of: data, teachers, first weights, code."""
    teachers = {teacher.id: teacher for teacher in release.teachers}
    for edge in release.version.lineage:
        match edge.relation:
            case "data":
                yield from _data(release, edge)
            case "teacher":
                yield _teacher(edge, teachers.get(edge.parent) if edge.parent else None)
            case relation:
                yield Resource(name=relation, digest={}, annotations={"hashes": dict(edge.hashes)})


def _data(release: Release, edge: Edge) -> Iterator[Resource]:
    """Yield the splits of the data, each by the hash of its examples."""
    data = release.job.data
    names = {"test": data.test or data.name, "unlabelled": data.unlabelled or data.name}
    limits = {str(split): limit for split, limit in data.limit.items()}
    for split, digest in sorted(edge.hashes.items()):
        limit = {"limit": limits[split]} if split in limits else {}
        about = {"name": names.get(split, data.name), "split": split, **limit}
        yield Resource(name=f"data/{split}", digest={EXAMPLES: digest}, annotations=about)


def _teacher(edge: Edge, teacher: Version | None) -> Resource:
    """Return a teacher, by the hash of its weights and of its files."""
    others = {name: value for name, value in edge.hashes.items() if name != "weights"}
    digest = {WEIGHTS: edge.hashes["weights"]}
    if teacher is None:
        return Resource(name="teacher", digest=digest, annotations=others)
    about: dict[str, Any] = {
        "version": _name(teacher),
        "parameters": teacher.parameters,
        "files": {file.name: file.sha256 for file in teacher.files},
    }
    return Resource(name=f"teacher/{teacher.name}", digest=digest, annotations=about | others)


def _name(version: Version) -> str:
    return f"{version.name}@{version.number}"
