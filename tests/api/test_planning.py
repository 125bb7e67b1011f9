"""Plans of jobs whose data is on the hub: at hand for who fetches it."""

from pathlib import Path

from alambique.api.planning import plan_of
from alambique.registry.database import Database
from alambique.spec.job import Job
from alambique.spec.settings import Settings
from alambique.tasks.datasets import Hub
from alambique.tasks.examples import Labelled
from alambique.tasks.formats import tables
from alambique.tasks.formats.columns import Columns

JOB = Job.model_validate(
    {
        "task": "inference",
        "data": "xnli",
        "teacher": {"model": "sample-encoder", "train": {}},
        "student": {"layers": 2},
    }
)
COLUMNS = Columns(texts=("premise", "hypothesis"), label="label")


def test_data_of_the_hub_is_planned_once_it_is_fetched(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    database = Database(settings.database)
    database.upgrade()

    def fetch(source: Hub, path: str) -> Path:
        file = tmp_path / path.replace("/", "-")
        pair = Labelled(path, (f"Ana vive en {path}.", "Ana vive."), "entailment")
        tables.write(file, COLUMNS, [pair])
        return file

    apart = plan_of(JOB, settings, database)
    fetched = plan_of(JOB, settings, database, fetch=fetch)
    assert apart.cache.bytes is None
    assert "facebook/xnli of the hub is fetched when the job runs" in str(apart.cache.why)
    assert fetched.cache.why is None
    assert (fetched.cache.bytes or 0) > 0
    assert fetched.student == apart.student
    database.dispose()
