"""Networks of a few thousand weights on a few examples: the real code, in seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from alambique.registry import jobs
from alambique.registry.database import Database
from alambique.spec.errors import AlambiqueError
from alambique.spec.job import Data, Split
from alambique.spec.reading import read_job
from alambique.spec.settings import Settings
from alambique.spec.sources import Architecture
from alambique.spec.train import Train
from alambique.tasks.all import find
from alambique.tasks.data import Splits, load
from alambique.tasks.examples import write
from alambique.workers.holding import Holding
from alambique.workers.stages.check import check
from alambique.workers.starting import from_scratch
from alambique.workers.training.course import Course
from alambique.workers.work import Work

PICO = Architecture(architecture="modernbert", layers=2, width=32, heads=2, ffn=48, vocabulary=400)
SETS = {"question-answering": "sample-questions", "named-entities": "sample-entities"}
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
def course(tmp_path: Path, few: Callable[[str], Splits]) -> Callable[..., Course]:
    """A course for a task, in a folder of its own; what else is given replaces its fields."""

    def made(task: str = "named-entities", **changed: Any) -> Course:
        splits = few(task)
        for split in ("train", "dev", "test"):
            write(tmp_path / f"{split}.jsonl", getattr(splits, split))
        start = tmp_path / "start"
        if not start.exists():
            texts = [text for example in splits.train for text in find(task).texts(example)]
            output = find(task).output
            from_scratch(PICO, texts, output, splits.labels, start, 128, seed=1)
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        fields: dict[str, Any] = {
            "task": task,
            "labels": splits.labels,
            "start": start,
            "training": tmp_path / "train.jsonl",
            "validation": tmp_path / "dev.jsonl",
            "train": TRAIN,
            "folder": folder,
        }
        return Course(**(fields | changed))

    return made


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., Work]:
    """The smallest job, changed by overrides, in the hands of this process; keywords: settings."""
    recipe = (Path(__file__).parents[2] / "recipes" / "pico.yaml").read_text()

    def taken(*overrides: str, **said: Any) -> Work:
        settings = Settings(home=tmp_path / "home", **said)
        database = Database(settings.database)
        database.upgrade()
        job = read_job(recipe, ("data.limit={train: 40, dev: 13, test: 12}", *overrides))
        with database.write() as session:
            posted = jobs.submit(session, job)
            row = jobs.take(session, "test", settings.lease_time, job_id=posted.id)
        assert row is not None
        holding = Holding(database, row.id, row.token, lease=settings.lease_time, heartbeat=60)
        return Work(row.id, row.token, job, settings, database, holding, _no_cluster)

    return taken


def _no_cluster() -> Any:
    raise AssertionError("this job needs no cluster")


@pytest.fixture
def folder_of(tmp_path: Path, few: Callable[[str], Splits]) -> Callable[..., Path]:
    """A folder with a network whose weights are drawn, head and all, and its tokenizer."""

    def made(name: str = "teacher", *, task: str = "named-entities", **changed: Any) -> Path:
        splits, folder = few(task), tmp_path / name
        texts = [text for example in splits.train for text in find(task).texts(example)]
        labels = changed.pop("labels", splits.labels)
        positions = changed.pop("positions", 64)
        architecture = PICO.model_copy(update=changed)
        from_scratch(architecture, texts, find(task).output, labels, folder, positions, seed=1)
        return folder

    return made


@pytest.fixture
def refused() -> Callable[..., None]:
    """Asserts that the check says all of this of a job, and leaves nothing but examples."""

    def assert_refused(work: Work, kind: type[AlambiqueError], *said: str) -> None:
        with pytest.raises(kind) as error:
            check(work)
        for part in said:
            assert part in str(error.value)
        assert type(error.value) is kind
        left = {path.name for path in work.settings.home.rglob("*") if path.is_file()}
        assert {name for name in left if not name.startswith("alambique.db")} <= {"examples.jsonl"}

    return assert_refused
