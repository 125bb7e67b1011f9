"""Which layers of its teacher a student has learnt from, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SHOWN = 2
"""Of the layers that are mixed, those that are told: the heaviest."""


def learnt_from(row: Mapping[str, Any]) -> Iterator[str]:
    """A line for each term that compared layers, of a student as a job's result has it."""
    for term, found in row.get("maps", {}).items():
        trial = f", trial {row['trial']}" if "trial" in row else ""
        yield f"{row['name']}{trial}, {term}: {_told(found)}"


def _told(found: Mapping[str, Any]) -> str:
    """Layer of the student, layer of the teacher: "0 from 1 (0.97 alike), 1 from 3"."""
    if found["weights"] is not None:
        return ", ".join(f"{n} from {_mixed(one)}" for n, one in enumerate(found["weights"]))
    alike = found["likeness"] or [None] * len(found["pairs"])
    ends = ["" if value is None else f" ({value:.2f} alike)" for value in alike]
    met = zip(found["pairs"], ends, strict=True)
    return ", ".join(f"{ours} from {theirs}{end}" for (ours, theirs), end in met)


def _mixed(weights: Sequence[float]) -> str:
    heaviest = sorted(range(len(weights)), key=lambda layer: -weights[layer])[:_SHOWN]
    return " and ".join(f"{layer} ({weights[layer]:.0%})".replace("%", " %") for layer in heaviest)
