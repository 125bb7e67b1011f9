"""The record of a version: how it was trained and by which code, its metrics, and its lineage."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alambique.registry.records import Edge, Metric, Version
from alambique.spec.job import Job
from alambique.spec.sources import Architecture
from alambique.spec.space import job_with_values
from alambique.spec.states import StudentRole
from alambique.tasks.examples import read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import UNKNOWN, running_code
from alambique.workers.pipeline.records import (
    CodeVersion,
    CompressedModel,
    DataSet,
    Evaluation,
    FineTuneRun,
    GateFigures,
    InitialModel,
    SelectedTeacher,
    Speed,
    SpeedResult,
    TrainedModel,
)
from alambique.workers.stages.engine_race import Race
from alambique.workers.stages.table import speed_figures


def line_details(
    model: TrainedModel, teacher: SelectedTeacher | None, evaluated_by: Sequence[CodeVersion]
) -> dict[str, Any]:
    """Return what the version of a network of the table says.

    Args:
        model: the network.
        teacher: what it is as a teacher; None: it is a student.
        evaluated_by: the code that measured it.
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
    return details | code_details(model, evaluated_by)


def run_details(run: FineTuneRun, model: TrainedModel) -> dict[str, Any]:
    """Return the details of the version of a fine-tuning run that was not chosen to teach."""
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
    model: TrainedModel, evaluated_by: Sequence[CodeVersion] | None = None
) -> dict[str, Any]:
    """Return what a version says of the code that did each of its stages.

    A network that came fine-tuned was trained by others, and only tested here.

    Args:
        model: the network.
        evaluated_by: the code that measured it on the test split; None where nobody did.
    """
    stages: dict[str, Sequence[CodeVersion]] = {
        "training" if model.loss is not None else "testing": model.made_by or (UNKNOWN,),
        "registration": (running_code(),),
    }
    if model.outputs_by:
        stages["outputs"] = model.outputs_by
    if evaluated_by is not None:
        stages["evaluation"] = evaluated_by or (UNKNOWN,)
    by_stage = {
        stage: [code.model_dump(mode="json") for code in codes] for stage, codes in stages.items()
    }
    return {"made_by": by_stage}


def measurement_settings(
    context: JobContext, evaluation: Evaluation, speeds: SpeedResult
) -> dict[str, Any]:
    """Return how a network was measured, with the name that this job has for the examples."""
    data = {"data": context.data.test_name, "split": "test"}
    return data | evaluation.settings | speeds.settings


def test_metrics(
    context: JobContext,
    evaluation: Evaluation,
    speeds: Sequence[Speed],
    settings: Mapping[str, Any],
) -> Iterator[Metric]:
    """Yield scores and speeds; the speeds on further devices have their names in front."""
    first, *others = speeds
    figures = evaluation.score.metrics | speed_figures(first).model_dump()
    for other in others:
        by_name = speed_figures(other).model_dump()
        figures |= {f"{other.device}_{name}": figure for name, figure in by_name.items()}
    for name, value in figures.items():
        yield Metric(context.data.test_name, "test", name, value, dict(settings))


def validation_metrics(context: JobContext, model: TrainedModel) -> list[Metric]:
    """Return what a run was compared by: its loss and its primary metric on validation."""
    examples = read(context.data.files["dev"])
    settings = dict(context.task.settings(examples)) | {"examples": len(examples)}
    scores = {"loss": model.loss, context.task.primary: model.metric}
    return [
        Metric(context.data.name, "dev", name, value, settings)
        for name, value in scores.items()
        if value is not None
    ]


def compression_metrics(
    context: JobContext, compressed: CompressedModel, race: Race
) -> list[Metric]:
    """Return the scores of a student in another format, and its speeds in the race."""
    speed = race.speed_of(compressed)
    figures = compressed.metrics | {
        "p50_ms": speed.p50_ms,
        "p95_ms": speed.p95_ms,
        "p99_ms": speed.p99_ms,
        "one_thread_ms": speed.one_thread_ms,
        "speedup": speed.ratio,
        **({} if speed.memory is None else {"memory": speed.memory}),
        **{f"throughput_{size}": rate for size, rate in speed.per_second.items()},
    }
    settings = {"data": context.data.test_name, "split": "test"} | race.result.settings
    return [
        Metric(context.data.test_name, "test", name, value, dict(settings))
        for name, value in figures.items()
    ]


