"""Whether the models of a job fit its data and one another: heads, labels, depths, lengths."""

from collections.abc import Mapping

from alambique.distill.layers import kept
from alambique.models.configs import Config, depth, labels_of, longest_text, read_config
from alambique.spec.errors import BadSpec, BadTeacher, LabelMismatch
from alambique.spec.job import Job
from alambique.spec.outputs import Output
from alambique.spec.sources import Architecture, Source
from alambique.tasks.all import find
from alambique.tasks.labels import check_labels
from alambique.workers.records import Start


def check_fine_tuned(job: Job, teacher: Start | None, labels: tuple[str, ...]) -> None:
    """Nothing, where a teacher can teach as it is: its head answers with the labels of the data.

    Where layers are all that teaches, it needs no head.

    Raises:
        LabelMismatch: it has others, or does not name them.
        BadTeacher: it has no head for the task.
    """
    assert teacher is not None  # an architecture has to be trained, says the spec
    output = find(job.task).output
    if output not in (Output.SPAN, Output.STATES):
        _same_labels(read_config(teacher.folder), labels)
    if not teacher.head:
        raise BadTeacher(
            f"the teacher {teacher.name} has no head for {job.task}: give a model that is "
            "fine-tuned for it, or fine-tune this one (teacher.train)"
        )


def _same_labels(config: Config, ours: tuple[str, ...]) -> None:
    theirs = labels_of(config)
    if theirs is None:
        raise LabelMismatch(
            f"the teacher does not name its labels, the data has {list(ours)}: name them in its "
            "config.json (id2label), or fine-tune it on this data (teacher.train)"
        )
    check_labels(ours, theirs)


def check_teaching(job: Job, model: Source, found: Start | None) -> None:
    """Nothing, where a teacher reads windows as long as the job gives it.

    Args:
        job: what is asked for.
        model: what teaches, or may come to.
        found: where that is; None: it is an architecture.

    Raises:
        BadSpec: it does not.
    """
    lengths = {"teacher.max_length": job.teacher.max_length}
    if job.teacher.training:
        lengths["teacher.train.max_length"] = job.teacher.training.max_length
    _short_enough(_longest(job, model, found), lengths)


def check_learning(job: Job, model: Source, found: Start | None) -> None:
    """Nothing, where the student can be made of a model and reads windows as long as it is given.

    Args:
        job: what is asked for.
        model: what the student starts from, or is shaped like.
        found: where that is; None: it is an architecture.

    Raises:
        BadSpec: it cannot, or does not.
    """
    if job.student.start != "random":
        layers = depth(read_config(found.folder)) if found else _scratch(model).layers
        kept(job.student.keep, job.student.layers, layers)
    _short_enough(_longest(job, model, found), {"train.max_length": job.train.max_length})


def _scratch(model: Source) -> Architecture:
    assert isinstance(model, Architecture)
    return model


def _longest(job: Job, model: Source, found: Start | None) -> int | None:
    """The pieces that a model, or the one from scratch, has positions for; None: no limit."""
    if found is None:
        return None if _scratch(model).architecture == "modernbert" else job.teacher.positions
    return longest_text(read_config(found.folder))


def _short_enough(longest: int | None, lengths: Mapping[str, int]) -> None:
    for field, length in lengths.items():
        if longest is not None and length > longest:
            raise BadSpec(f"{field} is {length}, the model has positions for {longest}: lower it")
