"""A published model is verified: what is true holds, what was changed is found."""

import json
import platform
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.workers.verifying.folders import CHAIN, forge, forge_list, stage

from alambique.cli import main
from alambique.registry.records import Edge
from alambique.spec.errors import BadModel
from alambique.spec.settings import Settings
from alambique.workers.publishing import bill_of_materials, provenance, signing
from alambique.workers.publishing.data_at_hand import DataFolders
from alambique.workers.publishing.findings import Verdict
from alambique.workers.publishing.numbers import (
    BYTES,
    LAYERS,
    MACS_FULL,
    PARAMETERS,
    SPEED_RATIO,
    Measured,
    Number,
    numbers_of,
)
from alambique.workers.publishing.provenance import PROVENANCE, read_provenance
from alambique.workers.publishing.published_files import SIGNATURE, list_files
from alambique.workers.publishing.release import Release
from alambique.workers.publishing.verification import Report, verify

FORM = "this as onnx"
EDITS: Mapping[tuple[str, str, str | None], Callable[[Any], Any]] = {
    ("this", "f1", "test"): lambda value: value + 0.3,
    ("this", "accuracy", "test"): lambda value: value - 0.3,
    ("this", "f1", "dev"): lambda value: value + 0.3,
    (FORM, "f1", "test"): lambda value: value + 0.3,
    (FORM, "strict-f1", "test"): lambda value: value + 0.3,
    ("this", PARAMETERS, None): lambda value: value - 1,
    ("this", MACS_FULL, None): lambda value: value // 2,
    ("this", LAYERS, None): lambda value: value + 1,
    (FORM, BYTES, None): lambda value: value - 1,
    (FORM, SPEED_RATIO, "test"): lambda value: value * 1000,
}
"""Of the numbers that are measured: what a forger makes of each."""
DERIVED = {
    ("student", "retention of f1", "test"),
    ("student", "f1", "test"),
    ("student", "f1 deviation", "test"),
    ("student", "f1 gain over gold-only", "test"),
    ("this", "inferences_per_second", "test"),
    ("this", "speed-up by macs_linear", None),
}


def false_subjects(report: Report) -> set[str]:
    return {finding.subject for finding in report.of(Verdict.FALSE)}


def test_provenance_is_the_same_bytes_and_says_what_went_in(
    release: Release, load: Callable[[str], Release]
) -> None:
    content = provenance.document(release, CHAIN)
    again = load("pico")
    assert provenance.document(again, CHAIN) == content
    read = read_provenance(content)
    statement = json.loads(content)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    files = {each.name: each.digest["sha256"] for each in read.subject}
    assert files.keys() >= {"model.safetensors", "model.onnx", "config.json", "alambique.json"}
    form = release.engine_file
    assert form is not None
    # the runtime reads the engine's file, and what is told of it
    assert {file.name: file.sha256 for file in form.files}["alambique.json"] == files[
        "alambique.json"
    ]
    assert read.model.seed in read.model.seeds == (1, 2)
    assert read.example_hashes.keys() == {"train", "dev", "test"}
    assert read.job == release.job.model_dump(mode="json")
    materials = read.predicate.buildDefinition.resolvedDependencies
    (teacher,) = [each for each in materials if each.name.startswith("teacher/")]
    assert teacher.digest.keys() == {provenance.WEIGHTS}
    assert read.predicate.runDetails.builder.version.keys() >= {"alambique", "torch"}
    assert read.predicate.alambique_made_by.keys() >= {"training", "evaluation", "outputs"}


