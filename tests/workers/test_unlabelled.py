"""Examples without labels: taught by the teacher alone, counted apart, never asked for gold."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from alambique.distill.objective import objective_loss
from alambique.registry import jobs
from alambique.spec.errors import BadData
from alambique.spec.objective import Gold, Logits
from alambique.spec.states import StageName, StudentRole
from alambique.tasks.data import Splits
from alambique.tasks.examples import content_hash, read, without_labels, write
from alambique.tasks.formats import conll
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import SelectedTeacher, TrainedModel
from alambique.workers.pipeline.stage import StagePart, stage_key
from alambique.workers.stages.check import check_job
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.stages.filler import Filler
from alambique.workers.training.batches import Batch
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.example_windows import ExampleWindow, loss_normalizers
from alambique.workers.training.inputs import load_inputs
from alambique.workers.training.schedule import share
from alambique.workers.training.spec import FillTask, TrainingSpec

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

Made = Callable[..., TrainingSpec]
Few = Callable[[str], Splits]
Recorder = Callable[..., "Recorded"]
MakeContext = Callable[..., JobContext]
TASKS = ["named-entities", "question-answering", "document-classification"]
CPU = torch.device("cpu")
BOTH = (Logits(), Gold(weight=0.5))


@pytest.fixture
def beside(
    training_spec: Made, fill_task_for: Callable[..., FillTask], few: Few, tmp_path: Path
) -> Callable[..., TrainingSpec]:
    """A training with the examples of dev, without labels, beside some of those of train."""

    def made(task: str, **said: Any) -> TrainingSpec:
        spec = training_spec(task)
        write(spec.training, few(task).train[:12])
        more = spec.training.with_name("unlabelled.arrow")
        write(more, [without_labels(example) for example in few(task).dev])
        order = fill_task_for(spec, tmp_path / "near", unlabelled=more)
        filler = Filler(order)
        filler.fill(list(filler.missing()))
        fields = {"unlabelled": more, "teachers": (order.outputs,), "objective": BOTH}
        return training_spec(task, **(fields | said))

    return made


def batch(
    spec: TrainingSpec,
    rows: Sequence[ExampleWindow | None],
    stand_in: ExampleWindow,
    teachers: bool = True,
) -> Batch:
    _, inputs = load_inputs(spec, SingleProcess(CPU))
    collator = inputs.collator if teachers else replace(inputs.collator, teachers=())
    return collator.collate(rows, stand_in)


def logits_for(spec: TrainingSpec, rows: Sequence[ExampleWindow]) -> Tensor:
    """The same for a row wherever it stands, so that batches can be compared."""
    length = 1 if spec.task == "document-classification" else max(row.length for row in rows)
    chance = torch.Generator().manual_seed(1)
    return torch.randn(len(rows), length, len(spec.labels), generator=chance).requires_grad_()


@pytest.mark.parametrize("task", TASKS)
def test_gold_is_a_mean_over_labelled_rows_and_slopes_of_others_come_of_the_teacher(
    beside: Callable[..., TrainingSpec], task: str
) -> None:
    spec = beside(task)
    _, inputs = load_inputs(spec, SingleProcess(CPU))
    rows, known = inputs.windows, len(read(spec.training))
    assert [row.labelled for row in rows] == [row.example < known for row in rows]
    chosen = [*rows[:3], *rows[-3:]]
    whole, logits = loss_normalizers(chosen), logits_for(spec, chosen)
    assert whole.rows == sum(row.weight for row in chosen)
    assert whole.labelled == sum(row.weight for row in chosen[:3])
    compared = batch(spec, chosen, rows[0]).prediction_rows(logits)
    gold, both = (
        objective_loss(compared, terms, normalizers=whole).total for terms in ([Gold()], BOTH)
    )
    (of_gold,) = torch.autograd.grad(gold, logits, retain_graph=True)
    (of_both,) = torch.autograd.grad(both, logits)
    assert of_gold.flatten(1).any(1).tolist() == [True] * 3 + [False] * 3
    assert of_both.flatten(1).any(1).all()
    alone = batch(spec, chosen[:3], rows[0], teachers=False)
    length = 1 if logits.shape[1] == 1 else alone.inputs.input_ids_BN.shape[1]
    without = alone.prediction_rows(logits[:3, :length])
    torch.testing.assert_close(
        objective_loss(without, [Gold()], normalizers=loss_normalizers(chosen[:3])).total, gold
    )


@pytest.mark.parametrize("task", TASKS)
def test_processes_share_the_loss_out_exactly(
    beside: Callable[..., TrainingSpec], task: str
) -> None:
    """Also where all that has a label is one process's."""
    spec = beside(task)
    _, inputs = load_inputs(spec, SingleProcess(CPU))
    rows = inputs.windows
    chosen = [rows[0], *rows[-3:], rows[1]]
    whole, logits = loss_normalizers(chosen), logits_for(spec, chosen)
    expected = objective_loss(
        batch(spec, chosen, rows[0]).prediction_rows(logits), BOTH, normalizers=whole
    )
    parts = []
    for rank in range(3):
        mine = share(range(len(chosen)), rank, 3)
        some = [None if i is None else chosen[i] for i in mine]
        own = logits[[i or 0 for i in mine]]
        part = batch(spec, some, chosen[0])
        length = 1 if own.shape[1] == 1 else part.inputs.input_ids_BN.shape[1]
        parts.append(objective_loss(part.prediction_rows(own[:, :length]), BOTH, normalizers=whole))
    torch.testing.assert_close(sum(part.total for part in parts), expected.total)
    for kind, value in expected.parts.items():
        torch.testing.assert_close(sum(part.parts[kind] for part in parts), value)


