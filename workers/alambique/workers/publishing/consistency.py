"""Whether a provenance agrees with itself, and a folder with what the provenance gives."""

from collections.abc import Iterator, Mapping
from typing import Any

from alambique.runtime.about import ABOUT
from alambique.spec.errors import BadModel
from alambique.workers.publishing.card import documents
from alambique.workers.publishing.findings import Finding, Verdict
from alambique.workers.publishing.numbers import Number, contradictions, numbers_of
from alambique.workers.publishing.printed_card import CARD, LARGEST_CARD, card_findings
from alambique.workers.publishing.provenance import PROVENANCE, Provenance, statement_of
from alambique.workers.publishing.published_files import PublishedFiles
from alambique.workers.publishing.release import Release

_LARGEST_PICTURE = 4 << 20
_NUMBERS = "alambique_numbers"
_MANY = 20
"""Fields of a provenance that are named, where more are false."""


def record_findings(files: PublishedFiles, provenance: Provenance) -> Iterator[Finding]:
    """Yield whether numbers, card and pictures are those that the record of the release gives.

    The record is what the registry had when it was published. All else is made of it, by the code
    that made it first, and has to come out the same; whether the numbers are true is measured
    elsewhere.
    """
    try:
        release = provenance.record.release(provenance.job)
        yield from _provenance_findings(provenance, release)
        yield from _size_findings(files, release)
        drawn = documents(release, provenance.record.licences)
    except Exception as error:  # whatever a stranger's record does to code that trusts the registry
        reason = str(error) if isinstance(error, BadModel) else f"{type(error).__name__}: {error}"
        note = f"no card can be made of its record: {reason}"
        yield Finding(PROVENANCE, Verdict.FALSE, note=note)
        return
    card = files.read(CARD, LARGEST_CARD) if CARD in files.hashes else None
    yield from card_findings(card, drawn[CARD])
    for name, content in drawn.items():
        if name.endswith(".svg"):
            is_there = name in files.hashes
            same = is_there and files.read(name, _LARGEST_PICTURE) == content
            note = "as its provenance gives it" if same else "its provenance gives another picture"
            verdict = Verdict.HELD if same else Verdict.FALSE
            yield Finding(name, verdict, note=note if is_there else "it is not there")


def _provenance_findings(provenance: Provenance, release: Release) -> Iterator[Finding]:
    """Yield the findings on all that a provenance says beside its record."""
    listed = {number.key: number for number in provenance.numbers}
    made = {number.key: number for number in numbers_of(release)}
    false = [*_number_findings(listed, made)]
    for one, other in contradictions(release):
        note = f"the record of the release has {one.value} and {other.value}"
        false.append(Finding(str(one), Verdict.FALSE, one.value, note=note))
    yield from false
    statement = statement_of(release, provenance.record.licences)
    said = provenance.model_dump(mode="json", by_alias=True)
    for each in (statement, said):
        del each["predicate"][_NUMBERS]
    differing = [*_differences(said, statement, "")]
    for path in differing[:_MANY]:
        note = "the record of the release gives something else"
        yield Finding(f"{PROVENANCE}{path}", Verdict.FALSE, note=note)
    if not false and not differing:
        note = "numbers, each as the record of the release gives it"
        yield Finding(f"{PROVENANCE}: numbers", Verdict.HELD, len(made), note=note)


def _number_findings(
    listed: Mapping[tuple[object, ...], Number], made: Mapping[tuple[object, ...], Number]
) -> Iterator[Finding]:
    for key in dict.fromkeys([*listed, *made]):
        ours, theirs = made.get(key), listed.get(key)
        if theirs is None and ours is not None:
            note = "the record of the release has it, and the list of numbers has not"
            yield Finding(str(ours), Verdict.FALSE, ours.value, note=note)
        elif theirs is not None and theirs != ours:
            other = "has no such number" if ours is None else f"has {ours.value}, {ours.measured}"
            note = f"the record of the release {other}"
            yield Finding(str(theirs), Verdict.FALSE, theirs.value, note=note)


def _size_findings(files: PublishedFiles, release: Release) -> Iterator[Finding]:
    """Yield a finding for each file whose size in the card is not that of the published one."""
    form = release.engine_file
    recorded = {file.name: file for file in release.version.files if file.name != ABOUT}
    if form is not None:
        recorded |= {file.name: file for file in form.files if ".onnx" in file.name}
    for name, file in recorded.items():
        size = (files.folder / name).stat().st_size if name in files.hashes else None
        if size != file.size or files.hashes[name] != file.sha256:
            note = "the record of the release has another file" if size else "it is not there"
            yield Finding(f"bytes of {name}", Verdict.FALSE, file.size, size, note=note)


def _differences(one: Any, other: Any, path: str) -> Iterator[str]:
    """Yield the paths at which two values of JSON differ."""
    match one, other:
        case dict(), dict():
            for key in dict.fromkeys([*one, *other]):
                yield from _differences(one.get(key), other.get(key), f"{path}.{key}")
        case list(), list() if len(one) == len(other):
            for number, pair in enumerate(zip(one, other, strict=True)):
                yield from _differences(*pair, f"{path}[{number}]")
        case _:
            if one != other:
                yield path
