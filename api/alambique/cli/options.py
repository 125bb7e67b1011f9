"""Arguments and options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from alambique.spec.errors import BadSpec
from alambique.spec.excerpts import short

JobFile = Annotated[Path, typer.Argument(metavar="JOB.yaml", help="A job file.")]
JobNamed = Annotated[
    str,
    typer.Argument(metavar="JOB", help="The id of a job, its first digits, or the job's name."),
]
SuiteFile = Annotated[Path, typer.Argument(metavar="SUITE.yaml", help="A suite file.")]
SuiteNamed = Annotated[
    str,
    typer.Argument(metavar="SUITE", help="The id of a suite, its first digits, or its name."),
]
Versioned = Annotated[
    str,
    typer.Argument(
        metavar="NAME[@VERSION]",
        help="A model at a number or an alias; its newest version by default.",
    ),
]
Numbered = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A version by its number.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field of the file; repeatable."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Watch it until it is over.")]
Key = Annotated[
    str | None, typer.Option(help="Sent again with the same key, nothing is made a second time.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Do every stage again, whatever was done before.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Project = Annotated[str, typer.Option(help="The project that the model is of.")]
InProject = Annotated[str | None, typer.Option("--project", help="Only of this project.")]
OfTask = Annotated[str | None, typer.Option("--task", help="Only of this task.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option(help="Go on after an earlier list.")]


def name_and_number(text: str) -> tuple[str, int]:
    """Return the two parts of NAME@VERSION, where the version is to be said by its number.

    >>> name_and_number("tiny-ner@3")
    ('tiny-ner', 3)

    Raises:
        BadSpec: the text has another form.
    """
    name, _, number = text.partition("@")
    if not (name and number.isascii() and number.isdecimal() and len(number) < 10):
        raise BadSpec(
            f"{short(text)} names no version by its number: give NAME@NUMBER, as "
            "`alambique models show NAME` lists them"
        )
    return name, int(number)


def name_and_version(text: str) -> tuple[str, str]:
    """Return the two parts of NAME[@VERSION].

    >>> name_and_version("tiny-ner@3"), name_and_version("tiny-ner")
    (('tiny-ner', '3'), ('tiny-ner', 'latest'))
    """
    name, _, version = text.partition("@")
    return name, version or "latest"
