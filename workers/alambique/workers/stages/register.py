"""Makes model versions of a job's networks, with their lineage, and the job's result."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from alambique.models.configs import longest_text, read_config
from alambique.models.counts import REFERENCE, REFERENCE_CONFIG, Counts, count
from alambique.registry import example_scores, versions
from alambique.registry.job_result import (
    Candidate,
    Gain,
    JobResult,
    Macs,
    OutputCounts,
    Reference,
)
from alambique.registry.records import Edge, Metric, Version
from alambique.spec.states import StageName
from alambique.spec.teachers import TeacherEntry
from alambique.tasks.examples import read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import (
    CompressedModel,
    Evaluation,
    FineTuneRun,
    SelectedTeacher,
    Speed,
    SpeedResult,
    TrainedModel,
    model_name,
)
from alambique.workers.stages import table
from alambique.workers.stages.artifacts import store_files
from alambique.workers.stages.engine_race import Race, engine_rows, race_notes
from alambique.workers.stages.teach import selection_notes
from alambique.workers.stages.version_details import (
    compression_details,
    compression_metrics,
    line_details,
    lineage_of,
    measurement_settings,
    model_lineage,
    run_details,
    run_lineage,
    test_metrics,
    validation_metrics,
)


def register_models(
    context: JobContext,
    lines: Sequence[table.TableLine],
    speeds: SpeedResult,
    compressed: Sequence[CompressedModel] = (),
    race: Race | None = None,
) -> JobResult:
    """Register the networks of a job that become versions, and return the job's result.

    Of each line of the table that is the network with the lowest validation loss; with these come
    the accepted files in other formats, and the runs that the teachers were chosen from.

    The files of a version are uploaded under a key of this attempt before its row is inserted: an
    attempt that is killed between the two leaves no version, and the next one registers once.

    Args:
        context: the job.
        lines: the lines of the job's table, the teachers first.
        speeds: the speeds of one network of each line, that which is registered.
        compressed: the students in other formats.
        race: the speeds of the accepted files; None if there are none.
    """
    accepted = [each for each in compressed if each.accepted]
    runs = sum(len(teacher.runs) for teacher in context.teachers)
    registration = _Registration(context, _about(context), of=len(lines) + runs + len(accepted))
    names = [
        _version_name(registration.register_line(line, line_speeds, speeds))
        for line, line_speeds in zip(lines, speeds.networks, strict=True)
    ]
    candidates = [
        registration.register_candidate(entry, teacher, run)
        for entry, teacher in zip(context.job.teachers, context.teachers, strict=True)
        for run in teacher.runs
    ]
    formats = registration.register_formats(accepted, race) if race else {}
    scores = table.example_scores(lines)
    context.write(lambda session: example_scores.record(session, context.id, context.token, scores))
    gains = [table.gains_of(line, lines) for line in lines]
    rows = [
        table.result_row(
            line,
            name,
            line_speeds,
            line_gains,
            teachers=lines[: len(context.teachers)],
            primary=context.task.primary,
        )
        for line, name, line_speeds, line_gains in zip(
            lines, names, speeds.networks, gains, strict=True
        )
    ]
    return JobResult(
        rows=tuple(rows),
        primary=context.task.primary,
        reference=_reference(context, lines[0].evaluation),
        outputs=_outputs(context),
        notes=_notes(context, lines, gains, speeds, race),
        teacher_notes=_teacher_notes(context),
        settings=measurement_settings(context, lines[0].evaluation, speeds),
        candidates=tuple(candidates),
        engines=tuple(engine_rows(race, compressed, formats)) if race else (),
        race_settings=race.result.settings if race else {},
    )


def _notes(
    context: JobContext,
    lines: Sequence[table.TableLine],
    gains: Sequence[Sequence[Gain]],
    speeds: SpeedResult,
    race: Race | None,
) -> tuple[str, ...]:
    """Return the notes below the job's table."""
    roles, shapes = [line.model.role for line in lines], [line.shape for line in lines]
    return (
        *context.data.warnings,
        *table.job_notes(context.job),
        *chain.from_iterable(
            table.line_notes(line, line_gains, context.task.primary)
            for line, line_gains in zip(lines, gains, strict=True)
        ),
        *table.busy_notes(roles, shapes, speeds),
        *_teacher_notes(context),
        *(race_notes(race) if race else ()),
    )


