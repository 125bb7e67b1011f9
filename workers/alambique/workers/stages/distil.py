"""The students: distilled from the teachers, and baselines on gold labels alone."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from alambique.models.weights import model_hash, weights_hash
from alambique.registry.transitions import is_retryable
from alambique.spec.objective import Gold, Logits, Term, has_teacher_loss, intermediate_losses
from alambique.spec.states import StageName, StudentRole
from alambique.spec.train import Train
from alambique.workers.files import build_folder
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.failures import reason_of, user_message
from alambique.workers.pipeline.provenance import OUTPUTS_CODE, record_code, recorded_code
from alambique.workers.pipeline.records import StudentResult, TrainedModel
from alambique.workers.pipeline.stage import StagePart, run_stage
from alambique.workers.pipeline.training_runs import process_inputs, ray_workers, run_training
from alambique.workers.training.initial_weights import write_student
from alambique.workers.training.inputs import namespace_of
from alambique.workers.training.kinds.all import kind_of
from alambique.workers.training.layer_maps import maps_of, resolve_maps
from alambique.workers.training.spec import StepBudget, TrainingSpec, result_of

GOLD_ALONE: tuple[Term, ...] = (Gold(),)
"""The objective of a baseline."""


@dataclass(frozen=True, slots=True)
class TrainStudent:
    """The stage of one student, under the seed of the context's job.

    The role is no part of its key: where both baselines start from the same named model, they are
    one network, which is trained once.
    """

    role: StudentRole
    part: StagePart
    result_type: type[StudentResult] = StudentResult

    def key_inputs(self, context: JobContext) -> Mapping[str, Any]:
        """Return what the student depends on."""
        job, inputs = context.job, context.inputs
        common = {
            "task": job.task,
            "student": job.student,
            "start": inputs.initial_student.content if inputs.initial_student else None,
            "train": job.train,
            "labels": context.data.labels,
            "data": [context.data.hashes["train"], context.data.hashes["dev"]],
            "processes": process_inputs(job.resources, distilled=not self.role.is_baseline),
        }
        unlabelled = context.data.unlabelled
        if self.role.is_baseline:
            # one that the job starts from a named model has nothing of any teacher
            origin = None if inputs.initial_student else model_hash(self.source_folder(context))
            budgets = [
                [
                    *_step_inputs(training.train),
                    unlabelled.hash if unlabelled and training.unlabelled else None,
                ]
                for training in _step_budgets(context)
            ]
            return common | {"from": origin, "objective": GOLD_ALONE, "pace": budgets}
        return (
            common
            | {"from": model_hash(context.teachers[0].model.folder)}
            | {"outputs": _output_inputs(context)}
            | {"objective": job.objective, "intermediate": job.intermediate}
            | ({"unlabelled": unlabelled.hash} if unlabelled else {})
        )

    def run(self, context: JobContext, folder: Path) -> StudentResult:
        """Train the student until patience or epochs end."""
        began = time.monotonic()
        self.record_outputs_code(context, folder)
        build_folder(folder / "start", partial(self.write_start, context))
        resources = ray_workers(context.job.resources, distilled=not self.role.is_baseline)
        trainings = self.trainings(context, folder)
        part, count = self.part, len(trainings)
        for index, training in enumerate(trainings):
            name = part.name if index == count - 1 else f"{part.name}, first"
            subpart = StagePart(part.stage, name, part.index * count + index, part.count * count)
            run_training(context, resolve_maps(training), subpart, resources)
        return self.collect_result(context, folder, time.monotonic() - began)

    def trainings(self, context: JobContext, folder: Path) -> tuple[TrainingSpec, ...]:
        """Return the trainings that make the student, in their order, all within the folder.

        Of two, the second begins with the best weights of the first, and with the projection heads
        that were trained with them.
        """
        job, start = context.job, folder / "start"
        if self.role.is_baseline:
            training = self._training(context, GOLD_ALONE, job.train, start, folder / "run")
            return (training.model_copy(update={"step_budgets": _step_budgets(context)}),)
        if job.intermediate is None:
            return (self._training(context, job.objective, job.train, start, folder / "run"),)
        objective, train = job.intermediate.objective, job.intermediate.train
        first = self._training(context, objective, train, start, folder / "first")
        second = self._training(context, job.objective, job.train, first.best, folder / "run")
        beginning = first.projection_heads if first.live_teacher and second.live_teacher else None
        return first, second.model_copy(update={"beginning": beginning})

    def source_folder(self, context: JobContext) -> Path:
        """Return the folder of the model that the student is cut from: of teachers the first.

        Gold-only is cut from the network that the teacher's fine-tuning began with, since layers of
        the fine-tuned teacher know its answers already. A student with random weights takes only
        the shape and the tokenizer, which fine-tuning does not change: its baselines take those of
        the network before fine-tuning, and wait for no other job's teacher.
        """
        if start := context.inputs.initial_student:
            return start.folder
        teacher = context.teachers[0]
        is_drawn = context.job.student.start == "random"
        if self.role is StudentRole.GOLD_ONLY or (is_drawn and self.role.is_baseline):
            return teacher.start
        return teacher.model.folder

    def write_start(self, context: JobContext, into: Path) -> None:
        """Write the untrained student into a folder."""
        job, source = context.job, self.source_folder(context)
        output, labels = context.task.output, context.data.labels
        write_student(job.student, source, output, labels, into, seed=job.train.seed)

    def record_outputs_code(self, context: JobContext, folder: Path) -> None:
        """Write into the student's folder which code computed the outputs that it learns from."""
        if not self.role.is_baseline:
            codes = (code for cached in context.outputs for code in cached.made_by)
            # a resumed training has learnt from the outputs of earlier attempts, too
            record_code(folder / OUTPUTS_CODE, codes)

    def collect_result(self, context: JobContext, folder: Path, seconds: float) -> StudentResult:
        """Return the student whose trainings are over.

        Args:
            context: the job.
            folder: the folder of the stage.
            seconds: the duration of the trainings.

        Raises:
            LostWorker: one of the trainings has left no result.
        """
        *before, last = trainings = self.trainings(context, folder)
        results = [result_of(training) for training in trainings]
        maps = {
            f"intermediate.{label}": layer_map
            for training in before
            for label, layer_map in maps_of(training).items()
        }
        has_head = kind_of(context.task.output).has_head
        model = TrainedModel(
            name=self.role,
            folder=last.best,
            weights=weights_hash(last.best),
            max_length=last.train.max_length,
            stride=last.train.stride,
            loss=results[-1].best_loss,
            metric=results[-1].metric,
            seconds=seconds,
            steps=sum(result.steps for result in results),
            diverged=any(result.diverged for result in results),
            maps=maps | maps_of(last),
            training=None if has_head else resolve_maps(last),
            outputs_by=recorded_code(folder / OUTPUTS_CODE),
        )
        return StudentResult(model=model)

    def _training(
        self,
        context: JobContext,
        objective: tuple[Term, ...],
        train: Train,
        start: Path,
        folder: Path,
    ) -> TrainingSpec:
        resources = ray_workers(context.job.resources, distilled=not self.role.is_baseline)
        learns_outputs = any(isinstance(term, Logits) for term in objective)
        unlabelled = context.data.unlabelled if has_teacher_loss(objective) else None
        teacher = context.teachers[0].model.folder
        return TrainingSpec(
            task=context.job.task,
            labels=context.data.labels,
            start=start,
            training=context.data.files["train"],
            validation=context.data.files["dev"],
            train=train,
            objective=objective,
            unlabelled=unlabelled.file if unlabelled else None,
            teachers=tuple(cached.location for cached in context.outputs) if learns_outputs else (),
            live_teacher=teacher if intermediate_losses(objective) else None,
            zero=resources.zero if resources else None,
            folder=folder,
        )


