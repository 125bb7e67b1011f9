"""The numbers that a card and a bill of materials print, beside those of the provenance."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from alambique.spec.documents import Unreadable, from_yaml
from alambique.spec.figures import share
from alambique.workers.publishing.bill_of_materials import performance_metrics
from alambique.workers.publishing.findings import Finding, Verdict
from alambique.workers.publishing.numbers import GAINED, RETAINED, THIS, Number
from alambique.workers.publishing.provenance import Provenance

CARD = "README.md"
LARGEST_CARD = 4 << 20
_FENCE = "---\n"
_RETENTION = ("conserva %", "kept %")
_GAIN = ("ganancia", "gain")
"""Columns of the card in its two languages."""
_FIGURE = re.compile(r"[+-]?\d+\.\d+")


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """A number of a card's `model-index`."""

    names: tuple[str, ...]
    """What the card calls the metric: its type, by a name of the hub, then its own name where it
    has one. The last one counts."""
    split: str | None
    value: object

    def __str__(self) -> str:
        """Return what it is called."""
        return f"{self.names[-1]}{f' on {self.split}' if self.split else ''}"


def card_findings(card: bytes, provenance: Provenance) -> Iterator[Finding]:
    """Yield a finding on each number of a card's `model-index`.

    Each is to be the number of the published weights in the provenance, in full.
    """
    printed = _model_index(card)
    if isinstance(printed, Finding):
        yield printed
        return
    numbers = [number for number in provenance.numbers if number.model == THIS]
    for each in printed:
        subject = f"{CARD}, model-index: {each}"
        same = [number for number in numbers if _is_of(number, each)]
        if any(_is_written(each.value, number.value) for number in same):
            yield Finding(subject, Verdict.HELD, _shown(each.value), note="as in the provenance")
        else:
            known = ", ".join(str(number.value) for number in same[:3]) or "no such number"
            yield Finding(
                subject, Verdict.FALSE, _shown(each.value), note=f"the provenance has {known}"
            )


def table_findings(card: bytes, provenance: Provenance) -> Iterator[Finding]:
    """Yield findings on the scores and gains in a card's tables.

    Each is to be, to the digit, a number of the provenance under the metric of its column; which
    network it is of is not looked at.
    """
    known = _written_figures(provenance)
    checked = 0
    for column, cell in _table_cells(card.decode(errors="replace")):
        for figure in _FIGURE.findall(cell) if column in known else ():
            checked += 1
            if figure not in known[column]:
                note = f"the provenance has no such figure of {column.removesuffix(' %')}"
                yield Finding(f"{CARD}, tables: {column}", Verdict.FALSE, figure, note=note)
    yield Finding(f"{CARD}, tables", Verdict.HELD, checked, note="figures looked up")


def _written_figures(provenance: Provenance) -> Mapping[str, set[str]]:
    """Return the figures that may stand in the columns of a card's tables, as they are written."""
    known: dict[str, set[str]] = {}
    columns: tuple[str, ...]
    for number in provenance.numbers:
        if RETAINED in number.metric:
            columns, figure = _RETENTION, str(share(number.value))
        elif GAINED in number.metric:
            columns, figure = _GAIN, f"{100 * number.value:+.2f}"
        else:
            columns, figure = (f"{number.metric.split(' ')[0]} %",), str(share(number.value))
        for column in columns:
            known.setdefault(column, set()).add(figure)
    return known


def _table_cells(card: str) -> Iterator[tuple[str, str]]:
    """Yield each cell of the tables of a Markdown text with the name of its column."""
    columns: list[str] = []
    for line in card.splitlines():
        if not line.startswith("|"):
            columns = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not columns:
            columns = cells
        elif set(line) - set("|-: "):
            yield from zip(columns, cells, strict=False)


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


def _model_index(card: bytes) -> list[PrintedNumber] | Finding:
    """Return the numbers of the `model-index` in the front matter of a card."""
    text = card.decode(errors="replace")
    fields: Any = {}
    if text.startswith(_FENCE):
        head = text.removeprefix(_FENCE).partition(f"\n{_FENCE}")[0]
        try:
            fields = from_yaml(head)
        except Unreadable as error:
            return Finding(CARD, Verdict.FALSE, note=f"its front matter cannot be read: {error}")
    index = fields.get("model-index") if isinstance(fields, dict) else None
    if index is None:
        return Finding(CARD, Verdict.SAID, note="it has no model-index, whose numbers are checked")
    try:
        return [
            PrintedNumber(
                names=tuple(str(metric[key]) for key in ("type", "name") if metric.get(key)),
                split=result["dataset"].get("split"),
                value=metric["value"],
            )
            for model in index
            for result in model["results"]
            for metric in result["metrics"]
        ]
    except (KeyError, TypeError, AttributeError):
        return Finding(CARD, Verdict.FALSE, note="its model-index has not the form of one")


def _is_of(number: Number, printed: PrintedNumber) -> bool:
    """Return whether a number of the provenance is the one that a card means."""
    is_named = _plain(number.metric) == _plain(printed.names[-1])
    return is_named and printed.split in (None, number.split, _SPLITS.get(number.split or ""))


_SPLITS = {"dev": "validation"}
"""What the hub calls them."""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _is_written(printed: object, value: float) -> bool:
    """Return whether a printed number is a value, rounded to the digits that are printed.

    Scores may be printed in percent.

    >>> _is_written(0.762, 0.76221), _is_written("76.22", 0.76221), _is_written(0.77, 0.76221)
    (True, True, False)
    """
    try:
        number = Decimal(str(printed))
    except InvalidOperation:
        return False
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    half = Decimal(1).scaleb(exponent) / 2
    exact = Decimal(repr(value))
    return any(abs(number - scaled) <= half for scaled in (exact, exact * 100))


def _shown(value: object) -> str:
    return str(value)[:80]
