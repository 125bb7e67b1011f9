"""The runs that a teacher was chosen from, as versions: each once in a project."""

from typing import Any

from alambique.models.configs import longest_text, read_config
from alambique.models.counts import Counts, count
from alambique.registry import versions
from alambique.registry.records import Edge, Metric, Version
from alambique.spec.states import StageName
from alambique.spec.teachers import TeacherEntry
from alambique.tasks.all import find
from alambique.tasks.examples import read
from alambique.tasks.task import Task
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.provenance import lineage_of, made_by_stages, start_edge
from alambique.workers.pipeline.records import FineTuneRun, JobInputs, SelectedTeacher, TrainedModel
from alambique.workers.stages.gate import figures_of
from alambique.workers.stages.naming import model_name, registering
from alambique.workers.uploading import store_upload


def register_candidates(
    work: JobContext,
    checked: JobInputs,
    teacher: TeacherEntry,
    taught: SelectedTeacher,
    chosen: Version,
    about: dict[str, Any],
    *,
    before: int,
    of: int,
) -> list[dict[str, Any]]:
    """The table of a teacher's runs, each line with its version; empty where there was one only.

    Args:
        work: the job.
        checked: its data and models.
        teacher: what the job says of it.
        taught: its runs.
        chosen: the version of the run that taught.
        about: what all networks of the job say of themselves.
        before: how many networks are registered already.
        of: how many there are in all.
    """
    rows = []
    for run in taught.runs:
        done = (before + run.number - 1) / of
        work.report(StageName.REGISTER, done, message=f"registering the run {run.name}")
        taught_by = run.number == taught.number
        version = chosen if taught_by else _version(work, checked, teacher, run, about)
        which = {} if teacher.alone else {"teacher": teacher.role}
        rows.append(which | _row(run, version, taught=taught_by))
    return rows


def validation_metrics(checked: JobInputs, task: Task[Any, Any], one: TrainedModel) -> list[Metric]:
    """What a run was compared by: its loss and its primary metric on the validation examples."""
    examples = read(checked.data.files["dev"])
    settings = dict(task.settings(examples)) | {"examples": len(examples)}
    scores = {"loss": one.loss, task.primary: one.metric}
    return [
        Metric(checked.data.name, "dev", name, value, settings)
        for name, value in scores.items()
        if value is not None
    ]


def _version(
    work: JobContext,
    checked: JobInputs,
    teacher: TeacherEntry,
    run: FineTuneRun,
    about: dict[str, Any],
) -> Version | None:
    """The version with the weights of a run, made where the project has none; None: no weights.

    Jobs of a suite share their candidates, and would copy each as often as there are jobs.
    """
    one = run.tuned.teacher
    if one is None:
        return None
    name = registering(work.job.project, one.weights)
    with work.alone(name, f"another job is registering the run {run.name}; waiting for it"):
        known = work.read(
            lambda session: versions.by_weights(session, work.job.project, one.weights)
        )
        return known or _recorded(work, checked, teacher, run, one, about)


def _recorded(
    work: JobContext,
    checked: JobInputs,
    teacher: TeacherEntry,
    run: FineTuneRun,
    one: TrainedModel,
    about: dict[str, Any],
) -> Version:
    role = teacher.candidate_role(run.number)
    artifact = f"versions/{work.id}/{work.token}/{role}"
    about = about | {"max_length": one.max_length, "stride": one.stride}
    artifact, files = store_upload(work, one.folder, one.weights, about, artifact)
    metrics = validation_metrics(checked, find(work.job.task), one)
    cost = _cost(work, checked, one)
    return work.write(
        lambda session: versions.record(
            session,
            work.id,
            work.token,
            name=model_name(work.job.name, work.id, role),
            role=role,
            task=work.job.task,
            labels=checked.data.labels,
            parameters=cost.parameters,
            macs_linear=cost.macs_linear,
            macs_full=cost.macs_full,
            weights=one.weights,
            artifact=artifact,
            details=about | _details(run, one) | made_by_stages(one),
            files=files,
            metrics=metrics,
            lineage=_lineage(work, checked, teacher, run, one),
        )
    )


def _details(run: FineTuneRun, one: TrainedModel) -> dict[str, Any]:
    return {
        "model": run.model,
        "grid": run.point,
        "collapsed": run.collapsed,
        **({"gate": figures_of(gate, run.collapsed)} if (gate := run.tuned.gate) else {}),
        "seconds": one.seconds,
        "diverged": one.diverged,
    }


def _cost(work: JobContext, checked: JobInputs, one: TrainedModel) -> Counts:
    """For a text as long as the students' windows, or as long as the network reads."""
    config = read_config(one.folder)
    length = min(work.job.train.max_length, longest_text(config) or work.job.train.max_length)
    output = find(work.job.task).output
    return count(config, task=output, labels=len(checked.data.labels), length=length)


def _lineage(
    work: JobContext, checked: JobInputs, teacher: TeacherEntry, run: FineTuneRun, one: TrainedModel
) -> list[Edge]:
    start = checked.teachers[teacher.number][run.candidate]
    begun = [start_edge(start)] if start else []
    return [*lineage_of(work.job, checked.data, one), *begun]


def _row(run: FineTuneRun, version: Version | None, *, taught: bool) -> dict[str, Any]:
    return {
        "model": run.model,
        "train": run.point,
        "loss": run.loss,
        "metric": run.metric,
        "collapsed": run.collapsed,
        "taught": taught,
        "version": f"{version.name}@{version.number}" if version else None,
    }
