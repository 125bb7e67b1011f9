"""A published folder verified, offline and without our server: signature, hashes, numbers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alambique.models.weights import weights_hash
from alambique.runtime.about import ABOUT, About, about_fields
from alambique.spec.errors import BadModel, UnknownName
from alambique.spec.reading import job_of
from alambique.tasks.all import find
from alambique.workers.publishing import signing
from alambique.workers.publishing.bill_of_materials import BILL_OF_MATERIALS
from alambique.workers.publishing.bill_of_materials import LARGEST as LARGEST_BILL
from alambique.workers.publishing.data_at_hand import DataFolders
from alambique.workers.publishing.derived import Derivation
from alambique.workers.publishing.findings import Finding, Verdict, exit_code
from alambique.workers.publishing.numbers import Measured, Number
from alambique.workers.publishing.printed_bill import bill_findings, bill_hashes
from alambique.workers.publishing.provenance import (
    LARGEST,
    PROVENANCE,
    Provenance,
    read_provenance,
)
from alambique.workers.publishing.published_files import (
    PUBLIC_KEY,
    SIGNATURE,
    PublishedFiles,
    list_files,
)

_UNLISTED = frozenset({BILL_OF_MATERIALS, PUBLIC_KEY})
"""Files that the bill of materials cannot list: itself, and what comes with the signature."""
_DERIVED = 1e-9
"""Part of a number that it may differ by where it is computed from others: rounding alone."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of a published folder."""

    name: str
    """The version, as name@number."""
    fingerprint: str | None
    """Of the key that signed it. None: nobody has, or the signature does not hold."""
    is_key_named: bool
    """Whether the verifier named that key."""
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """How the command ends: see `findings.exit_code`."""
        return exit_code(self.findings)

    def of(self, *verdicts: Verdict) -> tuple[Finding, ...]:
        """Return the findings with one of these verdicts."""
        return tuple(finding for finding in self.findings if finding.verdict in verdicts)