def student_roles(context: JobContext) -> tuple[StudentRole, ...]:
    """Return the roles of the students that the job trains for each seed, in their order."""
    baselines = tuple(map(StudentRole, context.job.compare))
    return (*baselines, StudentRole.DISTILLED) if context.job.distil else baselines


def train_student(context: JobContext, role: StudentRole, part: StagePart) -> TrainedModel:
    """Return one student, trained by whichever job of the project was first."""
    model = run_stage(context, TrainStudent(role, part)).model
    return model.model_copy(update={"name": role, "seed": context.job.train.seed})


def train_students(context: JobContext) -> tuple[list[TrainedModel], list[str]]:
    """Return the students of a job without a search, and a note for each that is missing.

    Of each seed the baselines come first, then the distilled student. A student that fails for good
    is left out and noted, unless that leaves no distilled student (of a job that distils nothing:
    no student of its first role).

    Raises:
        AlambiqueError: no such student could be trained, or the failure may pass at another
            attempt.
    """
    roles = student_roles(context)
    students = [(job, role) for job in context.job.per_seed for role in roles]
    models: list[TrainedModel] = []
    failures: dict[StudentRole, Exception] = {}
    notes = []
    for number, (job, role) in enumerate(students):
        name = f"{role}, seed {job.train.seed}" if context.job.seeds else f"{role}"
        part = StagePart(StageName.DISTIL, name, number, len(students))
        try:
            models.append(train_student(replace(context, job=job), role, part))
        except Exception as error:
            if is_retryable(reason_of(error)):
                raise
            failures.setdefault(role, error)
            notes.append(f"no {name} student: {user_message(error)}")
    purpose = StudentRole.DISTILLED if context.job.distil else roles[0]
    if purpose in failures and all(model.name != purpose for model in models):
        raise failures[purpose]
    if notes:
        context.log(*(f"warning: {note}" for note in notes))
    return models, notes


def _output_inputs(context: JobContext) -> Any:
    """Return what identifies the outputs that are learnt from; one teacher's weight is left out."""
    each = [
        (namespace_of(cached.location, context.task).digest, cached.location.weight)
        for cached in context.outputs
    ]
    if len(each) > 1:
        return each
    return each[0][0] if each else None


def _step_inputs(train: Train) -> list[Any]:
    """Return what decides how many steps a training takes; of batches of tokens also the seed."""
    batch = [train.batch_size, train.batch_tokens, train.seed if train.batch_tokens else None]
    return [train.epochs, *batch, train.max_length, train.stride]


def _step_budgets(context: JobContext) -> tuple[StepBudget, ...]:
    """Return the trainings of the distilled student whose steps a baseline takes, added up.

    Empty if the epochs of the baseline have as many steps by themselves.
    """
    job, unlabelled = context.job, context.data.unlabelled
    if job.intermediate is None and unlabelled is None:
        return ()
    trainings = [(job.objective, job.train)]
    if job.intermediate:
        trainings.insert(0, (job.intermediate.objective, job.intermediate.train))
    return tuple(
        StepBudget(
            train=train,
            unlabelled=unlabelled.file if unlabelled and has_teacher_loss(terms) else None,
        )
        for terms, train in trainings
    )
