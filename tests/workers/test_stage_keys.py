"""What a stage's key depends on: all that changes its result, and nothing else.

A key that lacks something takes another job's result for its own; one that has too much does
again what was done.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alambique.models.weights import weights_hash
from alambique.spec.job import Job
from alambique.spec.reading import read_job
from alambique.spec.states import StageName, StudentRole
from alambique.tasks.data import Splits
from alambique.tasks.formats import conll
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import SelectedTeacher, TrainedModel
from alambique.workers.pipeline.stage import Stage, StagePart, hash_inputs, stage_key
from alambique.workers.stages.cache import fill_caches
from alambique.workers.stages.check import check_job
from alambique.workers.stages.distil import TrainStudent
from alambique.workers.stages.evaluate import Evaluate, text_length
from alambique.workers.stages.teach import FineTune

RECIPE = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()
LIMIT = "data.limit={train: 12, dev: 6, test: 6}"

NONE: set[str] = set()
STUDENTS = {"gold-only", "same-start", "distilled"}
OF_STUDENTS = {f"evaluate {name}" for name in STUDENTS}
EVALUATE = {"evaluate teacher", *OF_STUDENTS}
EVERY = {"teach", *STUDENTS, *EVALUATE}
CHANGED = {
    ("name=other",): NONE,
    ("project=other",): NONE,
    ("priority=10",): NONE,
    ("deadline=1h",): NONE,
    ("compare=[]",): NONE,
    ("fresh=true",): EVERY,
    ("resources.cpus=0.5",): NONE,
    ("resources.zero=2",): NONE,  # one worker has no ZeRO
    ("resources.workers=2",): {"distilled"},
    ("resources.gpus=1",): {"teach", *STUDENTS},
    ("objective=[{kind: logits, loss: ce}]",): {"distilled"},
    ("objective=[{kind: logits, temperature: 2}]",): {"distilled"},
    ("objective=[{kind: logits, weight: 0.5}]",): {"distilled"},
    ("objective=[{kind: logits}, {kind: gold}]",): {"distilled"},
    ("objective=[{kind: logits}, {kind: hidden}]",): {"distilled"},
    ("objective=[{kind: logits}, {kind: hidden, mapping: last}]",): {"distilled"},
    ("intermediate={objective: [{kind: relations}]}",): STUDENTS,  # baselines keep pace
    ("train.seed=2",): STUDENTS,
    ("train.epochs=4",): STUDENTS,
    ("train.precision=bf16",): STUDENTS,
    ("train.max_length=64",): STUDENTS | EVALUATE,
    ("student.layers=2",): STUDENTS,
    ("student.keep=last",): STUDENTS,
    ("student.start=random",): STUDENTS,
    ("student.start=random", "student.width=32"): STUDENTS,
    ("teacher.train.learning_rate=1e-3",): {"teach"},
    ("teacher.train.seed=2",): {"teach"},
    ("teacher.train.precision=bf16",): {"teach", "distilled"},
    ("teacher.max_length=100",): {"teach", "distilled", "evaluate teacher"},
    ("teacher.stride=16",): {"teach", "distilled", "evaluate teacher"},
    ("teacher.model.layers=3",): {"teach"},
    ("teacher.weight=3",): NONE,  # of one teacher
    ("data.limit={train: 11, dev: 6, test: 6}",): {"teach", *STUDENTS},
    (
        "data.unlabelled=sample-entities",
        "data.limit={train: 12, dev: 6, test: 6, unlabelled: 3}",
    ): STUDENTS,
    ("data.limit={train: 12, dev: 5, test: 6}",): {"teach", *STUDENTS},
    ("data.limit={train: 12, dev: 6, test: 5}",): EVALUATE,
}
"""By what a job says otherwise: the stages whose keys are others."""


@pytest.fixture
def keys(
    job_context: Callable[..., JobContext], folder_of: Callable[..., Path]
) -> Callable[[Job], Any]:
    """The keys of a job's stages, each with the same models before it."""
    held, start, taught = job_context(), folder_of("start"), folder_of("taught", seed=2)

    def of(job: Job) -> dict[str, str]:
        context = replace(held, job=job)
        entry = job.teachers[0]
        teacher = SelectedTeacher(model=trained("teacher", taught, entry.spec), start=start)
        context = replace(context, check_result=check_job(context), teachers=(teacher,))
        context = replace(context, outputs=fill_caches(context))
        models = [teacher.model, *(trained(k, start, job.train) for k in sorted(STUDENTS))]
        length = text_length(context, models)
        part = StagePart(StageName.TEACH, "any")
        stages: dict[str, Stage[Any]] = {"teach": FineTune(entry, entry.spec.runs[0], 1, part)}
        stages |= {f"evaluate {model.name}": Evaluate(model, length, part) for model in models}
        stages |= {role: TrainStudent(role, part) for role in StudentRole}
        # parts of one name: what a stage is called is no part of what it depends on
        return {
            name: hash_inputs(context, part.stage, stage.key_inputs(context))
            for name, stage in stages.items()
        }

    return of


