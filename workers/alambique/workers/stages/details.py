"""What a version says of its network: how it was trained, whether it may teach, by which code."""

from collections.abc import Sequence
from typing import Any

from alambique.workers.pipeline.provenance import UNKNOWN, running_code
from alambique.workers.pipeline.records import (
    CodeVersion,
    CompressedModel,
    FineTuneRun,
    GateFigures,
    SelectedTeacher,
    TrainedModel,
)


def line_details(
    model: TrainedModel, teacher: SelectedTeacher | None, evaluation: Sequence[CodeVersion]
) -> dict[str, Any]:
    """Return what the version of a network of the table says.

    Args:
        model: the network.
        teacher: what it is as a teacher; None: it is a student.
        evaluation: the code that measured it.
    """
    details: dict[str, Any] = {
        "seconds": model.seconds,
        "steps": model.steps,
        "diverged": model.diverged,
        "maps": {label: one.model_dump(mode="json") for label, one in model.maps.items()},
    }
    if model.seed is not None:
        details["seed"] = model.seed
    if model.trial is not None:
        details |= {"trial": model.trial, "values": model.values}
    if teacher is not None and teacher.gate is not None:
        state = {"state": "off" if teacher.gate_off else "on"}
        details["gate"] = state | _gate_details(teacher.gate, teacher.collapsed)
    return details | code_details(model, evaluation)


def run_details(run: FineTuneRun, model: TrainedModel) -> dict[str, Any]:
    """Return what the version of a run of fine-tuning that did not teach says."""
    gate = run.result.gate
    return {
        "model": run.model,
        "grid": run.point,
        "collapsed": run.collapsed,
        **({"gate": _gate_details(gate, run.collapsed)} if gate else {}),
        "seconds": model.seconds,
        "diverged": model.diverged,
    } | code_details(model)


def compression_details(compressed: CompressedModel, student: str) -> dict[str, Any]:
    """Return what the version of a student in another format says.

    Args:
        compressed: its files and figures.
        student: the version that they were made of, as name@number.
    """
    return {
        "student": student,
        "bytes": compressed.bytes,
        "seconds": compressed.seconds,
        "validation": {
            "metric": compressed.metric,
            "value": compressed.score,
            "student": compressed.own_score,
            "difference": compressed.difference,
        },
        "made_by": {
            "compression": [code.model_dump(mode="json") for code in compressed.made_by],
            "registration": [running_code().model_dump(mode="json")],
        },
    }


def _gate_details(gate: GateFigures, collapsed: str | None) -> dict[str, Any]:
    """Return the figures of the gate, and whether the network may teach by them."""
    figures = gate.model_dump(mode="json") | {"half_width": gate.half_width}
    return figures | {"passed": collapsed is None, "collapsed": collapsed}


def code_details(
    model: TrainedModel, evaluation: Sequence[CodeVersion] | None = None
) -> dict[str, Any]:
    """Return what a version says of the code that did each of its stages.

    A network that came fine-tuned was trained by others, and only tested here.

    Args:
        model: the network.
        evaluation: the code that measured it on the test split; None where nobody did.
    """
    stages: dict[str, Sequence[CodeVersion]] = {
        "training" if model.loss is not None else "testing": model.made_by or (UNKNOWN,),
        "registration": (running_code(),),
    }
    if model.outputs_by:
        stages["outputs"] = model.outputs_by
    if evaluation is not None:
        stages["evaluation"] = evaluation or (UNKNOWN,)
    by_stage = {
        stage: [code.model_dump(mode="json") for code in codes] for stage, codes in stages.items()
    }
    return {"made_by": by_stage}
