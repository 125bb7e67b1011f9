"""Which run of fine-tuning teaches, and what is said of those that cannot."""

from collections.abc import Iterator, Sequence

from alambique.spec.errors import BadTeacher, Diverged
from alambique.spec.teachers import TeacherEntry
from alambique.workers.pipeline.records import FineTuneRun, SelectedTeacher


def chosen(tried: Sequence[FineTuneRun], teacher: TeacherEntry) -> SelectedTeacher:
    """The teacher: of the runs that have not collapsed, the first with the lowest loss.

    Where all have, and the job says `gate: off`, it is chosen among those with weights.

    Args:
        tried: all its runs, at least one, as `gate.judge_runs` gives them.
        teacher: what the job says of it.

    Raises:
        BadTeacher: every run has collapsed.
        Diverged: the only run has, before it had any weights.
    """
    off = teacher.said.gate == "off"
    able = [run for run in tried if run.collapsed is None]
    if off and not able:
        able = [run for run in tried if run.tuned.teacher is not None]
    if not able:
        raise _unable(tried, teacher)
    best = min(able, key=lambda run: 0.0 if run.loss is None else run.loss)
    assert best.tuned.teacher is not None  # one without weights has collapsed
    return SelectedTeacher(
        teacher=best.tuned.teacher,
        start=best.tuned.start,
        number=best.number,
        candidate=best.candidate,
        runs=tuple(tried) if len(tried) > 1 else (),
        gate=best.tuned.gate,
        gate_off=off,
        collapsed=best.collapsed,
    )


def collapsed(tried: Sequence[FineTuneRun]) -> list[str]:
    """A line for each run that cannot teach, by name and with its numbers."""
    return [f"collapsed: {_in_words(run)}" for run in tried if run.collapsed]


def notes(taught: SelectedTeacher) -> Iterator[str]:
    """What a reader of the job's table should know of how its teacher was chosen."""
    yield from collapsed(taught.runs)
    if taught.collapsed:
        yield unfit(taught)


def unfit(taught: SelectedTeacher) -> str:
    """What is said of a teacher that teaches because the job has the gate off."""
    return (
        f"the {taught.teacher.name} would not pass the gate, which the job has off: "
        f"{taught.collapsed}"
    )


def _in_words(run: FineTuneRun) -> str:
    loss = "" if run.loss is None else f"validation loss {run.loss:.4f}, "
    return f"{run.name}: {loss}{run.collapsed}"


def _unable(tried: Sequence[FineTuneRun], teacher: TeacherEntry) -> BadTeacher | Diverged:
    field, which = teacher.field, "" if teacher.alone else f"{teacher.role} ({teacher.field}): "
    if len(tried) == 1:
        return _alone(tried[0], field, which)
    lines = "\n".join(_in_words(run) for run in tried)
    return BadTeacher(
        f"{which}none of the {len(tried)} runs made a teacher that a student can learn from:\n"
        f"{lines}\nGive other learning rates or more epochs ({field}.grid), a longer warm-up "
        f"({field}.train.warmup), or other candidates ({field}.candidates); with {field}.gate: off "
        "the one with the lowest loss teaches all the same"
    )


def _alone(run: FineTuneRun, field: str, which: str) -> BadTeacher | Diverged:
    why = run.collapsed
    if run.tuned.teacher is None:
        return Diverged(f"{which}{why}")
    return BadTeacher(
        f"{which}the teacher's {why}: a student can learn little from it. Fine-tune it "
        f"({field}.train), train it longer, or at another learning rate; with {field}.gate: off it "
        "teaches all the same"
    )