def verify(
    folder: Path,
    folders: DataFolders,
    *,
    key: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Report:
    """Return what was found of a published folder. Nothing in it is run, and no network is asked.

    Its numbers are measured only where its files are those that were published.

    Args:
        folder: as it was published, or fetched from the hub.
        folders: where data is looked for.
        key: the public key of whom the verifier trusts. None: the one in the folder, which says
            only that all files are of one hand.
        report: is told what is done next.

    Raises:
        BadModel: it is no published folder.
        BadSpec: the key is none.
        MissingExtra: what checks signatures is not installed.
    """
    files = list_files(folder)
    provenance = read_provenance(files.read(PROVENANCE, LARGEST))
    model = provenance.model
    report("checking signature and hashes")
    fingerprint, signature = _signature_findings(files, key)
    findings = [*signature, *_file_findings(files, provenance)]
    if not any(finding.verdict is Verdict.FALSE for finding in findings):
        findings += _number_findings(files, provenance, folders, report)
    else:
        findings.append(
            Finding(
                "numbers",
                Verdict.SAID,
                note="nothing was measured: the files are not those that were published",
            )
        )
    return Report(
        name=f"{model.name}@{model.version}",
        fingerprint=fingerprint,
        is_key_named=key is not None,
        findings=tuple(findings),
    )


def _signature_findings(
    files: PublishedFiles, key: Path | None
) -> tuple[str | None, list[Finding]]:
    """Return the fingerprint of the key that signed a folder, and what is to be said of it."""
    if not (files.folder / SIGNATURE).is_file():
        verdict = Verdict.SAID if key is None else Verdict.FALSE
        note = "unsigned: nobody answers for these files"
        return None, [Finding("signature", verdict, note=note)]
    if key is None and PUBLIC_KEY not in files.hashes:
        note = f"the folder has no {PUBLIC_KEY} to check it with: name the key with --key"
        return None, [Finding("signature", Verdict.FALSE, note=note)]
    try:
        signed = signing.verify(files, key or files.folder / PUBLIC_KEY)
    except signing.BadSignature as error:
        return None, [Finding("signature", Verdict.FALSE, note=str(error))]
    named = "which you named" if key else "which you did not name: ask its owner for it, and --key"
    note = f"signed by the key with fingerprint {signed.fingerprint}, {named}"
    return signed.fingerprint, [Finding("signature", Verdict.HELD, note=note)]


def _file_findings(files: PublishedFiles, provenance: Provenance) -> Iterator[Finding]:
    """Yield whether the files are those that provenance and bill of materials list, and no more."""
    listed = {each.name: each.digest.get("sha256", "") for each in provenance.subject}
    yield from _hash_findings(PROVENANCE, listed, files.hashes)
    bill = _read_if_there(files, BILL_OF_MATERIALS, LARGEST_BILL)
    if bill is None:
        yield Finding(BILL_OF_MATERIALS, Verdict.FALSE, note="it is not there")
        return
    in_bill = bill_hashes(bill)
    yield from _hash_findings(BILL_OF_MATERIALS, in_bill, files.hashes)
    for name in sorted(files.hashes.keys() - in_bill.keys() - _UNLISTED):
        yield Finding(name, Verdict.FALSE, note=f"{BILL_OF_MATERIALS} does not list it")


def _hash_findings(
    source: str, listed: Mapping[str, str], found: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield a finding for each file that is not as a list has it; one where all are."""
    wrong = [name for name, digest in listed.items() if found.get(name) != digest]
    for name in wrong:
        note = f"{source} lists it with another sha256" if name in found else "it is not there"
        yield Finding(name, Verdict.FALSE, listed[name], found.get(name), note=note)
    if not wrong:
        note = f"{len(listed)} files are as it lists them"
        yield Finding(f"files of {source}", Verdict.HELD, note=note)


def _number_findings(
    files: PublishedFiles,
    provenance: Provenance,
    folders: DataFolders,
    report: Callable[[str], None],
) -> Iterator[Finding]:
    """Yield the findings on what a folder says of itself, and on every number."""
    # imported here: torch takes seconds, which a damaged folder is not worth
    from alambique.workers.publishing.consistency import record_findings
    from alambique.workers.publishing.measuring import Measurement

    yield from _about_findings(files, provenance)
    try:
        find(provenance.model.task)
    except UnknownName as error:
        note = f"{error}; verify where the module of that task is installed"
        yield Finding("numbers", Verdict.NO_DATA, note=note)
        return
    report("making the card again")
    yield from record_findings(files, provenance)
    yield from bill_findings(files.read(BILL_OF_MATERIALS, LARGEST_BILL), provenance)
    try:
        job = job_of(provenance.job)
        yield from Measurement(files, provenance, job, folders).findings(report)
    except BadModel as error:
        yield Finding("numbers", Verdict.FALSE, note=f"the files cannot be measured: {error}")
    derivation = Derivation.of(provenance)
    for number in provenance.numbers:
        match number.measured:
            case Measured.DERIVED:
                yield _derived_finding(number, derivation.value(number))
            case Measured.OWN_FILE:
                note = f"it is of {number.version}, whose files are not here"
                yield Finding(str(number), Verdict.NOT_HERE, number.value, note=note)
            case Measured.NOT_HERE:
                yield Finding(str(number), Verdict.NOT_HERE, number.value)
            case Measured.HERE | Measured.RATIO:
                continue


def _about_findings(files: PublishedFiles, provenance: Provenance) -> Iterator[Finding]:
    """Yield whether the folder says what its provenance says: weights, labels, windows."""
    model = provenance.model
    try:
        about = About.of(about_fields(files.folder), files.folder)
        found = {
            "weights": weights_hash(files.folder),
            "task": about.task,
            "labels": ", ".join(about.labels),
            "windows": f"{about.max_length}, stride {about.stride}",
        }
    except BadModel as error:
        yield Finding(ABOUT, Verdict.FALSE, note=str(error))
        return
    expected = {
        "weights": model.weights,
        "task": model.task,
        "labels": ", ".join(model.labels),
        "windows": f"{model.max_length}, stride {model.stride}",
    }
    for name, value in expected.items():
        verdict = Verdict.HELD if found[name] == value else Verdict.FALSE
        yield Finding(f"{name} of the model", verdict, value, found[name])


def _derived_finding(number: Number, value: float | None) -> Finding:
    """Return whether a number is what the others of its provenance make it."""
    if value is None:
        note = "it follows from other numbers, which the provenance has not"
        return Finding(str(number), Verdict.FALSE, number.value, note=note)
    is_held = abs(value - number.value) <= _DERIVED * max(1.0, abs(value))
    verdict = Verdict.HELD if is_held else Verdict.FALSE
    return Finding(str(number), verdict, number.value, value, "rounding", "from other numbers")


def _read_if_there(files: PublishedFiles, name: str, most: int) -> bytes | None:
    return files.read(name, most) if name in files.hashes else None
