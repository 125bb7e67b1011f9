"""What a distilled student is compared with: equal steps, the same start, each seed by itself."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from alambique.models.weights import weights_hash
from alambique.spec.errors import BadSpec, Diverged
from alambique.spec.reading import read_job
from alambique.spec.states import StageName, StudentRole
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.records import SelectedTeacher, TrainedModel
from alambique.workers.pipeline.stage import StagePart
from alambique.workers.stages.cache import fill_caches
from alambique.workers.stages.check import check_job
from alambique.workers.stages.distil import TrainStudent, train_students

Made = Callable[..., JobContext]
BOTH = "compare=[gold-only, same-start]"
RECIPE = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()


@pytest.fixture
def cached(
    job_context: Made, folder_of: Callable[..., Path], as_teacher: Callable[..., TrainedModel]
) -> Made:
    """A job with both baselines, before its students are trained; its teacher was `before`."""
    before, after = folder_of("before", seed=1), folder_of("after", seed=2)

    def made(*said: str) -> JobContext:
        context = job_context(
            BOTH, "train={epochs: 2, batch_size: 8, max_length: 64, stride: 16}", *said
        )
        teacher = SelectedTeacher(model=as_teacher(after, max_length=64, stride=16), start=before)
        context = replace(context, check_result=check_job(context), teachers=(teacher,))
        return replace(context, outputs=fill_caches(context))

    return made


def by_kind(students: Sequence[TrainedModel]) -> dict[str, TrainedModel]:
    return {one.name: one for one in students}


MORE = (
    "data={name: sample-entities, unlabelled: sample-entities, "
    "limit: {train: 16, dev: 6, test: 4, unlabelled: 21}}"
)
FIRST = "intermediate={objective: [{kind: hidden}], train: {epochs: 3, batch_size: 5}}"


@pytest.mark.parametrize(
    "said",
    [
        (),
        (MORE,),
        (MORE, "train.batch_size=null", "train.batch_tokens=150"),
        (FIRST,),
        (FIRST, MORE),
    ],
)
def test_all_students_take_the_same_number_of_steps(cached: Made, said: Sequence[str]) -> None:
    found = by_kind(train_students(cached(*said))[0])
    steps = {kind: one.steps for kind, one in found.items()}
    assert len(steps) == 3
    assert len(set(steps.values())) == 1, steps


def test_a_baseline_is_validated_after_each_pass_over_its_own_examples(
    cached: Made,
) -> None:
    """The best of many looks is kept: without it, more steps would be a handicap."""
    context = cached(MORE)
    students = by_kind(train_students(context)[0])
    folder = students["same-start"].folder.parent
    reports = map(json.loads, (folder / "progress.jsonl").read_text().splitlines())
    validated = [one["done"] for one in reports if one["validation"] is not None]
    # 10 steps of the distilled student over 37 examples, 2 of a pass over 16
    assert validated == [2, 4, 6, 8, 10]


def test_same_start_begins_with_the_very_network_of_the_distilled_student(
    cached: Made,
) -> None:
    found = by_kind(train_students(cached(FIRST))[0])
    starts = {kind: one.folder.parent.parent / "start" for kind, one in found.items()}
    weights = {kind: weights_hash(folder) for kind, folder in starts.items()}
    assert weights["same-start"] == weights["distilled"] != weights["gold-only"]


@pytest.mark.parametrize("start", ["random", "other"])
def test_without_a_start_of_the_teacher_both_baselines_are_one_network(
    cached: Made, folder_of: Callable[..., Path], start: str
) -> None:
    named = start if start == "random" else folder_of("other", seed=3)
    found = by_kind(train_students(cached(f"student.start={named}"))[0])
    assert found["gold-only"].folder == found["same-start"].folder != found["distilled"].folder


def test_each_seed_is_a_student_of_its_own_and_keyed_as_in_a_job_of_that_seed(
    cached: Made,
) -> None:
    context = cached("seeds=[1, 5]")
    found, notes = train_students(context)
    assert notes == []
    assert [(one.name, one.seed) for one in found] == [
        (kind, seed) for seed in (1, 5) for kind in ("gold-only", "same-start", "distilled")
    ]
    assert len({one.weights for one in found}) == 6
    alone, _ = train_students(cached("train.seed=5"))
    assert [one.folder for one in alone] == [one.folder for one in found[3:]]


@pytest.fixture
def spoilt(folder_of: Callable[..., Path]) -> Callable[[JobContext], JobContext]:
    """A job whose teacher began with weights that no training mends: gold-only fails of them."""

    def made(context: JobContext) -> JobContext:
        (teacher,) = context.teachers
        broken = folder_of("broken", seed=4)
        weights = load_file(broken / "model.safetensors")
        save_file(
            {name: w * float("nan") for name, w in weights.items()},
            broken / "model.safetensors",
            metadata={"format": "pt"},
        )
        return replace(context, teachers=(teacher.model_copy(update={"start": broken}),))

    return made


def test_a_baseline_that_diverges_is_left_out_and_told(
    cached: Made, spoilt: Callable[[JobContext], JobContext]
) -> None:
    found, notes = train_students(spoilt(cached("seeds=[1, 2]")))
    assert [(one.name, one.seed) for one in found] == [
        (kind, seed) for seed in (1, 2) for kind in ("same-start", "distilled")
    ]
    assert [note.partition(":")[0] for note in notes] == [
        f"no gold-only, seed {seed} student" for seed in (1, 2)
    ]


def test_a_job_for_baselines_alone_fails_with_the_first_of_them(
    cached: Made, spoilt: Callable[[JobContext], JobContext]
) -> None:
    with pytest.raises(Diverged):
        train_students(spoilt(cached("distil=false")))


def test_the_training_of_a_baseline_without_more_text_is_that_of_its_epochs(
    cached: Made, tmp_path: Path
) -> None:
    context = cached()
    stage = TrainStudent(StudentRole.SAME_START, StagePart(StageName.DISTIL, "same-start"))
    (training,) = stage.trainings(context, tmp_path)
    assert training.step_budgets == ()
    assert training.train == context.job.train


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("seeds=[1, 1]", "seeds"),
        ("compare=[gold-only, gold-only]", "compare"),
        ("compare=[teacher]", "compare.0"),
    ],
)
def test_what_is_given_twice_is_refused(said: str, field: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read_job(RECIPE, (said,))
    assert [one.path for one in caught.value.fields] == [field]


def test_seeds_and_a_seed_are_two_words_for_one_thing() -> None:
    with pytest.raises(BadSpec) as caught:
        read_job(RECIPE, ("seeds=[1, 2]", "train.seed=3"))
    assert [one.path for one in caught.value.fields] == ["train.seed"]


def test_a_job_of_several_seeds_is_several_jobs_of_one() -> None:
    job = read_job(RECIPE, ("seeds=[4, 7]", "intermediate={objective: [{kind: relations}]}"))
    assert [(one.train.seed, one.seeds) for one in job.per_seed] == [(4, ()), (7, ())]
    assert job.per_seed[1].intermediate is not None
    assert job.per_seed[1].intermediate.train.seed == 7
    assert read_job(RECIPE).per_seed == (read_job(RECIPE),)
