"""`alambique verify`: whether a published folder is what it says it is."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alambique.cli.environment import settings_of
from alambique.cli.extras import check_extras
from alambique.cli.options import Json

if TYPE_CHECKING:
    from alambique.workers.publishing.findings import Finding, Value
    from alambique.workers.publishing.verification import Report


def verify(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="A published model, as it was fetched.",
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="The public key (PEM) of whom you trust to sign it."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check signature and hashes of a published model, and measure its numbers again, offline.

    Ends with 0 if all that could be checked holds, 1 if something is false, 3 if nothing is false
    and data that numbers were measured on is not at hand (ALAMBIQUE_DATA, ALAMBIQUE_HOME, HF_HOME).
    """
    check_extras("workers", "publish")
    from huggingface_hub import constants

    from alambique.cli.tables import show_json
    from alambique.workers.publishing.data_at_hand import DataFolders
    from alambique.workers.publishing.verification import verify as verify_folder

    settings = settings_of(context)
    report = verify_folder(
        folder,
        DataFolders(settings.data, settings.home, Path(constants.HF_HUB_CACHE)),
        key=key,
        report=lambda doing: print(doing, file=sys.stderr),
    )
    if json:
        content = asdict(report) | {"exit_code": report.exit_code}
        show_json(content)
    else:
        _show(report)
    raise typer.Exit(report.exit_code)


def _show(report: "Report") -> None:
    """Print what was found, the signature first and what is false last."""
    from alambique.cli.tables import say, show, table
    from alambique.workers.publishing.findings import Verdict

    said = [finding for finding in report.findings if finding.published is None]
    measured = [finding for finding in report.findings if finding.published is not None]
    for finding in said:
        say(f"{finding.verdict}: {finding.subject}{f': {finding.note}' if finding.note else ''}")
    columns = ("number", "published", "measured", "tolerance", "verdict")
    if measured:
        show(table(columns, map(_cells, measured)))
    for note in dict.fromkeys(each.note for each in report.of(Verdict.NO_DATA) if each.note):
        say(f"{Verdict.NO_DATA}: {note}")
    for finding in report.of(Verdict.FALSE):
        say(f"false: {finding.subject}{f': {finding.note}' if finding.note else ''}")
    say(f"{report.name}: {_summary(report)}")


def _summary(report: "Report") -> str:
    from alambique.workers.publishing.findings import Verdict

    counts = ((verdict, len(report.of(verdict))) for verdict in Verdict)
    return ", ".join(
        f"{count} {verdict}" for verdict, count in counts if count and verdict is not Verdict.SAID
    )


def _cells(finding: "Finding") -> tuple[object, ...]:
    return (
        finding.subject,
        _value(finding.published),
        _value(finding.measured),
        finding.tolerance,
        str(finding.verdict),
    )


def _value(value: "Value | None") -> object:
    """Return a number in six digits, and a hash or another text by its beginning."""
    from alambique.cli.tables import Figure

    match value:
        case float():
            return Figure(f"{value:.6g}")
        case int():
            return Figure(value)
        case str():
            return value if len(value) <= 24 else f"{value[:20]}…"
        case None:
            return None
