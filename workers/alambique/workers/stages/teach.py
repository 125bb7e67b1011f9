"""Fine-tunes the candidates of each teacher and selects one, or tests a fine-tuned teacher."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from alambique.models.weights import weights_hash
from alambique.spec.errors import BadTeacher, Diverged
from alambique.spec.sources import Architecture, source_of, source_text
from alambique.spec.states import StageName
from alambique.spec.teacher import Run
from alambique.spec.teachers import TeacherEntry
from alambique.tasks.examples import read
from alambique.workers.files import build_folder
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import exception_chain
from alambique.workers.pipeline.provenance import (
    STAGE_CODE,
    UNKNOWN,
    record_running_code,
    recorded_code,
)
from alambique.workers.pipeline.records import (
    FineTuneResult,
    FineTuneRun,
    GateFigures,
    InitialModel,
    SelectedTeacher,
    TrainedModel,
)
from alambique.workers.pipeline.stage import (
    StagePart,
    hash_inputs,
    run_stage,
    run_stage_if_free,
)
from alambique.workers.pipeline.training_runs import process_inputs, ray_workers, run_training
from alambique.workers.stages.gate import describe_gate, judge_runs, validate_teacher
from alambique.workers.training.initial_weights import write_from_scratch, write_with_head
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.spec import TrainingSpec


@dataclass(frozen=True, slots=True)
class FineTune:
    """The stage of one run: fine-tunes a candidate, or tests a model that came fine-tuned."""

    teacher: TeacherEntry
    settings: Run
    """The candidate, and how it is trained."""
    number: int
    """The number of the run among those of its teacher, from 1."""
    part: StagePart
    result_type: type[FineTuneResult] = FineTuneResult

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return everything that the result of the run depends on."""
        initial = self.initial_model(context)
        return {
            "task": context.job.task,
            "model": initial.content if initial else self.settings.model,
            "train": self.settings.train,
            "windows": [self.teacher.spec.max_length, self.teacher.spec.stride],
            "labels": context.data.labels,
            "data": [context.data.hashes["train"], context.data.hashes["dev"]],
            "processes": process_inputs(context.job.resources, distilled=False),
        }

    def run(self, context: JobContext, folder: Path) -> FineTuneResult:
        """Fine-tune the candidate if the job says so, and score it on the validation examples.

        A run that diverges before its first epoch ends has a result without a model: so no other
        job repeats it.
        """
        began = time.monotonic()
        start = build_folder(self._start_folder(context), partial(self._write_start, context))
        try:
            model, gate = self._train_and_test(context, start, folder / "run")
        except Exception as error:  # Ray wraps what its workers raise
            causes = exception_chain(error)
            diverged = next((cause for cause in causes if isinstance(cause, Diverged)), None)
            if diverged is None:
                raise
            shutil.rmtree(folder / "run")  # its checkpoints will not be resumed
            seconds = time.monotonic() - began
            return FineTuneResult(model=None, start=start, diverged=str(diverged), seconds=seconds)
        seconds = time.monotonic() - began
        return FineTuneResult(
            model=model.model_copy(update={"seconds": seconds}),
            start=start,
            gate=gate,
            start_made_by=recorded_code(start / STAGE_CODE) or (UNKNOWN,),
            seconds=seconds,
        )

    def initial_model(self, context: JobContext) -> InitialModel | None:
        """Return the model that the run starts from; None if it trains an architecture."""
        return context.inputs.initial_teachers[self.teacher.number][self.settings.candidate]

    def model_name(self, context: JobContext) -> str:
        """Return the candidate's name in the job, with its commit or its version's number."""
        initial = self.initial_model(context)
        return initial.name if initial else source_text(source_of(self.settings.model))

    def run_name(self, context: JobContext) -> str:
        """Return the name of the run for readers: the candidate and its point of the grid."""
        model = self.model_name(context)
        return f"{model}, {self.settings.point_text}" if self.settings.point else model

    def _train_and_test(
        self, context: JobContext, start: Path, folder: Path
    ) -> tuple[TrainedModel, GateFigures | None]:
        """Return the model, which is fine-tuned unless it came so, and the figures of the gate."""
        train = self.settings.train
        if train is None:
            metric, gate = self._test(context, start, self.part.fraction())
            return self._trained_model(start, loss=None, metric=metric), gate
        resources = ray_workers(context.job.resources, distilled=False)
        training = TrainingSpec(
            task=context.job.task,
            labels=context.data.labels,
            start=start,
            training=context.data.files["train"],
            validation=context.data.files["dev"],
            train=train,
            zero=resources.zero if resources else None,
            folder=folder,
        )
        result = run_training(context, training, self.part, resources)
        _, gate = self._test(context, training.best, self.part.fraction(1.0))
        model = self._trained_model(training.best, loss=result.best_loss, metric=result.metric)
        return model.model_copy(update={"diverged": result.diverged, "steps": result.steps}), gate

    def _test(
        self, context: JobContext, folder: Path, fraction: float
    ) -> tuple[float, GateFigures | None]:
        """Return the primary metric on the validation examples, and the figures of the gate."""
        role = self.teacher.role
        if not kind_of(context.task.output).has_head:
            # it predicts nothing: its metric is its CKA with itself
            context.report(StageName.TEACH, fraction, message=f"the {role} is taken as it is")
            return 1.0, None
        message = f"testing the {role} on the validation examples"
        context.report(StageName.TEACH, fraction, message=message)
        return validate_teacher(context, folder, self.teacher.spec)

    def _trained_model(self, folder: Path, *, loss: float | None, metric: float) -> TrainedModel:
        return TrainedModel(
            name=self.teacher.role,
            folder=folder,
            weights=weights_hash(folder),
            max_length=self.teacher.spec.max_length,
            stride=self.teacher.spec.stride,
            loss=loss,
            metric=metric,
            seconds=0.0,
        )

    def _start_folder(self, context: JobContext) -> Path:
        """Return the folder of the network to fine-tune, which the runs of one candidate share."""
        initial, train = self.initial_model(context), self.settings.train
        inputs = {
            "task": context.job.task,
            "start": (
                initial.content if initial else [self.settings.model, self.teacher.spec.positions]
            ),
            "texts": None if initial else context.data.hashes["train"],
            "labels": context.data.labels,
            "seed": train.seed if train else None,
        }
        key = hash_inputs(context, StageName.TEACH, inputs)
        return context.stages_folder / f"start-{key[:24]}"

    def _write_start(self, context: JobContext, into: Path) -> None:
        """Write the network to fine-tune, or to test if it came fine-tuned, to a folder."""
        task, labels, train = context.task, context.data.labels, self.settings.train
        seed = train.seed if train else 0
        record_running_code(into)
        if isinstance(self.settings.model, Architecture):
            examples = read(context.data.files["train"])
            texts = (text for example in examples for text in task.texts(example))
            positions = self.teacher.spec.positions
            write_from_scratch(
                self.settings.model, texts, task.output, labels, into, positions, seed=seed
            )
        else:
            initial = self.initial_model(context)
            assert initial is not None  # only an architecture has no initial model
            write_with_head(initial.folder, task.output, labels, into, seed=seed)


