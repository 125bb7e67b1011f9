"""Whether the models of a job fit its data and one another: heads, labels, depths, lengths."""

from collections.abc import Mapping, Sequence

from alambique.models.configs import Config, depth, labels_of, longest_text, read_config
from alambique.models.families import FAMILIES
from alambique.models.shapes import kept_layers
from alambique.runtime.windows import Encoder
from alambique.spec.errors import BadSpec, BadTeacher, LabelMismatch
from alambique.spec.excerpts import joined_by, listed
from alambique.spec.job import Job
from alambique.spec.objective import has_output_loss, intermediate_kinds, intermediate_losses
from alambique.spec.sources import Architecture, Source
from alambique.spec.space import single_value_jobs
from alambique.spec.teachers import TeacherEntry
from alambique.tasks.all import find
from alambique.workers.pipeline.records import InitialModel
from alambique.workers.training.kinds.all import kind_of


def check_fine_tuned(
    job: Job, teacher: TeacherEntry, start: InitialModel | None, labels: tuple[str, ...]
) -> None:
    """Check that a teacher can teach as it is: its head answers with the labels of the data.

    For general distillation it needs no head.

    Raises:
        LabelMismatch: it has others, or does not name them.
        BadTeacher: it has no head for the task.
    """
    assert start is not None  # an architecture has to be trained, says the spec
    if kind_of(find(job.task).output).has_classes:
        _check_same_labels(teacher, read_config(start.folder), labels)
    if not start.head:
        raise BadTeacher(
            f"the teacher {start.name} has no head for {job.task}: give a model that is "
            f"fine-tuned for it, or fine-tune this one ({teacher.field}.train)"
        )


def _check_same_labels(teacher: TeacherEntry, config: Config, ours: tuple[str, ...]) -> None:
    theirs = labels_of(config)
    if theirs is None:
        raise LabelMismatch(
            f"the teacher does not name its labels, the data has {listed(ours)}: name them in its "
            f"config.json (id2label), or fine-tune it on this data ({teacher.field}.train)"
        )
    check_labels(ours, theirs, teacher.field)


def check_labels(
    data_labels: Sequence[str], model_labels: Sequence[str], field: str = "teacher"
) -> None:
    """Check that a model's labels are those of the data, in whatever order.

    Args:
        data_labels: of the data.
        model_labels: of the model.
        field: of the job, that names the teacher.

    Raises:
        LabelMismatch: the names differ; the message holds both lists, and what only one has, of
            each the beginning.
    """
    ours, theirs = set(data_labels), set(model_labels)
    if len(theirs) < len(model_labels) or ours != theirs:
        unknown = [label for label in data_labels if label not in theirs]
        unused = [label for label in model_labels if label not in ours]
        raise LabelMismatch(
            f"{field}.model: the data has labels {listed(data_labels)}, the model "
            f"{listed(model_labels)}; the model does not know {listed(unknown)}, the data does not "
            f"use {listed(unused)}: name the model's labels in its config.json (id2label) as the "
            f"data does, or fine-tune it on this data ({field}.train)"
        )


def check_teaching(teacher: TeacherEntry, model: Source, start: InitialModel | None) -> None:
    """Check that a teacher reads windows as long as the job gives it.

    Args:
        teacher: what the job says of it.
        model: what teaches, or may come to.
        start: where that is; None: it is an architecture.

    Raises:
        BadSpec: the windows are longer than it has positions for.
    """
    said, field = teacher.spec, teacher.field
    lengths = {f"{field}.max_length": said.max_length}
    if said.training:
        lengths[f"{field}.train.max_length"] = said.training.max_length
    _check_lengths(_max_positions(teacher, model, start), lengths)


def check_learning(job: Job, model: Source, start: InitialModel | None) -> None:
    """Check that the student can be made of a model and reads windows as long as it is given.

    Args:
        job: what is asked for.
        model: what the student starts from, or is shaped like.
        start: where that is; None: it is an architecture.

    Raises:
        BadSpec: it cannot be made of it, or has no positions for such windows.
    """
    if job.student.start != "random":
        layers = depth(read_config(start.folder)) if start else _as_architecture(model).layers
        kept_layers(job.student.keep, job.student.layers, layers)
    longest = _max_positions(job.teachers[0], model, start)
    for variant in (job, *single_value_jobs(job)):
        _check_lengths(longest, _window_lengths(variant))


def check_live_teacher(
    job: Job, field: str, teacher: InitialModel | None, student: InitialModel | None
) -> None:
    """Check that the teacher can answer each batch live, beside the student, if it has to.

    Args:
        job: what is asked for.
        field: that names the teacher's model.
        teacher: where that is; None: it is an architecture.
        student: what the student starts from; None: the teacher, or random.

    Raises:
        BadSpec: the two read texts in other pieces, or the teacher has no room for as many.
    """
    variants = [
        variant
        for variant in (job, *single_value_jobs(job))
        if any(map(intermediate_losses, variant.objectives))
    ]
    if not variants:
        return
    if student is not None and (teacher is None or _pieces(teacher) != _pieces(student)):
        raise BadSpec(
            f"{field}: {joined_by(intermediate_kinds(), 'and')} are compared piece by piece, and "
            f"the tokenizer of student.start is another than the teacher's: take a start with the "
            "teacher's tokenizer, or random, or the term logits, which belong to words"
        )
    longest = longest_text(read_config(teacher.folder)) if teacher else None
    for variant in variants:
        _check_lengths(longest, _window_lengths(variant))


def check_head(job: Job, student: InitialModel | None) -> None:
    """Check that the student's head comes from the teacher or another model, or is trained.

    Args:
        job: what is asked for.
        student: what the student starts from; None: the teacher, or random.

    Raises:
        BadSpec: it would answer by chance.
    """
    has_head = kind_of(find(job.task).output).has_head
    if not has_head or any(map(has_output_loss, job.objectives)):
        return
    start = job.student.start
    if start == "random" or (start != "teacher" and student is not None and not student.head):
        raise BadSpec(
            f"objective: layers alone are taught, and a student that starts from {start} has no "
            f"head for {job.task}: it would answer by chance; add {{kind: logits}}, or teach the "
            "layers first (intermediate)"
        )


def _window_lengths(job: Job) -> dict[str, int]:
    """Return the lengths of the windows that the student learns from, by the field that says it."""
    lengths = {"train.max_length": job.train.max_length}
    if job.intermediate:
        lengths["intermediate.train.max_length"] = job.intermediate.train.max_length
    return lengths


def _pieces(model: InitialModel) -> str:
    """Return what identifies the pieces that a model's tokenizer makes of texts."""
    return Encoder.from_folder(model.folder, max_length=64, stride=16).fingerprint


def _as_architecture(model: Source) -> Architecture:
    assert isinstance(model, Architecture)
    return model


def _max_positions(teacher: TeacherEntry, model: Source, start: InitialModel | None) -> int | None:
    """Return how many pieces a model, or one from scratch, has positions for; None: no limit."""
    if start is None:
        rotary = FAMILIES[_as_architecture(model).architecture].rotary
        return None if rotary else teacher.spec.positions
    return longest_text(read_config(start.folder))


def _check_lengths(longest: int | None, lengths: Mapping[str, int]) -> None:
    for field, length in lengths.items():
        if longest is not None and length > longest:
            raise BadSpec(f"{field} is {length}, the model has positions for {longest}: lower it")