def run_lineage(
    context: JobContext, model: TrainedModel, initial: InitialModel | None
) -> list[Edge]:
    """Return the edges of a run of fine-tuning that did not teach.

    Args:
        context: the job.
        model: what the run made.
        initial: the model that it began with; None: one from scratch.
    """
    edges = lineage_of(context.job, context.data, model)
    return [*edges, start_edge(initial)] if initial else edges


def model_lineage(
    context: JobContext, model: TrainedModel, teachers: Mapping[str, Version]
) -> Iterator[Edge]:
    """Yield the edges of a network of the table to what it was made of."""
    is_distilled = model.name == StudentRole.DISTILLED
    yield from lineage_of(context.job, context.data, model, unlabelled=is_distilled)
    for teacher in context.teachers if is_distilled else ():
        version = teachers[teacher.model.name]
        yield Edge("teacher", version.id, {"weights": version.weights, **_gate_mark(teacher)})
    start = job_with_values(context.job, model.values or {}).student.start
    if model.name == StudentRole.SAME_START and start == "teacher":
        # it has learnt from labels alone, and is cut from the first teacher all the same
        first = next(iter(teachers.values()))
        hashes = {f"{first.name}@{first.number}": first.weights, **_gate_mark(context.teachers[0])}
        yield Edge("start", first.id, hashes)
    if weights := _first_weights(context, model, start):
        yield start_edge(weights)


def lineage_of(
    job: Job, data: DataSet, model: TrainedModel, *, unlabelled: bool = False
) -> list[Edge]:
    """Return the edges that all networks of a job have: to the hash of each split, and to code.

    Args:
        job: what was asked for.
        data: its examples.
        model: the network. Of one that came fine-tuned no code of ours is named; of one that has
            learnt from teacher outputs also the code that computed these.
        unlabelled: whether the network has learnt from those without labels too.
    """
    hashes = {f"{split}": digest for split, digest in data.hashes.items()}
    if unlabelled and data.unlabelled:
        hashes["unlabelled"] = data.unlabelled.hash
    spec = hashlib.sha256(job.model_dump_json().encode()).hexdigest()
    trained_by = (model.made_by or (UNKNOWN,)) if model.loss is not None else ()
    codes = {
        role if number == 1 else f"{role}-{number}": maker.code
        for role, makers in (("alambique", trained_by), ("outputs", model.outputs_by))
        for number, maker in enumerate(makers, start=1)
    }
    return [Edge("data", None, hashes), Edge("code", None, {**codes, "spec": spec})]


def start_edge(initial: InitialModel) -> Edge:
    """Return the edge to the model that first weights are of, and to the files that it came as."""
    files = {f"{initial.name}/{file}": digest for file, digest in initial.sources.items()}
    return Edge("start", initial.version, {initial.name: initial.weights, **files})


def _gate_mark(teacher: SelectedTeacher) -> dict[str, str]:
    return {"gate": "off"} if teacher.gate_off else {}


def _first_weights(
    context: JobContext, model: TrainedModel, start: str | Architecture
) -> InitialModel | None:
    """Return the model that a network's first weights are of.

    None: they were drawn, or are those of the teacher just trained.

    Args:
        context: the job.
        model: the network.
        start: what its student starts from, by the job with the values of its trial.
    """
    starts = {
        teacher.model.name: candidates[teacher.candidate]
        for candidates, teacher in zip(
            context.inputs.initial_teachers, context.teachers, strict=True
        )
    }
    if model.name in starts:
        return starts[model.name]
    match start:
        case "random":
            return None
        case "teacher":  # gold-only begins where that one did
            return starts["teacher"] if model.name == StudentRole.GOLD_ONLY else None
        case _:
            return context.inputs.initial_student