def fine_tune_stages(context: JobContext) -> list[FineTune]:
    """Return the stage of each run of each teacher of the job."""
    runs = [
        (teacher, run, number)
        for teacher in context.job.teachers
        for number, run in enumerate(teacher.spec.runs, start=1)
    ]
    stages = []
    for position, (teacher, run, number) in enumerate(runs):
        part = StagePart(StageName.TEACH, teacher.role, position, len(runs))
        stage = FineTune(teacher, run, number, part)
        if (of := len(teacher.spec.runs)) > 1:
            which = f"{'' if teacher.alone else ', run'} {number} of {of}"
            name = f"{teacher.role}{which}, {stage.run_name(context)}"
            stage = replace(stage, part=replace(part, name=name))
        stages.append(stage)
    return stages


def select_teachers(context: JobContext) -> tuple[SelectedTeacher, ...]:
    """Return the teachers of the job, each chosen from its runs by the gate.

    Each run is a stage of its own: another job of the project, and the next attempt at this one,
    reuse those that are done. Runs that another job is doing come last, so that jobs with the same
    teachers divide the runs among themselves.

    Raises:
        BadTeacher: all runs of a teacher have collapsed.
        Diverged: its only run diverged before it had any weights.
    """
    stages = fine_tune_stages(context)
    found = [run_stage_if_free(context, stage) for stage in stages]
    results = [
        run_stage(context, stage) if result is None else result
        for stage, result in zip(stages, found, strict=True)
    ]
    teachers = []
    for teacher in context.job.teachers:
        runs = [
            _fine_tune_run(context, stage, result)
            for stage, result in zip(stages, results, strict=True)
            if stage.teacher.number == teacher.number
        ]
        selected = select_teacher(judge_runs(runs), teacher)
        context.log(*_selection_log(selected))
        teachers.append(selected)
    return tuple(teachers)


