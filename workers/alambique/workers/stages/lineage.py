"""What the networks of a job were made of, as edges from their versions."""

import hashlib
from collections.abc import Iterator, Mapping

from alambique.registry.records import Edge, Version
from alambique.spec.job import Job
from alambique.spec.sources import Architecture
from alambique.spec.space import job_with_values
from alambique.spec.states import StudentRole
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import UNKNOWN
from alambique.workers.pipeline.records import (
    DataSet,
    InitialModel,
    SelectedTeacher,
    TrainedModel,
)


def run_lineage(context: JobContext, model: TrainedModel, start: InitialModel | None) -> list[Edge]:
    """Return the edges of a run of fine-tuning that did not teach.

    Args:
        context: the job.
        model: what the run made.
        start: the model that it began with; None: one from scratch.
    """
    edges = lineage_of(context.job, context.data, model)
    return [*edges, start_edge(start)] if start else edges


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
    makers = (model.made_by or (UNKNOWN,)) if model.loss is not None else ()
    codes = {
        role if number == 1 else f"{role}-{number}": maker.code
        for role, makers in (("alambique", makers), ("outputs", model.outputs_by))
        for number, maker in enumerate(makers, start=1)
    }
    return [Edge("data", None, hashes), Edge("code", None, {**codes, "spec": spec})]


def start_edge(start: InitialModel) -> Edge:
    """Return the edge to the model that first weights are of, and to the files that it came as."""
    files = {f"{start.name}/{file}": digest for file, digest in start.sources.items()}
    return Edge("start", start.version, {start.name: start.weights, **files})


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
        for candidates, teacher in zip(context.inputs.teacher_starts, context.teachers, strict=True)
    }
    if model.name in starts:
        return starts[model.name]
    match start:
        case "random":
            return None
        case "teacher":  # gold-only begins where that one did
            return starts["teacher"] if model.name == StudentRole.GOLD_ONLY else None
        case _:
            return context.inputs.student_start