def trained(name: str, folder: Path, windows: Any) -> TrainedModel:
    return TrainedModel(
        name=name,
        folder=folder,
        weights=weights_hash(folder),
        max_length=windows.max_length,
        stride=windows.stride,
        loss=None,
        metric=0.5,
        seconds=0.0,
    )


def test_what_a_job_says_changes_these_keys_and_no_others(keys: Callable[[Job], Any]) -> None:
    plain = keys(read_job(RECIPE, (LIMIT,)))
    # the students are tested as what they are, and are one network here
    assert len(set(plain.values())) == 6
    for said, expected in CHANGED.items():
        found = keys(read_job(RECIPE, (LIMIT, *said)))
        assert {stage for stage in plain if found[stage] != plain[stage]} == expected, said
    first = "intermediate={objective: [{kind: relations}]}"
    two, other = (
        keys(read_job(RECIPE, (LIMIT, first, f"intermediate.train.epochs={n}"))) for n in (2, 3)
    )
    assert {stage for stage in two if two[stage] != other[stage]} == STUDENTS
    two, other = (
        keys(read_job(RECIPE, (LIMIT, "resources.workers=2", f"resources.zero={stage}")))
        for stage in (1, 2)
    )
    assert {stage for stage in two if two[stage] != other[stage]} == {"distilled"}


def test_other_test_data_change_the_scores_alone(
    keys: Callable[[Job], Any], few: Callable[[str], Splits], tmp_path: Path
) -> None:
    plain = keys(read_job(RECIPE, (LIMIT,)))
    sentences = few("named-entities").test[::-1]
    lines = ("".join(f"{w} {t}\n" for w, t in zip(s.words, s.tags, strict=True)) for s in sentences)
    (tmp_path / "test.conll").write_text("\n".join(lines))
    assert len(conll.read(tmp_path / "test.conll")) == len(sentences)
    other = keys(read_job(RECIPE, (LIMIT, f"data.test={tmp_path}/")))
    assert {stage for stage in plain if plain[stage] != other[stage]} == EVALUATE


def test_a_gold_student_with_a_start_of_its_own_has_nothing_of_the_teacher(
    job_context: Callable[..., JobContext], folder_of: Callable[..., Path]
) -> None:
    models = [folder_of("one"), folder_of("two", seed=2)]

    def keys(*said: str) -> set[str]:
        context = job_context(*said)
        context = replace(context, check_result=check_job(context))
        windows = context.job.teachers[0].spec
        stage = TrainStudent(StudentRole.GOLD_ONLY, StagePart(StageName.DISTIL, "gold-only"))
        teachers = [
            SelectedTeacher(model=trained("teacher", folder, windows), start=folder)
            for folder in models
        ]
        return {stage_key(replace(context, teachers=(one,)), stage) for one in teachers}

    assert len(keys()) == 2
    assert len(keys(f"student.start={models[0]}")) == 1
