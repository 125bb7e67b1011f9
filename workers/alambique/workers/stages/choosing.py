"""Which run of fine-tuning teaches, and what is said of those that cannot."""

from collections.abc import Sequence

from alambique.spec.errors import BadTeacher, Diverged
from alambique.spec.teachers import Teaching
from alambique.workers.records import Taught, Tried


def chosen(tried: Sequence[Tried], teacher: Teaching) -> Taught:
    """The teacher: of the runs that have not collapsed, the first with the lowest loss.

    Args:
        tried: all its runs, at least one.
        teacher: what the job says of it.

    Raises:
        BadTeacher: every run has collapsed.
        Diverged: the only run has, before it had any weights.
    """
    able = [run for run in tried if run.tuned.collapsed is None]
    if not able:
        raise _unable(tried, teacher)
    best = min(able, key=lambda run: 0.0 if run.loss is None else run.loss)
    assert best.tuned.teacher is not None  # one without weights has collapsed
    return Taught(
        teacher=best.tuned.teacher,
        start=best.tuned.start,
        number=best.number,
        candidate=best.candidate,
        runs=tuple(tried) if len(tried) > 1 else (),
    )


def collapsed(tried: Sequence[Tried]) -> list[str]:
    """A line for each run that cannot teach, by name and with its numbers."""
    return [f"collapsed: {_in_words(run)}" for run in tried if run.tuned.collapsed]


def _in_words(run: Tried) -> str:
    loss = "" if run.loss is None else f"validation loss {run.loss:.4f}, "
    return f"{run.name}: {loss}{run.tuned.collapsed}"


def _unable(tried: Sequence[Tried], teacher: Teaching) -> BadTeacher | Diverged:
    field, which = teacher.field, "" if teacher.alone else f"{teacher.role} ({teacher.field}): "
    if len(tried) == 1:
        return _alone(tried[0], field, which)
    lines = "\n".join(_in_words(run) for run in tried)
    return BadTeacher(
        f"{which}none of the {len(tried)} runs made a teacher that a student can learn from:\n"
        f"{lines}\nGive other learning rates or more epochs ({field}.grid), a longer warm-up "
        f"({field}.train.warmup), or other candidates ({field}.candidates)"
    )


def _alone(run: Tried, field: str, which: str) -> BadTeacher | Diverged:
    why = run.tuned.collapsed
    if run.tuned.teacher is None:
        return Diverged(f"{which}{why}")
    return BadTeacher(
        f"{which}the teacher's {why}: a student can learn nothing from it. Fine-tune it "
        f"({field}.train), train it longer, or at another learning rate"
    )