def test_neither_hosts_nor_folders_are_published(release: Release) -> None:
    machine = release.result.settings["machine"]
    assert machine.endswith(platform.node())
    job = release.job
    data = job.data.model_copy(update={"name": "/home/ana/reviews.csv"})
    metrics = tuple(replace(each, data=data.name) for each in release.version.metrics)
    lineage = (*release.version.lineage, Edge("start", None, {"/home/ana/mini": "0" * 64}))
    assert not isinstance(job.teacher, tuple)
    teacher = job.teacher.model_copy(update={"model": "/home/ana/mini"})
    job = job.model_copy(update={"data": data, "teacher": teacher})
    private = replace(
        release,
        job=job,
        ancestry=(job,),
        version=replace(release.version, metrics=metrics, lineage=lineage),
    )
    content = provenance.document(private, CHAIN)
    bill = bill_of_materials.document(private, {}, {})
    for document in (content.decode(), bill.decode()):
        assert "/home/ana" not in document
        assert machine not in document
        assert "./reviews.csv" in document
        assert "./mini" in document
    found = read_provenance(content)
    (*_, start) = found.predicate.buildDefinition.resolvedDependencies
    assert start.annotations == {"hashes": {"./mini": "0" * 64}}
    assert {each.name for each in release.version.files} <= {each.name for each in found.subject}
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(bill.decode()) is None


def test_every_number_of_the_registry_is_there_once(release: Release) -> None:
    numbers = numbers_of(release)
    keys = [(n.model, n.seed, n.data, n.split, n.metric) for n in numbers]
    assert len(set(keys)) == len(keys)
    by_name = {(n.model, n.metric): n for n in numbers if n.split != "dev"}
    for own in release.version.metrics:
        assert by_name["this", own.name].value == own.value
    for row in release.result.rows:
        for metric, value in row.metrics.items():
            found = [n.value for n in numbers if n.metric == metric and n.value == value]
            assert found, (row.name, metric)
    (gain,) = release.row.gains
    assert by_name["student", "f1 gain over gold-only"].value == gain.value
    assert by_name["student", "f1 gain over gold-only, lower end"].value == gain.low
    measured = {n.measured for n in numbers}
    assert measured == set(Measured)