def _teacher_notes(context: JobContext) -> tuple[str, ...]:
    """Return the notes on how the teachers were chosen."""
    return tuple(chain.from_iterable(map(selection_notes, context.teachers)))


@dataclass
class _Registration:
    """Registers the versions of a job, one after the other."""

    context: JobContext
    about: Mapping[str, Any]
    """What predicting with any network of the job needs: task, inputs, labels, settings."""
    of: int
    """The number of networks to register."""
    done: int = 0
    """The number of those that were begun."""
    teachers: dict[str, Version] = field(default_factory=dict)
    """The versions of the teachers, by their role."""
    networks: dict[str, tuple[Version, Counts]] = field(default_factory=dict)
    """The versions and sizes of all networks of the table, by their role."""

    def register_line(
        self, line: table.TableLine, line_speeds: Sequence[Speed], speeds: SpeedResult
    ) -> Version:
        """Register the best network of a line of the table."""
        context, model, evaluation = self.context, line.model, line.evaluation
        self._begin_next(f"the {model.name}")
        settings = measurement_settings(context, evaluation, speeds)
        metrics = list(test_metrics(context, evaluation, line_speeds, settings))
        teacher = next((each for each in context.teachers if each.model.name == model.name), None)
        if teacher is not None and teacher.runs:
            # the candidates that were not chosen are listed with these scores, too
            metrics += validation_metrics(context, model)
        timed_by = [maker for maker in speeds.made_by if maker not in evaluation.made_by]
        with self._lease(model, f"the {model.name}"):
            version = _record_version(
                context,
                model,
                model_name(context.job.name, context.id, model.name),
                model.role,
                about=self.about,
                counts=_evaluated_counts(evaluation),
                details=line_details(model, teacher, (*evaluation.made_by, *timed_by)),
                metrics=metrics,
                lineage=list(model_lineage(context, model, self.teachers)),
            )
        self.networks[model.role] = version, _evaluated_counts(evaluation)
        if teacher is not None:
            self.teachers[model.name] = version
        return version

    def register_formats(
        self, accepted: Sequence[CompressedModel], race: Race
    ) -> dict[tuple[str, str], str]:
        """Register students in other formats; return name@number by role and format."""
        return {
            (each.model.role, each.format.value): _version_name(
                self._register_format(each, *self.networks[each.model.role], race)
            )
            for each in accepted
        }

    def _register_format(
        self, compressed: CompressedModel, student: Version, counts: Counts, race: Race
    ) -> Version:
        """Register a student in another format, as a model of its own that names the student."""
        context, model, form = self.context, compressed.model, compressed.format
        self._begin_next(f"the {model.name} as {form}")
        role = form.value if model.trial is None else f"{form.value}-{model.trial}"
        files = model.model_copy(
            update={"folder": compressed.folder, "weights": compressed.content}
        )
        with self._lease(files, f"the {model.name} as {form}"):
            return _record_version(
                context,
                files,
                model_name(context.job.name, context.id, role),
                role,
                about={**self.about, "format": form.value},
                counts=counts,
                details=compression_details(compressed, _version_name(student)),
                metrics=compression_metrics(context, compressed, race),
                lineage=[
                    *lineage_of(context.job, context.data, model, unlabelled=True),
                    Edge("student", student.id, {"weights": student.weights}),
                ],
            )

    def register_candidate(
        self, entry: TeacherEntry, teacher: SelectedTeacher, run: FineTuneRun
    ) -> Candidate:
        """Register a run that a teacher was chosen from, and return its line of the result."""
        self._begin_next(f"the run {run.name}")
        is_chosen = run.number == teacher.number
        version = self.teachers[entry.role] if is_chosen else self._find_or_record_run(entry, run)
        return Candidate(
            teacher=entry.role,
            model=run.model,
            train=run.point,
            loss=run.loss,
            metric=run.metric,
            collapsed=run.collapsed,
            taught=is_chosen,
            version=_version_name(version) if version else None,
        )

    def _find_or_record_run(self, entry: TeacherEntry, run: FineTuneRun) -> Version | None:
        """Return the version of the project with the weights of a run, registered if there is none.

        None if the run has no weights. Jobs of a suite share their candidates: without this, each
        job would copy each of them.
        """
        context, model = self.context, run.result.model
        if model is None:
            return None
        role = entry.candidate_role(run.number)
        initial = context.inputs.initial_teachers[entry.number][run.candidate]
        with self._lease(model, f"the run {run.name}"):
            project = context.job.project
            existing = context.read(
                lambda session: versions.by_weights(session, project, model.weights)
            )
            return existing or _record_version(
                context,
                model,
                model_name(context.job.name, context.id, role),
                role,
                about=self.about,
                counts=_count_run(context, model),
                details=run_details(run, model),
                metrics=validation_metrics(context, model),
                lineage=run_lineage(context, model, initial),
            )

    def _lease(self, model: TrainedModel, name: str) -> AbstractContextManager[None]:
        """Hold a lease of these weights, so that two jobs do not register them at once."""
        lease = f"version:{self.context.job.project}:{model.weights}"
        return self.context.lease(lease, f"another job is registering {name}; waiting for it")

    def _begin_next(self, name: str) -> None:
        """Report which network is registered next, and count it."""
        message = f"registering {name}"
        self.context.report(StageName.REGISTER, self.done / self.of, message=message)
        self.done += 1


