"""A model that cannot serve is told before anything is spent; one that can is read aright."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from alambique.models.weights import weights_hash
from alambique.spec.errors import (
    BadModel,
    BadSpec,
    BadTeacher,
    LabelMismatch,
)
from alambique.spec.states import StageName
from alambique.tasks.data import Splits
from alambique.tasks.examples import read
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.scoring.loaded_model import LoadedModel
from alambique.workers.search.trial_job import SearchJob
from alambique.workers.stages.check import check_job
from alambique.workers.stages.evaluate import Evaluate, text_length
from alambique.workers.stages.teach import FineTune, select_teachers
from alambique.workers.training.initial_weights import write_with_head

Made = Callable[..., Path]
MakeContext = Callable[..., JobContext]

BERT = {"architecture": "bert"}
TUNED = ("teacher.train=null", "teacher.max_length=48", "train.max_length=48")
Refused = Callable[..., None]


def test_labels_of_another_name_are_refused(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    teacher = folder_of(labels=("O", "B-PERSONA", "I-PERSONA"))
    job = job_context(f"teacher.model={teacher}", *TUNED)
    refused(job, LabelMismatch, "B-PER'", "B-PERSONA", "id2label", "teacher.train")


def test_labels_without_names(
    job_context: MakeContext, folder_of: Made, few: Callable[[str], Splits], refused: Refused
) -> None:
    count = len(few("named-entities").labels)
    teacher = folder_of(labels=tuple(f"LABEL_{number}" for number in range(count)))
    job = job_context(f"teacher.model={teacher}", *TUNED)
    refused(job, LabelMismatch, "does not name its labels", "id2label")


@pytest.mark.parametrize("task", ["named-entities", "question-answering"])
def test_a_teacher_without_a_head_is_refused(
    job_context: MakeContext, folder_of: Made, task: str, refused: Refused
) -> None:
    teacher = folder_of(task=task)
    weights = load_file(teacher / "model.safetensors")
    body = {n: w for n, w in weights.items() if n.split(".")[0] not in ("classifier", "qa_outputs")}
    assert len(body) < len(weights)
    save_file(body, teacher / "model.safetensors", metadata={"format": "pt"})
    data = {"named-entities": "sample-entities", "question-answering": "sample-questions"}[task]
    job = job_context(f"task={task}", f"data.name={data}", f"teacher.model={teacher}", *TUNED)
    refused(job, BadTeacher, str(teacher), f"no head for {task}", "teacher.train")


@pytest.mark.parametrize("start", ["random", "sample-encoder"])
def test_a_head_that_nobody_trains_is_refused(
    job_context: MakeContext, refused: Refused, start: str
) -> None:
    """Layers alone do not reach it: the model would answer by chance, and be registered."""
    said = (f"student.start={start}", "teacher.model=sample-encoder", "compare=[]")
    layers = "[{kind: hidden, mapping: last}]"
    job = job_context(*said, f"objective={layers}")
    refused(job, BadSpec, f"starts from {start} has no head", "add {kind: logits}", "intermediate")
    check_job(
        job_context(*said, f"intermediate={{objective: {layers}}}", "objective=[{kind: gold}]")
    )
    check_job(
        job_context(*said[1:], f"objective={layers}")
    )  # from the teacher, which has learnt one


def test_a_head_that_trials_train(
    job_context: MakeContext, checked: MakeContext, refused: Refused
) -> None:
    """The job itself is no trial; one that trains no head fails alone, if others train one."""
    said = ("student.start=random", "objective=[{kind: hidden, mapping: last}]", "compare=[]")
    layers, both = "[{kind: hidden}]", "[{kind: hidden}, {kind: logits}]"
    more = "sampler: grid, scheduler: none, goals: [f1 max]"
    space = "search={space: {objective: [%s]}, %s}"
    first = checked(*said, space % (f"{both}, [{{kind: logits}}]", more))
    starts = "search={space: {student.start: [random, teacher], objective: [%s, %s]}, %s}"
    mixed = job_context(*said, starts % (layers, both, more))
    check_job(mixed)
    search_job = SearchJob(replace(mixed, check_result=first.inputs))
    search_job.trial_job({"student.start": "teacher", "objective": [{"kind": "hidden"}]})
    with pytest.raises(BadSpec, match="starts from random has no head"):
        search_job.trial_job({"student.start": "random", "objective": [{"kind": "hidden"}]})
    refused(
        job_context(*said, space % (f"{layers}, {both}", more)), BadSpec, "search.space.objective"
    )


def test_weights_that_are_not_finite_are_refused(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    teacher = folder_of()
    weights = load_file(teacher / "model.safetensors")
    name = next(iter(weights))
    weights[name].view(-1)[0] = torch.nan
    save_file(weights, teacher / "model.safetensors", metadata={"format": "pt"})
    job = job_context(f"teacher.model={teacher}")
    refused(job, BadModel, repr(name), "not all finite", "take an earlier checkpoint")


def test_weights_that_are_pickled_are_refused(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    teacher = folder_of()
    (teacher / "model.safetensors").rename(teacher / "pytorch_model.bin")
    job = job_context(f"teacher.model={teacher}")
    refused(job, BadModel, "no model.safetensors, only pytorch_model.bin", "convert them once")


@pytest.mark.parametrize("field", ["teacher.max_length", "teacher.train.max_length"])
def test_windows_longer_than_the_teacher_reads(
    job_context: MakeContext, folder_of: Made, field: str, refused: Refused
) -> None:
    teacher = folder_of(**BERT)
    lengths = ["teacher.max_length=64", "teacher.train.max_length=64", "train.max_length=64"]
    job = job_context(f"teacher.model={teacher}", *lengths, f"{field}=96")
    refused(job, BadSpec, f"{field} is 96", "positions for 64", "lower it")


@pytest.mark.parametrize("start", ["teacher", "random", "folder"])
def test_windows_longer_than_the_student_reads(
    job_context: MakeContext, folder_of: Made, start: str, refused: Refused
) -> None:
    teacher, other = folder_of(**BERT), folder_of("other", **BERT)
    lengths = ["teacher.max_length=64", "teacher.train.max_length=64", "train.max_length=96"]
    start = str(other) if start == "folder" else start
    job = job_context(f"teacher.model={teacher}", f"student.start={start}", *lengths)
    refused(job, BadSpec, "train.max_length is 96", "positions for 64")


def test_a_teacher_worse_than_a_cheap_baseline(checked: MakeContext, folder_of: Made) -> None:
    teacher = folder_of()
    weights = load_file(teacher / "model.safetensors")
    weights["classifier.bias"][0] += 100  # O, whatever it reads
    save_file(weights, teacher / "model.safetensors", metadata={"format": "pt"})
    said = (f"teacher.model={teacher}", *TUNED)
    words = r"f1 .* is 0\.0000, that of the most frequent tag .*teacher\.train.* teacher\.gate: off"
    with pytest.raises(BadTeacher, match=words):
        select_teachers(checked(*said, gated=True))
    (selected,) = select_teachers(checked(*said))
    assert selected.gate is not None
    assert (selected.model.metric, selected.gate.score, selected.gate_off) == (0, 0, True)


def test_labels_may_be_in_another_order(
    checked: MakeContext, folder_of: Made, tmp_path: Path
) -> None:
    """They are accepted, and the outputs put into the order of the data."""
    teacher, permuted = folder_of(), tmp_path / "permuted"
    shutil.copytree(teacher, permuted)
    weights, config = load_file(teacher / "model.safetensors"), _config(teacher)
    order = torch.randperm(len(config["id2label"]), generator=torch.Generator().manual_seed(3))
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name][order].contiguous()
    names = [config["id2label"][str(int(number))] for number in order]
    config |= {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
    (permuted / "config.json").write_text(json.dumps(config))
    save_file(weights, permuted / "model.safetensors", metadata={"format": "pt"})
    context = checked(f"teacher.model={permuted}", *TUNED)
    assert context.inputs.initial_teachers[0][0] is not None
    mapped, same = tmp_path / "mapped", tmp_path / "same"
    assert _said(context, permuted, mapped) == _said(context, teacher, same)


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config


def _said(context: JobContext, teacher: Path, into: Path) -> list[Any]:
    """The answers and the scores of a teacher on the validation examples, as the job reads it."""
    task, data = context.task, context.data
    write_with_head(teacher, task.output, data.labels, into, seed=0)
    examined = LoadedModel.of(task, into, data.labels, max_length=48, stride=16)
    examples = read(data.files["dev"])
    rows = examined.windows(examples)
    found = examined.predict_logits(rows)
    best = [answer.argmax(-1).tolist() for answer in found]
    assert len({number for answer in best for number in answer}) > 2
    return [best, examined.scores(examples, rows, found)]


def test_a_longer_window_of_the_student_than_the_teacher_has(
    checked: MakeContext, folder_of: Made, tmp_path: Path
) -> None:
    """Outputs belong to words: the student may see more of them at once."""
    teacher, other = folder_of(**BERT), folder_of("other")
    lengths = ["teacher.max_length=64", "teacher.train.max_length=64", "train.max_length=96"]
    context = checked(f"teacher.model={teacher}", f"student.start={other}", *lengths)
    trained = [network("teacher", teacher, 64), network("distilled", other, 96)]
    length = text_length(context, trained)
    part = StagePart(StageName.EVALUATE, "distilled", 1, 2)
    found = Evaluate(trained[1], length, part).run(context, tmp_path)
    assert length == found.settings["length"] == 64


def network(name: str, folder: Path, max_length: int) -> TrainedModel:
    weights = weights_hash(folder)
    return TrainedModel(
        name=name,
        folder=folder,
        weights=weights,
        max_length=max_length,
        stride=16,
        loss=None,
        metric=0.0,
        seconds=0.0,
    )


@pytest.mark.parametrize("of", ["teacher.model", "student.start"])
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("vocab_size", "many", "vocab_size 'many'"),
        ("num_hidden_layers", -1, "do not fit its config.json"),
        ("num_hidden_layers", 3, "do not fit its config.json"),
        ("id2label", ["O"], "id2label of the model is a list"),
    ],
)
def test_a_config_that_makes_no_sense(
    job_context: MakeContext,
    folder_of: Made,
    of: str,
    field: str,
    value: object,
    said: str,
    refused: Refused,
) -> None:
    """Also of the student's start, which nobody opens before the teacher is trained."""
    folder = folder_of()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {field: value}))
    refused(job_context(f"{of}={folder}"), BadModel, said)


def test_a_tokenizer_that_marks_no_beginning(
    job_context: MakeContext, folder_of: Made, refused: Refused
) -> None:
    folder = folder_of()
    content = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(content | {"post_processor": None}))
    refused(job_context(f"student.start={folder}"), BadModel, "[CLS]")


def test_labels_that_were_put_right_are_taken_up(checked: MakeContext, folder_of: Made) -> None:
    """A stage is skipped only where nothing that it depends on has changed."""
    teacher = folder_of()
    context = checked(f"teacher.model={teacher}", *TUNED)
    (entry,) = context.job.teachers
    run = FineTune(entry, entry.spec.runs[0], 1, StagePart(StageName.TEACH, "teacher"))
    before = run.key_inputs(context)
    config = json.loads((teacher / "config.json").read_text())
    names = list(config["id2label"].values())
    turned = {str(number): name for number, name in enumerate(reversed(names))}
    (teacher / "config.json").write_text(json.dumps(config | {"id2label": turned}))
    after = run.key_inputs(replace(context, check_result=check_job(context)))
    assert before != after
    assert {**before, "model": after["model"]} == after
