"""Which run teaches: that of the lowest loss, and none that has collapsed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.spec.errors import BadTeacher, Diverged
from alambique.spec.teacher import Teacher
from alambique.spec.teachers import TeacherEntry
from alambique.spec.train import Train
from alambique.workers.pipeline.records import FineTuneResult, FineTuneRun, TrainedModel
from alambique.workers.stages.teach import select_teacher, selection_notes

WHY = "f1 on the validation examples is 0.0000, that of the most frequent tag 0.4000"
ALONE = TeacherEntry(Teacher(model="mini"))
OPEN = TeacherEntry(Teacher(model="mini", gate="off"))
NAN = "the loss became nan at step 3: lower train.learning_rate"


def trained(loss: float, metric: float) -> TrainedModel:
    return TrainedModel(
        name="teacher",
        folder=Path("run"),
        weights=f"{loss}",
        max_length=64,
        stride=16,
        loss=loss,
        metric=metric,
        seconds=1.0,
    )


def tried(number: int, loss: float | None, collapsed: str | None = None) -> FineTuneRun:
    """A run; without a loss it has no weights."""
    return FineTuneRun(
        number=number,
        candidate=number // 2,
        model="mini",
        name=f"mini, epochs {number}",
        point={"epochs": number},
        train=Train(epochs=number),
        result=FineTuneResult(
            model=None if loss is None else trained(loss, 0.5),
            start=Path(f"start-{number}"),
        ),
        collapsed=collapsed,
    )


@given(st.lists(st.tuples(st.sampled_from([0.25, 0.5, 1.0]), st.booleans()), min_size=2))
def test_the_first_of_the_lowest_loss_that_can_teach(said: list[tuple[float, bool]]) -> None:
    runs = [tried(n, loss, WHY if bad else None) for n, (loss, bad) in enumerate(said, start=1)]
    able = [run for run in runs if not run.collapsed]
    if not able:
        with pytest.raises(BadTeacher):
            select_teacher(runs, ALONE)
        return
    selected = select_teacher(runs, ALONE)
    lowest = min(run.loss for run in able if run.loss is not None)
    first = next(run for run in able if run.loss == lowest)
    assert (selected.number, selected.candidate) == (first.number, first.candidate)
    assert (selected.model, selected.start) == (first.result.model, first.result.start)
    assert selected.runs == tuple(runs)


def test_with_the_gate_off_one_that_collapsed_teaches_where_no_other_can() -> None:
    selected = select_teacher([tried(1, 2.5, WHY)], OPEN)
    assert (selected.number, selected.gate_off, selected.collapsed) == (1, True, WHY)
    (note,) = selection_notes(selected)
    assert note == f"the teacher would not pass the gate, which the job has off: {WHY}"

    better = select_teacher([tried(1, 0.5, WHY), tried(2, 2.5), tried(3, None, NAN)], OPEN)
    assert (better.number, better.gate_off, better.collapsed) == (2, True, None)
    assert len([*selection_notes(better)]) == 2  # of the two that collapsed
    lowest = select_teacher([tried(1, 2.5, WHY), tried(2, 0.5, WHY), tried(3, None, NAN)], OPEN)
    assert (lowest.number, lowest.collapsed) == (2, WHY)


def test_with_the_gate_off_one_without_weights_teaches_nothing() -> None:
    with pytest.raises(Diverged):
        select_teacher([tried(1, None, NAN)], OPEN)
    with pytest.raises(BadTeacher):
        select_teacher([tried(1, None, NAN), tried(2, None, NAN)], OPEN)


def test_one_run_alone_is_no_choice() -> None:
    assert select_teacher([tried(1, 0.5)], ALONE).runs == ()


def test_where_all_collapse_each_is_named_with_its_numbers() -> None:
    with pytest.raises(BadTeacher) as caught:
        select_teacher([tried(1, 2.5, WHY), tried(2, None, NAN)], ALONE)
    first, *lines, last = str(caught.value).splitlines()
    assert first == "none of the 2 runs made a teacher that a student can learn from:"
    assert lines == [f"mini, epochs 1: validation loss 2.5000, {WHY}", f"mini, epochs 2: {NAN}"]
    assert "teacher.grid" in last


def test_of_one_run_it_is_told_why_it_cannot_teach() -> None:
    with pytest.raises(BadTeacher) as caught:
        select_teacher([tried(1, 2.5, WHY)], ALONE)
    assert str(caught.value) == (
        f"the teacher's {WHY}: a student can learn little from it. Fine-tune it (teacher.train), "
        "train it longer, or at another learning rate; with teacher.gate: off it teaches all the "
        "same"
    )
    with pytest.raises(Diverged) as diverged:
        select_teacher([tried(1, None, NAN)], ALONE)
    assert str(diverged.value) == NAN
