"""Each of several teachers is looked at before anything is spent, and named where it cannot be."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alambique.spec.errors import BadSpec, BadTeacher, Diverged, LabelMismatch, UnknownName
from alambique.spec.teacher import Teacher
from alambique.spec.teachers import TeacherEntry
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import FineTuneResult, FineTuneRun, TrainedModel
from alambique.workers.stages.check import check_job
from alambique.workers.stages.teach import select_teacher

Made = Callable[..., Path]
MakeContext = Callable[..., JobContext]
Refused = Callable[..., None]

SHORT = ("train.max_length=64", "train.stride=16", "student.layers=2")
SECOND = TeacherEntry(Teacher(model="mini", train={}), 1, alone=False)


def teachers(*each: object, more: str = "train: {max_length: 64, stride: 16}") -> Iterator[str]:
    """Overrides of a job with these teachers."""
    said = [f"{{model: {one}, max_length: 64, stride: 16, {more}}}" for one in each]
    yield f"teacher=[{', '.join(said)}]"
    yield from SHORT


def test_a_teacher_that_is_nowhere_is_named(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    said = "teacher.1.model: there is no model 'mini'"
    refused(job_context(*teachers(folder_of(), "mini")), UnknownName, said)


def test_labels_of_another_name_are_told_once(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    other = folder_of("other", labels=("O", "B-PERSONA", "I-PERSONA"))
    job = job_context(*teachers(folder_of(), other, more="train: null"))
    refused(job, LabelMismatch, "teacher.1.model: the data has labels", "(teacher.1.train)")


def test_a_second_teacher_without_a_head_is_refused(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    other = folder_of("other", task="document-classification")
    (other / "config.json").write_text(
        (folder_of() / "config.json").read_text()  # with the labels of the data
    )
    job = job_context(*teachers(folder_of("first"), other, more="train: null"))
    refused(job, BadTeacher, "teacher.1.model: the teacher ", "has no head", "(teacher.1.train)")


def test_a_teacher_with_too_few_positions_is_refused(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    short = folder_of("short", architecture="bert", positions=32)
    job = job_context(*teachers(folder_of(), short))
    refused(job, BadSpec, "teacher.1.model: teacher.1.max_length is 64, the model has positions")


def test_the_student_is_cut_from_the_first(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    deep, shallow = folder_of("deep"), folder_of("shallow", layers=1, width=24, heads=3)
    found = check_job(job_context(*teachers(deep, shallow)))
    assert [[one.folder for one in each if one] for each in found.initial_teachers] == [
        [deep],
        [shallow],
    ]
    refused(
        job_context(*teachers(shallow, deep)), BadSpec, "teacher.0.model: a student of 2 layers"
    )


def test_names_that_are_another_task_s(
    job_context: MakeContext, folder_of: Made, register_version: Callable[[JobContext, str], None]
) -> None:
    register_version(job_context("name=mine"), "mine-teacher-2")
    job = job_context(*teachers(folder_of(), folder_of("other", seed=2)), "name=mine")
    with pytest.raises(BadSpec, match=r"'mine-teacher-2' .*\bquestion-answering\b"):
        check_job(job)


def tried(loss: float | None, number: int = 1) -> FineTuneRun:
    model = None
    if loss is not None:
        model = TrainedModel(
            name="teacher",
            folder=Path("run"),
            weights="w",
            max_length=64,
            stride=16,
            loss=loss,
            metric=0.0,
            seconds=0.0,
        )
    return FineTuneRun(
        number=number,
        candidate=0,
        model="mini",
        name="mini",
        point={},
        train=None,
        result=FineTuneResult(model=model, start=Path("start")),
        collapsed="it knows nothing",
    )


def test_which_of_several_has_collapsed_is_told() -> None:
    with pytest.raises(BadTeacher, match=r"^teacher-2 \(teacher\.1\): the teacher's it .*1\.train"):
        select_teacher([tried(2.0)], SECOND)
    with pytest.raises(Diverged, match=r"^teacher-2 \(teacher\.1\): it knows nothing"):
        select_teacher([tried(None)], SECOND)
    with pytest.raises(BadTeacher, match=r"^teacher-2 \(teacher\.1\): none of the 2") as caught:
        select_teacher([tried(2.0), tried(None, 2)], SECOND)
    assert "(teacher.1.grid)" in str(caught.value)