def test_the_bill_of_materials_is_valid_and_names_all_that_went_in(
    release: Release, published: Path
) -> None:
    content = (published / "bom.json").read_text()
    validator = JsonStrictValidator(SchemaVersion.V1_7)
    assert validator.validate_str(content) is None
    bill = json.loads(content)
    assert (
        validator.validate_str(content.replace('"bomFormat": "CycloneDX"', '"bom": 1')) is not None
    )
    assert bill["serialNumber"] == f"urn:uuid:{release.publication.id}"
    component = bill["metadata"]["component"]
    card = component["modelCard"]
    assert component["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert [each["name"] for each in component["pedigree"]["ancestors"]] == ["pico-teacher"]
    assert card["modelParameters"]["task"] == "named-entities"
    assert card["modelParameters"]["modelArchitecture"] == "ModernBertForTokenClassification"
    intervals = [
        each["confidenceInterval"]
        for each in card["quantitativeAnalysis"]["performanceMetrics"]
        if "confidenceInterval" in each
    ]
    (gain,) = release.row.gains
    assert intervals == [{"lowerBound": str(gain.low), "upperBound": str(gain.high)}]
    names = {part["name"] for part in bill["components"]}
    assert names >= {"model.onnx", "README.md", "pictures/front.svg", "provenance.json", "torch"}
    assert names >= {f"sample-entities {split}" for split in ("train", "dev", "test")}
    refs = {part["bom-ref"] for part in bill["components"]} | {component["bom-ref"]}
    assert {each["ref"] for each in bill["dependencies"]} <= refs
    again = bill_of_materials.document(release, {}, {})
    assert again == bill_of_materials.document(release, {}, {})


def test_what_was_published_holds_and_every_number_is_told(
    published: Path, keys: Path, nowhere: DataFolders, release: Release
) -> None:
    told: list[str] = []
    report = verify(published, nowhere, key=keys / "ours.pub", report=told.append)
    assert false_subjects(report) == set()
    assert report.of(Verdict.NO_DATA) == ()
    assert report.exit_code == 0
    public = (keys / "ours.pub").read_text()
    assert report.fingerprint == signing.fingerprint_of(public)
    subjects = {finding.subject: finding for finding in report.findings}
    for number in numbers_of(release):
        finding = subjects[str(number)]
        assert finding.published == number.value
        if number.measured in (Measured.HERE, Measured.DERIVED):
            assert finding.verdict is Verdict.HELD
            assert finding.measured == pytest.approx(number.value, abs=1e-4)
            assert finding.tolerance
    assert {"this: answering 20 test examples", "this as onnx: answering 20 dev examples"} <= {
        *told
    }


@pytest.mark.parametrize("key", ["ours", "theirs"])
def test_ten_numbers_that_are_edited_and_signed_are_found_by_measuring(
    folder: Path, keys: Path, nowhere: DataFolders, key: str
) -> None:
    edited: set[str] = set()

    def edit(predicate: dict[str, Any]) -> None:
        for number in predicate["alambique_numbers"]:
            change = EDITS.get((number["model"], number["metric"], number["split"]))
            if change is not None:
                number["value"] = change(number["value"])
                edited.add(str(Number.model_validate(number)))

    forge_list(folder, edit, keys / f"{key}.pem")
    report = verify(folder, nowhere, key=keys / f"{key}.pub")
    assert len(edited) == len(EDITS) == 10
    measured = {each.subject for each in report.of(Verdict.FALSE) if each.measured is not None}
    assert measured >= edited
    assert report.exit_code == 1
    signature = next(each for each in report.findings if each.subject == "signature")
    assert signature.verdict is Verdict.HELD  # by who signed the forgery
    if key == "theirs":
        trusted = verify(folder, nowhere, key=keys / "ours.pub")
        assert false_subjects(trusted) == {"signature"}
        assert trusted.exit_code == 1


@pytest.mark.parametrize("metrics", [{"f1"}, {"recall"}, {"f1", "recall", "precision"}])
def test_scores_that_a_forger_would_not_have_measured_are_found(
    folder: Path, keys: Path, nowhere: DataFolders, metrics: set[str]
) -> None:
    def edit(predicate: dict[str, Any]) -> None:
        for number in predicate["alambique_numbers"]:
            is_score = number["model"].startswith("this") and number["split"] == "test"
            if is_score and number["metric"] in metrics:
                number |= {"value": 0.95, "measured": Measured.NOT_HERE}

    forge_list(folder, edit, keys / "ours.pem")
    report = verify(folder, nowhere, key=keys / "ours.pub")
    assert report.exit_code == 1
    assert any(subject.startswith(tuple(metrics)) for subject in false_subjects(report))


def test_numbers_that_follow_from_others_are_computed(
    folder: Path, keys: Path, nowhere: DataFolders
) -> None:
    edited: set[str] = set()

    def edit(predicate: dict[str, Any]) -> None:
        for number in predicate["alambique_numbers"]:
            key = number["model"], number["metric"], number["split"]
            is_derived = number["measured"] == Measured.DERIVED
            if key in DERIVED and is_derived:
                number["value"] *= 1.001
                edited.add(str(Number.model_validate(number)))

    forge_list(folder, edit, keys / "ours.pem")
    report = verify(folder, nowhere, key=keys / "ours.pub")
    assert len(edited) == len(DERIVED)
    assert false_subjects(report) == edited
    computed = {each.subject for each in report.of(Verdict.FALSE) if each.measured is not None}
    assert computed == edited


def elsewhere(predicate: dict[str, Any]) -> None:
    """Have a job name data that nobody has here."""
    predicate["buildDefinition"]["externalParameters"]["job"]["data"]["name"] = "conll2002"


def test_without_data_it_is_said(folder: Path, keys: Path, nowhere: DataFolders) -> None:
    forge(folder, elsewhere, keys / "ours.pem")
    report = verify(folder, nowhere, key=keys / "ours.pub")
    assert false_subjects(report) == set()
    unmeasured = report.of(Verdict.NO_DATA)
    assert {"f1 of this as onnx on sample-entities test"} <= {each.subject for each in unmeasured}
    assert all("ALAMBIQUE_DATA" in str(each.note) for each in unmeasured)


@pytest.mark.parametrize("flips", [52, pytest.param(1000, marks=pytest.mark.slow)])
def test_bytes_that_are_flipped_are_found(
    folder: Path, keys: Path, nowhere: DataFolders, flips: int
) -> None:
    chance = random.Random(17)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.name for path in files}
    assert names >= {"README.md", "alambique.json", "model.onnx", "model.sig", "bom.json"}
    caught = 0
    for number in range(flips):
        path = files[number % len(files)]
        content = path.read_bytes()
        place = chance.randrange(len(content))
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            report = verify(folder, nowhere, key=keys / "ours.pub")
            caught += report.exit_code == 1 and report.fingerprint is None
        except BadModel:  # a provenance that cannot be read any more
            assert path.name == PROVENANCE
            caught += 1
        path.write_bytes(content)
    assert caught == flips


