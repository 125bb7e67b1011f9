"""Stage 6: every network of the job becomes a model version, with where it comes from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alambique.models import reference
from alambique.registry import versions
from alambique.registry.example_scores import record
from alambique.registry.records import Edge, Metric, Version
from alambique.spec.job import Job
from alambique.spec.space import laid_over
from alambique.spec.states import StageName
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import lineage_of, made_by_stages, start_edge
from alambique.workers.pipeline.records import (
    CachedOutputs,
    Evaluation,
    InitialWeights,
    JobInputs,
    MadeBy,
    SelectedTeacher,
    Speed,
    SpeedResult,
    TrainedModel,
)
from alambique.workers.stages import choosing
from alambique.workers.stages.candidates import register_candidates, validation_metrics
from alambique.workers.stages.gate import gate_details
from alambique.workers.stages.naming import model_name, registering
from alambique.workers.stages.speed import busy_notes
from alambique.workers.stages.table import (
    TableLine,
    diverged_notes,
    example_scores,
    gain_notes,
    gains_of,
    maps_of_row,
    row_of,
    speed_figures,
)
from alambique.workers.uploading import store_upload


def register_models(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    lines: Sequence[TableLine],
    raced: SpeedResult,
    cached: Sequence[CachedOutputs],
) -> dict[str, Any]:
    """The table of the job, each line with its version; and that of the teachers' candidates.

    The files are put where the version will point to before the version is written, under a name
    that only this attempt uses: a job that is killed here does it again, and registers once.
    """
    versions_of: dict[str, Version] = {}
    about, primary = _about(work, checked), find(work.job.task).primary
    rows, count = [], len(lines) + sum(len(each.runs) for each in taught)
    notes: list[str] = []
    for number, (line, speeds) in enumerate(zip(lines, raced.networks, strict=True)):
        one, found = line.network, line.evaluated[line.best]
        work.report(StageName.REGISTER, number / count, message=f"registering the {one.name}")
        timed_by = [maker for maker in raced.made_by if maker not in found.made_by]
        makers = (*found.made_by, *timed_by)
        measured = _Measured(found, speeds, _settings(checked, found, raced), makers)
        windows = {"max_length": one.max_length, "stride": one.stride}
        name = registering(work.job.project, one.weights)
        with work.alone(name, f"another job is registering the {one.name}; waiting for it"):
            version = _registered(
                work, checked, taught, one, measured, versions_of, about | windows
            )
        if number < len(taught):  # they come first
            versions_of[one.name] = version
        gains = gains_of(line, lines, primary)
        notes += [*found.notes, *diverged_notes(line), *gain_notes(line, gains, primary)]
        called = f"{version.name}@{version.number}"
        teachers = lines[: len(taught)]
        rows.append(row_of(line, called, speeds, gains, teachers=teachers, primary=primary))
    candidates: list[dict[str, Any]] = []
    for said, each in zip(work.job.teachers, taught, strict=True):
        before, chosen = len(lines) + len(candidates), versions_of[said.role]
        candidates += register_candidates(
            work, checked, said, each, chosen, about, before=before, of=count
        )
    scores = example_scores(lines)
    work.write(lambda session: record(session, work.id, work.token, scores))
    names = [line.network.role for line in lines]
    return {
        "rows": rows,
        "primary": primary,
        "reference": _reference(work, checked, lines[0].evaluated[0]),
        "outputs": _outputs(cached),
        "notes": [
            *_job_notes(work.job),
            *notes,
            *busy_notes(names, [line.shape for line in lines], raced),
            *(text for each in taught for text in choosing.notes(each)),
        ],
        "settings": _settings(checked, lines[0].evaluated[0], raced),
        **({"candidates": candidates} if candidates else {}),
    }


@dataclass(frozen=True, slots=True)
class _Measured:
    """All that was measured of a network, and how."""

    found: Evaluation
    speeds: Sequence[Speed]
    settings: Mapping[str, Any]
    made_by: tuple[MadeBy, ...]
    """The code that tested it, and the code that timed it where that is other code."""


def _job_notes(job: Job) -> Iterator[str]:
    """What a reader of the table should not miss about how its students came about."""
    if job.search is not None and job.compare:
        yield (
            "the students on the front were chosen among the trials, and their baselines, which "
            "have the same settings, were not: a part of what is gained may be that choice"
        )
    fine_tuned = job.teachers[0].said.training is None and not job.teachers[0].said.candidates
    if fine_tuned and "gold-only" in job.compare and job.student.start == "teacher":
        yield (
            "the teacher came fine-tuned, and nobody here knows the encoder that it was before: "
            "gold-only starts from the teacher's own layers, as same-start does"
        )


def _reference(work: JobContext, checked: JobInputs, found: Evaluation) -> dict[str, Any]:
    """The network that speed-ups are told against, for the same texts."""
    cost = reference.cost(
        task=find(work.job.task).output,
        labels=len(checked.data.labels),
        length=found.settings["length"],
    )
    macs = {"linear": cost.macs_linear, "full": cost.macs_full}
    return {"name": reference.NAME, "macs": macs}


def _outputs(cached: Sequence[CachedOutputs]) -> dict[str, int] | None:
    """The outputs of all teachers that the job needed, and how many of them were not there yet."""
    if not cached:
        return None
    return {
        "examples": sum(one.wanted for one in cached),
        "computed": sum(one.computed for one in cached),
    }


def _registered(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    one: TrainedModel,
    measured: _Measured,
    teachers: Mapping[str, Version],
    about: dict[str, Any],
) -> Version:
    found = measured.found
    artifact = f"versions/{work.id}/{work.token}/{one.role}"
    artifact, files = store_upload(work, one.folder, one.weights, about, artifact)
    # a teacher that was chosen by these scores is listed with them, as those that were not
    choice = any(each.runs and one.name == each.teacher.name for each in taught)
    validated = validation_metrics(checked, find(work.job.task), one) if choice else []
    return work.write(
        lambda session: versions.record(
            session,
            work.id,
            work.token,
            name=model_name(work.job.name, work.id, one.name),
            role=one.role,
            task=work.job.task,
            labels=checked.data.labels,
            parameters=found.score.parameters,
            macs_linear=found.score.macs_linear,
            macs_full=found.score.macs_full,
            weights=one.weights,
            artifact=artifact,
            details=about
            | _details(one)
            | _gate_details(taught, one)
            | made_by_stages(one, measured.made_by),
            files=files,
            metrics=[*_metrics(checked, measured), *validated],
            lineage=list(_lineage(work, checked, taught, one, teachers)),
        )
    )


def _details(one: TrainedModel) -> dict[str, Any]:
    return {
        "seconds": one.seconds,
        "steps": one.steps,
        "diverged": one.diverged,
        "maps": maps_of_row(one),
        **({} if one.seed is None else {"seed": one.seed}),
        **({} if one.trial is None else {"trial": one.trial, "values": one.values}),
    }


def _gate_details(taught: Sequence[SelectedTeacher], one: TrainedModel) -> dict[str, Any]:
    """How a teacher did at the gate; nothing of a student."""
    return next((gate_details(each) for each in taught if each.teacher.name == one.name), {})


def _about(work: JobContext, checked: JobInputs) -> dict[str, Any]:
    return {
        "task": work.job.task,
        "labels": list(checked.data.labels),
        "settings": dict(find(work.job.task).settings(read(checked.data.files["train"]))),
    }


def _settings(checked: JobInputs, found: Evaluation, raced: SpeedResult) -> dict[str, Any]:
    """How a network was measured: this job's name for the examples, and what goes for all."""
    data = {"data": checked.data.test_name, "split": "test"}
    return data | found.settings | raced.settings