def select_teacher(runs: Sequence[FineTuneRun], teacher: TeacherEntry) -> SelectedTeacher:
    """Return the teacher: of the runs that have not collapsed, that with the lowest loss.

    Of equal losses the first run is taken. If all have collapsed and the job says `gate: off`, the
    runs with weights are compared.

    Args:
        runs: all runs of the teacher, at least one, judged by `gate.judge_runs`.
        teacher: its entry in the job.

    Raises:
        BadTeacher: every run has collapsed.
        Diverged: the only run has, before it had any weights.
    """
    off = teacher.spec.gate == "off"
    eligible = [run for run in runs if run.collapsed is None]
    if off and not eligible:
        eligible = [run for run in runs if run.result.model is not None]
    if not eligible:
        raise _no_eligible_run_error(runs, teacher)
    best = min(eligible, key=lambda run: 0.0 if run.loss is None else run.loss)
    assert best.result.model is not None  # a run without weights has collapsed
    return SelectedTeacher(
        # the result may come from another job, where the model had another role
        model=best.result.model.model_copy(update={"name": teacher.role}),
        start=best.result.start,
        number=best.number,
        candidate=best.candidate,
        runs=tuple(runs) if len(runs) > 1 else (),
        gate=best.result.gate,
        gate_off=off,
        collapsed=best.collapsed,
    )


def selection_notes(selected: SelectedTeacher) -> Iterator[str]:
    """Yield the notes below the job's table on how a teacher was chosen from its runs."""
    for run in selected.runs:
        if run.collapsed:
            yield f"collapsed: {_describe_collapse(run)}"
    if selected.collapsed:
        yield _gate_off_note(selected)


def _fine_tune_run(context: JobContext, stage: FineTune, result: FineTuneResult) -> FineTuneRun:
    return FineTuneRun(
        number=stage.number,
        candidate=stage.settings.candidate,
        model=stage.model_name(context),
        name=stage.run_name(context),
        point=dict(stage.settings.point),
        train=stage.settings.train,
        result=result,
    )


def _selection_log(selected: SelectedTeacher) -> Iterator[str]:
    """Yield the lines of the job's log on how a teacher was chosen."""
    role = selected.model.name
    for run in selected.runs:
        if run.collapsed:
            yield f"collapsed: {_describe_collapse(run)}"
    if selected.collapsed:
        yield f"warning: {_gate_off_note(selected)}"
    if selected.runs:
        yield f"the {role} is {selected.runs[selected.number - 1].name}"
    if selected.gate:
        yield f"the {role}'s {describe_gate(selected.gate)}"


def _gate_off_note(selected: SelectedTeacher) -> str:
    return (
        f"the {selected.model.name} would not pass the gate, which the job has off: "
        f"{selected.collapsed}"
    )


def _describe_collapse(run: FineTuneRun) -> str:
    loss = "" if run.loss is None else f"validation loss {run.loss:.4f}, "
    return f"{run.name}: {loss}{run.collapsed}"


def _no_eligible_run_error(
    runs: Sequence[FineTuneRun], teacher: TeacherEntry
) -> BadTeacher | Diverged:
    field, which = teacher.field, "" if teacher.alone else f"{teacher.role} ({teacher.field}): "
    if len(runs) > 1:
        lines = "\n".join(map(_describe_collapse, runs))
        return BadTeacher(
            f"{which}none of the {len(runs)} runs made a teacher that a student can learn from:\n"
            f"{lines}\nGive other learning rates or more epochs ({field}.grid), a longer warm-up "
            f"({field}.train.warmup), or other candidates ({field}.candidates); with {field}.gate: "
            "off the run with the lowest loss teaches all the same"
        )
    (run,) = runs
    if run.result.model is None:
        return Diverged(f"{which}{run.collapsed}")
    return BadTeacher(
        f"{which}the teacher's {run.collapsed}: a student can learn little from it. Fine-tune it "
        f"({field}.train), train it longer, or at another learning rate; with {field}.gate: off it "
        "teaches all the same"
    )