def test_an_unsigned_folder_says_so_and_its_hashes_are_checked_all_the_same(
    settings: Settings, release: Release, keys: Path, nowhere: DataFolders, tmp_path: Path
) -> None:
    folder = tmp_path / "unsigned"
    stage(settings, release, folder)
    (folder / "LICENSE").write_text("do as you please")
    (folder / "run.py").write_text("print()")
    report = verify(folder, nowhere)
    signature = report.findings[0]
    assert (signature.subject, signature.verdict) == ("signature", Verdict.SAID)
    assert "nobody answers" in str(signature.note)
    assert false_subjects(report) == {"LICENSE", "run.py"}
    assert "signature" in false_subjects(verify(folder, nowhere, key=keys / "ours.pub"))


@pytest.mark.parametrize(
    ("change", "false"),
    [
        (lambda folder: (folder / "run.py").write_text("print()"), {"signature", "run.py"}),
        (lambda folder: (folder / "model.onnx").unlink(), {"signature", "model.onnx"}),
        (lambda folder: (folder / "signing_key.pub").unlink(), {"signature"}),
        (lambda folder: (folder / "bom.json").unlink(), {"signature", "bom.json"}),
    ],
)
def test_files_too_many_or_too_few_are_found(
    folder: Path, nowhere: DataFolders, change: Callable[[Path], object], false: set[str]
) -> None:
    change(folder)
    report = verify(folder, nowhere)
    assert false_subjects(report) >= false
    assert report.exit_code == 1


def test_what_git_and_the_hub_put_beside_the_files_is_passed_by(
    folder: Path, nowhere: DataFolders, keys: Path
) -> None:
    (folder / ".gitattributes").write_text("*.onnx filter=lfs\n")
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "x.lock").touch()
    files = signing.verify(list_files(folder), keys / "ours.pub")
    assert "model.onnx" in files.hashes
    (folder / "link").symlink_to(folder / "LICENSE")
    with pytest.raises(BadModel, match="is a link"):
        verify(folder, nowhere)


def test_the_command_ends_as_its_page_says(
    folder: Path,
    keys: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ALAMBIQUE_HOME", str(tmp_path / "home"))

    def ends(*arguments: object) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["alambique", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    code, out = ends(folder, "--json")
    report = json.loads(out)
    assert (code, report["exit_code"], report["is_key_named"]) == (0, 0, False)
    assert "which you did not name" in report["findings"][0]["note"]
    assert ends(folder, "--key", keys / "theirs.pub")[0] == 1
    assert ends(tmp_path / "none")[0] == 2

    forge(folder, elsewhere, keys / "ours.pem")
    code, out = ends(folder, "--key", keys / "ours.pub")
    assert code == 3
    assert "data not at hand" in out
    (folder / SIGNATURE).unlink()
    code, out = ends(folder)
    assert code == 3
    assert "nobody answers for these files" in out


def test_a_teacher_is_published_without_a_form_of_its_own(
    load: Callable[[str], Release], settings: Settings, nowhere: DataFolders, tmp_path: Path
) -> None:
    teacher = load("pico-teacher")
    assert teacher.engine_file is None
    stage(settings, teacher, tmp_path / "teacher")
    report = verify(tmp_path / "teacher", nowhere)
    assert report.exit_code == 0
    held = {finding.subject for finding in report.of(Verdict.HELD)}
    assert {"f1 of this on sample-entities test", "parameters of this"} <= held
