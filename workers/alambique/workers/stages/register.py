"""Stage 6: every network of the job becomes a model version, with where it comes from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alambique.distill.front import retention
from alambique.models import reference
from alambique.registry import versions
from alambique.registry.records import Edge, Metric, Version
from alambique.spec.space import laid_over
from alambique.spec.states import Stage
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.workers.provenance import made_by_stages, made_from, start_edge
from alambique.workers.records import (
    Cached,
    Checked,
    Evaluated,
    Score,
    Speed,
    Start,
    Taught,
    Trained,
)
from alambique.workers.stages.candidates import register_candidates, validation_metrics
from alambique.workers.stages.choosing import collapsed
from alambique.workers.stages.naming import model_name, registering
from alambique.workers.uploading import uploaded
from alambique.workers.work import Work


def register(
    work: Work,
    checked: Checked,
    taught: Sequence[Taught],
    trained: Sequence[Trained],
    evaluated: Sequence[Evaluated],
    cached: Sequence[Cached],
) -> dict[str, Any]:
    """The table of the job, each line with its version; and that of the teachers' candidates.

    The files are put where the version will point to before the version is written, under a name
    that only this attempt uses: a job that is killed here does it again, and registers once.
    """
    teachers: dict[str, Version] = {}
    about = _about(work, checked)
    rows, count = [], len(trained) + sum(len(each.runs) for each in taught)
    primary = find(work.job.task).primary
    for number, (one, found) in enumerate(zip(trained, evaluated, strict=True)):
        work.report(Stage.REGISTER, number / count, message=f"registering the {one.name}")
        windows = {"max_length": one.max_length, "stride": one.stride}
        name = registering(work.job.project, one.weights)
        with work.alone(name, f"another job is registering the {one.name}; waiting for it"):
            version = _registered(work, checked, taught, one, found, teachers, about | windows)
        if number < len(taught):  # they come first
            teachers[one.name] = version
        kept = _kept(primary, evaluated[: len(taught)], found)
        rows.append(_row(one, found.score, version, kept))
    candidates: list[dict[str, Any]] = []
    for said, each in zip(work.job.teachers, taught, strict=True):
        before, chosen = len(trained) + len(candidates), teachers[said.role]
        candidates += register_candidates(
            work, checked, said, each, chosen, about, before=before, of=count
        )
    return {
        "rows": rows,
        "primary": primary,
        "reference": _reference(work, checked, evaluated[0]),
        "outputs": _outputs(cached),
        "notes": [
            *(note for found in evaluated for note in found.notes),
            *_notes(trained, evaluated, primary),
            *(line for each in taught for line in collapsed(each.runs)),
        ],
        "settings": _settings(checked, evaluated[0]),
        **({"candidates": candidates} if candidates else {}),
    }


def notes(scores: Sequence[Score], primary: str) -> list[str]:
    """What a reader of the table should not miss."""
    values = {score.name: score.metrics[primary] for score in scores}
    found = []
    if "gold-only" in values and values["distilled"] <= values["gold-only"]:
        found.append(
            f"distilling did not help here: {primary} {values['distilled']:.4f} against "
            f"{values['gold-only']:.4f} on gold labels alone"
        )
    return found


def _notes(
    trained: Sequence[Trained], evaluated: Sequence[Evaluated], primary: str
) -> Iterator[str]:
    """The notes of each student with what stands beside it."""
    scores = [(one.trial, found.score) for one, found in zip(trained, evaluated, strict=True)]
    for trial in dict.fromkeys(trial for trial, _ in scores):
        said = notes([score for number, score in scores if number == trial], primary)
        yield from said if trial is None else (f"trial {trial}: {line}" for line in said)


def _reference(work: Work, checked: Checked, found: Evaluated) -> dict[str, Any]:
    """The network that speed-ups are told against, for the same texts."""
    cost = reference.cost(
        task=find(work.job.task).output,
        labels=len(checked.data.labels),
        length=found.settings["length"],
    )
    macs = {"linear": cost.macs_linear, "full": cost.macs_full}
    return {"name": reference.NAME, "macs": macs}


def _outputs(cached: Sequence[Cached]) -> dict[str, int] | None:
    """The outputs of all teachers that the job needed, and how many of them were not there yet."""
    if not cached:
        return None
    return {
        "examples": sum(one.wanted for one in cached),
        "computed": sum(one.computed for one in cached),
    }


def _registered(
    work: Work,
    checked: Checked,
    taught: Sequence[Taught],
    one: Trained,
    found: Evaluated,
    teachers: Mapping[str, Version],
    about: dict[str, Any],
) -> Version:
    artifact = f"versions/{work.id}/{work.token}/{one.role}"
    artifact, files = uploaded(work, one.folder, one.weights, about, artifact)
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
            details=about | _details(one) | made_by_stages(one, found.made_by),
            files=files,
            metrics=[*_metrics(checked, found), *validated],
            lineage=list(_lineage(work, checked, taught, one, teachers)),
        )
    )


def _details(one: Trained) -> dict[str, Any]:
    trial = {} if one.trial is None else {"trial": one.trial, "values": one.values}
    return {"seconds": one.seconds, "diverged": one.diverged, "maps": _maps(one), **trial}


def _kept(primary: str, teachers: Sequence[Evaluated], found: Evaluated) -> float | None:
    """The part of the best teacher's score that a student keeps; None of a teacher itself."""
    if any(found is teacher for teacher in teachers):
        return None
    best = max(teacher.score.metrics[primary] for teacher in teachers)
    return retention(found.score.metrics[primary], best)