def _record_version(
    context: JobContext,
    model: TrainedModel,
    name: str,
    role: str,
    *,
    about: Mapping[str, Any],
    counts: Counts,
    details: Mapping[str, Any],
    metrics: Sequence[Metric],
    lineage: Sequence[Edge],
) -> Version:
    """Store the files of a network, and write its version.

    Args:
        context: the job.
        model: the network.
        name: the name of the model that it becomes a version of.
        role: its role in the job.
        about: what predicting with any network of the job needs.
        counts: its parameters and MACs.
        details: the facts of this version alone.
        metrics: its scores and speeds.
        lineage: what it was made of.
    """
    about = {**about, "max_length": model.max_length, "stride": model.stride}
    artifact = f"versions/{context.id}/{context.token}/{role}"
    artifact, files = store_files(context, model.folder, model.weights, about, artifact)
    return context.write(
        lambda session: versions.record(
            session,
            context.id,
            context.token,
            name=name,
            role=role,
            task=context.job.task,
            labels=context.data.labels,
            parameters=counts.parameters,
            macs_linear=counts.macs_linear,
            macs_full=counts.macs_full,
            weights=model.weights,
            artifact=artifact,
            details={**about, **details},
            files=files,
            metrics=list(metrics),
            lineage=list(lineage),
        )
    )


def _about(context: JobContext) -> dict[str, Any]:
    """Return what predicting with any network of the job needs."""
    training = read(context.data.files["train"])
    return {
        "task": context.job.task,
        "output": context.task.output,
        "inputs": list(context.task.inputs),
        "labels": list(context.data.labels),
        "settings": dict(context.task.settings(training)),
    }


def _version_name(version: Version) -> str:
    return f"{version.name}@{version.number}"


def _reference(context: JobContext, evaluation: Evaluation) -> Reference:
    """Return the network that speed-ups are relative to, for the same texts."""
    counts = count(
        REFERENCE_CONFIG,
        task=context.task.output,
        labels=len(context.data.labels),
        length=evaluation.settings["length"],
    )
    return Reference(name=REFERENCE, macs=Macs(linear=counts.macs_linear, full=counts.macs_full))


def _outputs(context: JobContext) -> OutputCounts | None:
    """Return how many outputs of all teachers the job needed, and how many it computed."""
    if not context.outputs:
        return None
    return OutputCounts(
        examples=sum(cached.total for cached in context.outputs),
        computed=sum(cached.computed for cached in context.outputs),
    )


def _evaluated_counts(evaluation: Evaluation) -> Counts:
    score = evaluation.score
    return Counts(score.parameters, score.macs_linear, score.macs_full)


def _count_run(context: JobContext, model: TrainedModel) -> Counts:
    """Return the parameters of a run's network, and its MACs for one text.

    The text is as long as the students' windows, or as long as the network can read.
    """
    config, longest = read_config(model.folder), context.job.train.max_length
    length = min(longest, longest_text(config) or longest)
    return count(config, task=context.task.output, labels=len(context.data.labels), length=length)
