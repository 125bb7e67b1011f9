"""A card that was edited and signed again: each cell that is not its provenance's is named."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.workers.verifying.folders import forge, forge_files

from alambique.workers.publishing.data_at_hand import DataFolders
from alambique.workers.publishing.findings import Finding, Verdict
from alambique.workers.publishing.printed_card import card_findings, read_card
from alambique.workers.publishing.verification import verify

CARD = "README.md"


def false(card: bytes | None, expected: bytes) -> list[Finding]:
    return [each for each in card_findings(card, expected) if each.verdict is Verdict.FALSE]


def table_lines(card: str) -> Iterator[int]:
    """The numbers of the lines that are rows of tables, under their titles."""
    is_under = False
    for number, line in enumerate(card.splitlines()):
        if is_under and line.startswith("|"):
            yield number
        is_under = line.startswith("|") and (is_under or line.startswith("| ---"))


def other_figure(cell: str) -> str:
    """The cell with its last digit changed."""
    place = max(number for number, letter in enumerate(cell) if letter.isdigit())
    return f"{cell[:place]}{(int(cell[place]) + 1) % 10}{cell[place + 1 :]}"


def test_every_figure_of_every_table_is_told_by_row_and_column(published: Path) -> None:
    """Each cell with a figure in turn is made another one, in both languages."""
    card = (published / CARD).read_text()
    lines, changed, titles = card.splitlines(), 0, set()
    for number in table_lines(card):
        cells = re.split(r"(?<!\\)\|", lines[number])
        for column, cell in enumerate(cells):
            if not re.search(r"\d", cell):
                continue
            edited = [*cells[:column], other_figure(cell), *cells[column + 1 :]]
            forged = "\n".join([*lines[:number], "|".join(edited), *lines[number + 1 :], ""])
            (finding,) = false(forged.encode(), card.encode())
            assert finding.published == other_figure(cell).strip()
            assert finding.measured == cell.strip()
            assert re.search(r"table.*, row \d+ \(.+\), .", finding.subject)
            titles.add(finding.subject.rpartition(", ")[2])
            changed += 1
    assert changed > 150
    assert titles >= {"layers", "steps", "f1 %", "ece %", "kept %", "gain", "validation loss"}
    assert titles >= {"parameters", "full", "ms", "texts/s", "MB", "ratio", "size"}
    assert titles >= {"core-hours per million texts", "pérdida en validación"}


def test_rows_and_tables_that_are_swapped_added_or_left_out_are_false(published: Path) -> None:
    card = (published / CARD).read_text()
    lines = card.splitlines()
    first, second, *_ = table_lines(card)
    swapped = [*lines]
    swapped[first], swapped[second] = lines[second], lines[first]
    for forged, rows in (
        (swapped, {"row 1", "row 2"}),
        ([*lines[:first], *lines[first + 1 :]], {"row 1", "row 2", "row 3"}),
        ([*lines[: first + 1], lines[first], *lines[first + 1 :]], {"row 2", "row 3", "row 4"}),
        ([*lines[: first - 2], "", *lines[first + 3 :]], {"table"}),
        ([*lines, "", "| red | f1 % |", "| --- | ---: |", "| alumno | 99.99 |"], {"table"}),
    ):
        found = " ".join(each.subject for each in false("\n".join(forged).encode(), card.encode()))
        assert all(row in found for row in rows), (rows, found)


@pytest.mark.parametrize(
    ("edit", "subject"),
    [
        (lambda card: card.replace(" 20 examples; models", " 2000 examples; models"), "Results"),
        (lambda card: card + "\nF1 of 99.9 on everything.\n", "F1 of 99.9"),
        (lambda card: card.replace("value: 0.", "value: 0.9", 1), "model-index"),
        (lambda card: re.sub(r"(?s)^---\n.*?\n---\n", "", card), "model-index"),
        (
            lambda card: re.sub(r"(?s)\n## English.*?\n## El trabajo", "\n## El trabajo", card),
            "English",
        ),
        (lambda card: "# pico\n", "table"),
        (lambda card: "---\na: [\n---\n", "README.md"),
    ],
)
def test_figures_outside_of_tables_are_those_of_the_provenance(
    published: Path, edit: Callable[[str], str], subject: str
) -> None:
    card = (published / CARD).read_text()
    assert edit(card) != card
    assert any(subject in each.subject for each in false(edit(card).encode(), card.encode()))


def test_words_that_a_publisher_adds_are_said_and_not_false(published: Path) -> None:
    card = (published / CARD).read_bytes()
    findings = list(card_findings(card + b"\nThanks to all.\n", card))
    assert {each.verdict for each in findings} == {Verdict.SAID, Verdict.HELD}
    assert all(each.verdict is Verdict.HELD for each in card_findings(card, card))


def test_bars_and_headings_inside_of_code_are_none_of_the_card() -> None:
    card = read_card("# a\n## b\n```yaml\n# c\n| d |\n```\n| e \\| f |\n|---|\n| 1 |\n### g\nh\n")
    assert list(card.sections) == ["", "b", "b, g"]
    (table,) = card.sections["b"].tables
    assert (table.titles, table.rows) == (["e \\| f"], [["1"]])


EDITS: Mapping[str, Callable[[Path], object]] = {
    "README.md, English, Results, table 1, row 2": lambda folder: edit_row(
        folder, "student, gold-only", 2
    ),
    "README.md, Español, Resultados, table 1, row 1": lambda folder: edit_row(folder, "maestro", 3),
    "README.md, English, Size and speed, table 1": lambda folder: edit_row(
        folder, "student, distilled", 5, last=True
    ),
    "pictures/front.svg": lambda folder: (folder / "pictures/front.svg").write_text("<svg/>"),
    "README.md": lambda folder: (folder / CARD).unlink(),
}


def edit_row(folder: Path, name: str, column: int, *, last: bool = False) -> None:
    """Change a figure in the first or last row of that name."""
    lines = (folder / CARD).read_text().splitlines()
    numbers = [n for n, line in enumerate(lines) if line.startswith(f"| {name} |")]
    number = numbers[-1 if last else 0]
    cells = lines[number].split("|")
    cells[column] = other_figure(cells[column])
    lines[number] = "|".join(cells)
    (folder / CARD).write_text("\n".join(lines))


@pytest.mark.parametrize("subject", EDITS)
def test_a_card_that_is_edited_and_signed_is_found(
    folder: Path, keys: Path, nowhere: DataFolders, subject: str
) -> None:
    forge_files(folder, EDITS[subject], keys / "ours.pem")
    report = verify(folder, nowhere, key=keys / "ours.pub")
    assert report.exit_code == 1
    (found,) = [each.subject for each in report.of(Verdict.FALSE)]
    assert found.startswith(subject)


def own_row(record: dict[str, Any]) -> dict[str, Any]:
    (row,) = (row for row in record["result"]["rows"] if row["version"] == "pico@1")
    found: dict[str, Any] = row
    return found


@pytest.mark.parametrize(
    ("edit", "subject"),
    [
        # of what the card prints, each is in another place of the record as well
        (lambda record: own_row(record)["metrics"].update(f1=0.99), "f1 of student"),
        (lambda record: own_row(record)["seeds"][0]["metrics"].update(f1=0.99), "f1 of"),
        (lambda record: own_row(record)["seeds"][1]["metrics"].update(f1=0.99), "f1 of"),
        (lambda record: own_row(record).update(latency_ms=0.01), "latency_ms of this"),
        (lambda record: own_row(record).update(retention=0.99), "retention of f1"),
        (lambda record: own_row(record)["deviations"].update(f1=0.0001), "f1 deviation"),
        (lambda record: own_row(record)["gains"][0].update(seeds=9), "f1 gain over"),
        (lambda record: own_row(record)["macs"].update(full=7), "macs_full of this"),
        (lambda record: record["version"].update(parameters=7), "parameters of this"),
        (lambda record: record["version"]["files"][-1].update(size=7), "bytes of"),
        (lambda record: record["result"]["settings"].update(examples=2000), "examples of this"),
        (
            lambda record: next(e for e in record["result"]["engines"] if e["version"]).update(
                p50_ms=0.001
            ),
            "p50_ms of this as onnx",
        ),
    ],
)
def test_a_record_that_is_edited_in_one_place_contradicts_another_or_a_measurement(
    folder: Path,
    keys: Path,
    nowhere: DataFolders,
    edit: Callable[[dict[str, Any]], object],
    subject: str,
) -> None:
    """The forger makes numbers, card and bill of materials after it."""

    def edit_record(predicate: dict[str, Any]) -> None:
        edit(predicate["alambique_record"])

    forge(folder, edit_record, keys / "ours.pem")
    report = verify(folder, nowhere, key=keys / "ours.pub")
    assert any(each.subject.startswith(subject) for each in report.of(Verdict.FALSE))
    assert not any(each.subject.startswith("README.md") for each in report.of(Verdict.FALSE))