def test_micro_batches_without_a_label_change_nothing(
    beside: Callable[..., TrainingSpec], recorded: Recorder
) -> None:
    """Also of batches that have none: gold is 0 there, and no number is NaN."""
    spec = beside("named-entities")
    few_rows = spec.train.model_copy(update={"batch_size": 4, "epochs": 1})
    runs = [
        recorded(beside("named-entities", train=few_rows.model_copy(update={"accumulate": n})))
        for n in (1, 3)
    ]
    for run in runs:
        run.run()
    assert runs[0].losses == pytest.approx(runs[1].losses, abs=1e-5)


@pytest.fixture
def other(few: Few, tmp_path: Path) -> Callable[..., Path]:
    """A file of sentences whose tags all say another thing than they did."""

    def made(tag: str) -> Path:
        path = tmp_path / tag / "other.conll"
        path.parent.mkdir()
        sentences = [replace(s, tags=(tag,) * len(s.words)) for s in few("named-entities").dev]
        conll.write(path, sentences)
        return path

    return made


def student_keys(context: JobContext, teacher: TrainedModel) -> dict[StudentRole, str]:
    """The keys of a job's students, by their roles."""
    selected = SelectedTeacher(model=teacher, start=teacher.folder)
    context = replace(context, check_result=check_job(context), teachers=(selected,))
    return {
        role: stage_key(context, TrainStudent(role, StagePart(StageName.DISTIL, role)))
        for role in (StudentRole.GOLD_ONLY, StudentRole.DISTILLED)
    }


def test_labels_of_unlabelled_examples_are_never_read(
    job_context: MakeContext,
    other: Callable[..., Path],
    folder_of: Callable[..., Path],
    as_teacher: Callable[..., TrainedModel],
) -> None:
    """Whatever they say, it is the same job; a baseline takes as many steps, and reads no label."""
    data = "data={name: sample-entities, limit: {train: 40, dev: 4, test: 4}, unlabelled: %s}"
    plain = job_context()
    jobs_of = [job_context(data % other(tag)) for tag in ("O", "B-NEVER-HEARD-OF")]
    found = [check_job(one).data for one in jobs_of]
    hashes = {one.unlabelled.hash for one in found if one.unlabelled}
    assert len(hashes) == 1
    assert found[0].labels == check_job(plain).data.labels
    assert found[0].unlabelled is not None
    examples = read(found[0].unlabelled.file)
    assert content_hash(examples) == content_hash([without_labels(one) for one in examples])
    teacher = as_teacher(folder_of(), max_length=64, stride=16)
    first, second, without = (
        student_keys(one, teacher)
        for one in (*jobs_of, job_context("data.limit={train: 40, dev: 4, test: 4}"))
    )
    assert first == second
    assert all(first[role] != without[role] for role in first)


def test_what_the_job_has_already_is_left_out_and_told(job_context: MakeContext) -> None:
    limit = "limit: {train: 40, dev: 13, test: 12, unlabelled: 25}"
    job = job_context(f"data={{name: sample-entities, {limit}, unlabelled: sample-entities}}")
    data = check_job(job).data
    assert data.unlabelled is not None
    assert data.unlabelled.count == 25
    words = {example.words for example in read(data.files["train"])}  # type: ignore[union-attr]
    assert words.isdisjoint(e.words for e in read(data.unlabelled.file))  # type: ignore[union-attr]
    with job.database.read() as session:
        (logged,) = jobs.logs(session, job.id)
        messages = [event.content.get("message") for event in jobs.events(session, job.id)]
    assert logged.content["lines"] == [
        "warning: 40 of 2400 unlabelled examples have the text of one of train: left out"
    ]
    assert messages[-1] == "40 train, 13 dev, 12 test, 25 unlabelled examples"


def test_a_set_of_which_nothing_is_left(
    job_context: MakeContext, few: Few, tmp_path: Path, refused: Callable[..., None]
) -> None:
    conll.write(tmp_path / "same.conll", few("named-entities").train[:9])
    job = job_context(f"data.unlabelled={tmp_path}/same.conll")
    refused(job, BadData, "data.unlabelled: ", "no example beyond those of train, dev, test")