def _about(work: Work, checked: Checked) -> dict[str, Any]:
    return {
        "task": work.job.task,
        "labels": list(checked.data.labels),
        "settings": dict(find(work.job.task).settings(read(checked.data.files["train"]))),
    }


def _settings(checked: Checked, found: Evaluated) -> dict[str, Any]:
    """How the scores were measured: this job's name for the examples, and what goes for all."""
    return {"data": checked.data.test_name, "split": "test", **found.settings}


def _metrics(checked: Checked, found: Evaluated) -> Iterator[Metric]:
    score, settings = found.score, _settings(checked, found)
    for name, value in score.metrics.items():
        yield Metric(checked.data.test_name, "test", name, value, settings)
    measured = _speed(score)
    for also in score.also:
        measured |= {f"{also.device}_{name}": value for name, value in _speed(also).items()}
    for name, value in measured.items():
        yield Metric(checked.data.test_name, "test", name, value, settings)


def _lineage(
    work: Work,
    checked: Checked,
    taught: Sequence[Taught],
    one: Trained,
    teachers: Mapping[str, Version],
) -> Iterator[Edge]:
    distilled = one.name == "distilled"
    yield from made_from(work.job, checked.data, one, unlabelled=distilled)
    for teacher in teachers.values() if distilled else ():
        yield Edge("teacher", teacher.id, {"weights": teacher.weights})
    if start := _start(work, checked, taught, one):
        yield start_edge(start)


def _start(work: Work, checked: Checked, taught: Sequence[Taught], one: Trained) -> Start | None:
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


def _row(one: Trained, score: Score, version: Version, kept: float | None) -> dict[str, Any]:
    also = [{"device": other.device, **_speed(other)} for other in score.also]
    return {
        "name": score.name,
        **({} if one.trial is None else {"trial": one.trial}),
        "layers": score.layers,
        "parameters": score.parameters,
        "macs": {"linear": score.macs_linear, "full": score.macs_full},
        "metrics": score.metrics,
        "retention": kept,
        "validation": {"loss": one.loss, "metric": one.metric},
        **_speed(score),
        "version": f"{version.name}@{version.number}",
        "maps": _maps(one),
        **({"also": also} if also else {}),
    }


def _speed(measured: Score | Speed) -> dict[str, float]:
    return {
        "latency_ms": measured.latency_ms,
        "inferences_per_second": measured.inferences_per_second,
    }


def _maps(one: Trained) -> dict[str, Any]:
    """Which layers of the teacher the student learnt from, by the term that compared them."""
    return {term: found.model_dump(mode="json") for term, found in one.maps.items()}