def _metrics(checked: JobInputs, measured: _Measured) -> Iterator[Metric]:
    first, *others = measured.speeds
    figures = measured.found.score.metrics | speed_figures(first)
    for other in others:
        figures |= {f"{other.device}_{name}": f for name, f in speed_figures(other).items()}
    for name, value in figures.items():
        yield Metric(checked.data.test_name, "test", name, value, dict(measured.settings))


def _lineage(
    work: JobContext,
    checked: JobInputs,
    taught: Sequence[SelectedTeacher],
    one: TrainedModel,
    teachers: Mapping[str, Version],
) -> Iterator[Edge]:
    distilled = one.name == "distilled"
    yield from lineage_of(work.job, checked.data, one, unlabelled=distilled)
    for each in taught if distilled else ():
        teacher = teachers[each.teacher.name]
        gate = {"gate": "off"} if each.gate_off else {}
        yield Edge("teacher", teacher.id, {"weights": teacher.weights, **gate})
    start_of_trial = laid_over(work.job, one.values or {}).student.start
    if one.name == "same-start" and start_of_trial == "teacher":
        # it has learnt from labels alone, and is cut from the first teacher all the same
        first = next(iter(teachers.values()))
        gate = {"gate": "off"} if taught[0].gate_off else {}
        hashes = {f"{first.name}@{first.number}": first.weights, **gate}
        yield Edge("start", first.id, hashes)
    if start := _start(work, checked, taught, one):
        yield start_edge(start)


def _start(
    work: JobContext, checked: JobInputs, taught: Sequence[SelectedTeacher], one: TrainedModel
) -> InitialWeights | None:
    """The model that its first weights are of; None: drawn, or those of the teacher just taught."""
    begun = {
        each.teacher.name: candidates[each.candidate]
        for candidates, each in zip(checked.teachers, taught, strict=True)
    }
    if one.name in begun:
        return begun[one.name]
    match laid_over(work.job, one.values or {}).student.start:
        case "random":
            return None
        case "teacher":  # gold-only begins where that one did
            return begun["teacher"] if one.name == "gold-only" else None
        case _:
            return checked.student
