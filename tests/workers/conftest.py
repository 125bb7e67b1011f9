"""Networks of a few thousand weights on a few examples: the real code, in seconds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import torch
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from alambique.models.weights import weights_hash
from alambique.registry import jobs, versions
from alambique.registry.database import Database
from alambique.spec.data import Data, Split
from alambique.spec.errors import AlambiqueError
from alambique.spec.job import Job
from alambique.spec.objective import Gold, Logits
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.sources import Architecture
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.data import Splits, load
from alambique.tasks.examples import write
from alambique.workers.pipeline.context import JobContext
from alambique.workers.pipeline.lease_keeper import LeaseKeeper
from alambique.workers.pipeline.records import SelectedTeacher, TrainedModel
from alambique.workers.stages.cache import fill_caches
from alambique.workers.stages.check import check_job
from alambique.workers.stages.filler import Filler
from alambique.workers.training.distributed import SingleProcess
from alambique.workers.training.initial_weights import write_from_scratch
from alambique.workers.training.spec import FillTask, OutputsLocation, TrainingSpec

if TYPE_CHECKING:
    from tests.workers.recorder import Recorded

PICO = Architecture(architecture="modernbert", layers=2, width=32, heads=2, ffn=48, vocabulary=400)
SETS = {
    "question-answering": "sample-questions",
    "named-entities": "sample-entities",
    "paraphrase": "sample-paraphrases",
    "document-classification": "sample-documents",
    "similarity": "sample-similarities",
    "general": "sample-text",
}
TRAIN = Train(
    epochs=2, learning_rate=1e-3, batch_size=8, max_length=96, stride=32, checkpoint=3, seed=5
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Same sums in the same order, and no fight for the machine's two cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def few() -> Callable[[str], Splits]:
    """A few examples of a task."""

    def examples(task: str) -> Splits:
        limit: dict[Split, int] = {"train": 40, "dev": 13, "test": 12}
        return load(Data(name=SETS[task], limit=limit), task=find(task), root=None)

    return examples


@pytest.fixture
def training_spec(tmp_path: Path, few: Callable[[str], Splits]) -> Callable[..., TrainingSpec]:
    """A training for a task, in a folder of its own; what else is given replaces its fields.

    Trainings of one task share their start and their examples.
    """

    def made(task: str = "named-entities", **changed: Any) -> TrainingSpec:
        own, labels = tmp_path / task, few(task).labels
        if not own.exists():
            _laid_out(own, task, few(task))
        folder = own / f"run-{len(list(own.iterdir()))}"
        folder.mkdir()
        fields: dict[str, Any] = {
            "task": task,
            "labels": labels,
            "start": own / "start",
            "training": own / "train.arrow",
            "validation": own / "dev.arrow",
            "train": TRAIN,
            "folder": folder,
        }
        return TrainingSpec(**(fields | changed))

    return made


def _laid_out(folder: Path, task: str, splits: Splits) -> None:
    folder.mkdir()
    for split in ("train", "dev", "test"):
        write(folder / f"{split}.arrow", getattr(splits, split))
    _network(PICO, task, splits, splits.labels, folder / "start", 128, seed=1)


def _network(
    architecture: Architecture,
    task: str,
    splits: Splits,
    labels: tuple[str, ...],
    into: Path,
    positions: int,
    seed: int,
) -> None:
    texts = [text for example in splits.train for text in find(task).texts(example)]
    write_from_scratch(architecture, texts, find(task).output, labels, into, positions, seed=seed)


@pytest.fixture(scope="session")
def recorded() -> Callable[..., "Recorded"]:
    """A training in this process that remembers its losses; keywords as in recorder.py."""
    # torchrun starts that file by its path, and so it is in no package to import it from
    spec = spec_from_file_location("recorder", Path(__file__).with_name("recorder.py"))
    assert spec is not None
    assert spec.loader is not None
    recorder = module_from_spec(spec)
    spec.loader.exec_module(recorder)
    return lambda training_spec, **said: recorder.Recorded(
        training_spec, SingleProcess(torch.device("cpu")), **said
    )


@pytest.fixture
def fill_task_for() -> Callable[..., FillTask]:
    """A task to fill a cache by the start of a training; what else is given replaces its fields."""

    def made(training_spec: TrainingSpec, near: Path, **changed: Any) -> FillTask:
        outputs = OutputsLocation(
            near=near,
            shared=False,
            teacher="pico",
            tokenizer="own",
            preprocessing="1",
            dtype="fp32",
        )
        fields: dict[str, Any] = {
            "task": training_spec.task,
            "labels": training_spec.labels,
            "teacher": training_spec.start,
            "examples": training_spec.training,
            "max_length": training_spec.train.max_length,
            "stride": training_spec.train.stride,
            "outputs": outputs,
        }
        return FillTask(**(fields | changed))

    return made


@pytest.fixture
def job_context(tmp_path: Path) -> Callable[..., JobContext]:
    """The smallest job, changed by overrides, in the hands of this process; keywords: settings.

    Its teachers learn too little to pass the gate, which is off where `gated` does not say else.
    """
    recipe = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()

    def taken(*overrides: str, gated: bool = False, **said: Any) -> JobContext:
        settings = Settings(home=tmp_path / "home", **said)
        database = Database(settings.database)
        database.upgrade()
        job = read_job(recipe, ("data.limit={train: 40, dev: 13, test: 12}", *overrides))
        job = job if gated else _without_gate(job)
        with database.write() as session:
            posted = jobs.submit(session, job)
            row = jobs.take(session, "test", settings.lease_time, job_id=posted.id)
        assert row is not None
        keeper = LeaseKeeper(database, row.id, row.token, lease=settings.lease_time, heartbeat=60)
        return JobContext(row.id, row.token, job, settings, database, keeper, _no_cluster)

    return taken


def _without_gate(job: Job) -> Job:
    teachers = [one.spec.model_copy(update={"gate": "off"}) for one in job.teachers]
    return job.model_copy(update={"teacher": tuple(teachers) if teachers[1:] else teachers[0]})


def _no_cluster() -> Any:
    raise AssertionError("this job needs no cluster")


@pytest.fixture
def checked(job_context: Callable[..., JobContext]) -> Callable[..., JobContext]:
    """A job as `job_context` gives it, after its check."""

    def made(*overrides: str, **settings: Any) -> JobContext:
        context = job_context(*overrides, **settings)
        return replace(context, check_result=check_job(context))

    return made


@pytest.fixture
def distil_context(checked: Callable[..., JobContext]) -> Callable[..., JobContext]:
    """A job before its third stage: checked, with a teacher that is there, and with its outputs.

    `start` is the folder that the teacher's fine-tuning began with, its own one by default.
    """

    def made(teacher: TrainedModel, *overrides: str, start: Path | None = None) -> JobContext:
        selected = SelectedTeacher(model=teacher, start=start or teacher.folder)
        context = replace(checked(*overrides), teachers=(selected,))
        return replace(context, outputs=fill_caches(context))

    return made


@pytest.fixture
def folder_of(tmp_path: Path, few: Callable[[str], Splits]) -> Callable[..., Path]:
    """A folder with a network whose weights are drawn, head and all, and its tokenizer."""

    def made(name: str = "teacher", *, task: str = "named-entities", **changed: Any) -> Path:
        splits, folder = few(task), tmp_path / name
        labels = changed.pop("labels", splits.labels)
        positions, seed = changed.pop("positions", 64), changed.pop("seed", 1)
        architecture = PICO.model_copy(update=changed)
        _network(architecture, task, splits, labels, folder, positions, seed)
        return folder

    return made


@pytest.fixture
def distilled(
    training_spec: Callable[..., TrainingSpec],
    fill_task_for: Callable[..., FillTask],
    folder_of: Callable[..., Path],
    tmp_path: Path,
) -> Callable[..., TrainingSpec]:
    """A training with a teacher that the cache holds all of, and with gold labels beside it."""

    def made(task: str, **changed: Any) -> TrainingSpec:
        teacher = tmp_path / f"{task}-teacher"
        order = fill_task_for(training_spec(task), tmp_path / "near", teacher=teacher)
        if not teacher.exists():
            folder_of(teacher.name, task=task, seed=2)
            filler = Filler(order)
            filler.fill(list(filler.missing()))
        # Adam does not see how long gradients are, unless they are cut at some steps alone
        spec = training_spec(task, teachers=(order.outputs,), objective=(Logits(), Gold()))
        train = spec.train.model_copy(update={"clip": 8.0})
        return spec.model_copy(update={"train": train} | changed)

    return made


@pytest.fixture
def as_teacher() -> Callable[..., TrainedModel]:
    """The record of a teacher whose files lie in a folder."""

    def made(folder: Path, *, max_length: int, stride: int) -> TrainedModel:
        return TrainedModel(
            name="teacher",
            folder=folder,
            weights=weights_hash(folder),
            max_length=max_length,
            stride=stride,
            loss=None,
            metric=0.0,
            seconds=0.0,
        )

    return made


@pytest.fixture
def refused() -> Callable[..., None]:
    """Asserts that the check says all of this of a job, and leaves nothing but examples."""

    def assert_refused(job_context: JobContext, kind: type[AlambiqueError], *said: str) -> None:
        with pytest.raises(kind) as error:
            check_job(job_context)
        for part in said:
            assert part in str(error.value)
        assert type(error.value) is kind
        left = {path.name for path in job_context.settings.home.rglob("*") if path.is_file()}
        assert {name for name in left if not name.startswith("alambique.db")} <= {"examples.arrow"}

    return assert_refused


@pytest.fixture
def register_version() -> Callable[[JobContext, str], None]:
    """Registers a version of another task, question answering, under a name."""

    def record(job: JobContext, name: str) -> None:
        with job.database.write() as session:
            versions.record(
                session,
                job.id,
                job.token,
                name=name,
                role="student",
                task="question-answering",
                labels=("start", "end"),
                parameters=1,
                macs_linear=1,
                macs_full=1,
                weights="0",
                artifact="nowhere",
            )

    return record


@pytest.fixture
def lost_answer() -> Iterator[Callable[[int], None]]:
    """Has the answer to a commit of this process lost: the one after so many others."""
    left = -1

    def begin(others: int) -> None:
        nonlocal left
        left = others

    def lose(_: Session) -> None:
        nonlocal left
        left -= 1
        if left == -1:
            raise OperationalError(None, None, psycopg.OperationalError("the connection is lost"))

    event.listen(Session, "after_commit", lose)
    yield begin
    event.remove(Session, "after_commit", lose)
    assert left < 0  # there was such a commit
