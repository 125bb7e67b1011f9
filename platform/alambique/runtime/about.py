"""What a model's folder says of itself, beside its config: how to feed it and what it answers."""

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
    stride: int
    settings: Mapping[str, Any]
    """How logits become predictions, as chosen on validation data."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return what the fields of a file say.

        Raises:
            KeyError, ValueError, TypeError: a field is missing, or has no such value.
        """
        return cls(
            task=str(content["task"]),
            output=Output(content["output"]),
            inputs=tuple(content["inputs"]),
            labels=tuple(content["labels"]),
            max_length=int(content["max_length"]),
            stride=int(content["stride"]),
            settings=content.get("settings", {}),
        )


def read_about(folder: Path) -> About:
    """Return what a folder says of its model.

    Raises:
        BadModel: it says nothing, or a version before 0.2 wrote it.
    """
    try:
        return About.of(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadModel(
            f"{folder} has no {ABOUT} that can be read ({error}): download the version again, or "
            "register it anew where alambique 0.1 made it"
        ) from error
