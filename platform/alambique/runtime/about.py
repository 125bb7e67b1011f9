"""What a model's folder says of itself, besides its config: how to feed it and what it answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from alambique.spec.errors import BadModel
from alambique.spec.outputs import Output

ABOUT = "alambique.json"
"""The file in a version's folder."""


@dataclass(frozen=True, slots=True)
class About:
    """What a network was trained for, and how its texts become windows."""

    task: str
    output: Output
    inputs: tuple[str, ...]
    """The names of the texts that its task reads."""
    labels: tuple[str, ...]
    max_length: int
    """Pieces of the longest window."""
    stride: int
    """Pieces that neighbouring windows share."""
    settings: Mapping[str, Any]
    """How logits become predictions, as chosen on validation data."""

    @classmethod
    def of(cls, fields: Mapping[str, Any], folder: Path) -> Self:
        """Return what the fields of a folder's file say.

        Raises:
            BadModel: a field is missing, or has no such value.
        """
        try:
            return cls(
                task=str(fields["task"]),
                output=Output(fields["output"]),
                inputs=tuple(fields["inputs"]),
                labels=tuple(fields["labels"]),
                max_length=int(fields["max_length"]),
                stride=int(fields["stride"]),
                settings=dict(fields.get("settings", {})),
            )
        except KeyError as error:
            raise BadModel(
                f"{folder / ABOUT} lacks {error.args[0]!r}: register the version anew where "
                "alambique 0.1 made it, else download it again"
            ) from error
        except (TypeError, ValueError) as error:
            raise BadModel(
                f"{folder / ABOUT} has a value that is none ({error}): download the version again"
            ) from error


def read_about(folder: Path) -> About:
    """Return what a folder says of its model.

    Raises:
        BadModel: it says nothing, or too little.
    """
    return About.of(about_fields(folder), folder)


def about_fields(folder: Path) -> dict[str, Any]:
    """Return the fields of a folder's file as they are written there.

    Raises:
        BadModel: there is no such file, or none that can be read.
    """
    try:
        fields = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadModel(f"{folder} has no readable {ABOUT}: download the version again") from error
    if not isinstance(fields, dict):
        raise BadModel(f"{folder / ABOUT} is no JSON object: download the version again")
    return fields
