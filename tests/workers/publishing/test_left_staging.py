"""What a killed publishing process has staged is collected once its publication has ended."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from tests.releases import Registered
from tests.team_hub import WRITER, TeamHub
from tests.workers.publishing.killing import killed_at_the_hub

from alambique.registry import publications, tables
from alambique.registry.records import Publication
from alambique.spec.settings import Settings
from alambique.spec.states import PublicationState
from alambique.workers.garbage import Garbage, collect_garbage
from alambique.workers.publishing.publisher import Publisher

DAY = 86_400


def collect(registered: Registered, *, retention: float = 0, dry_run: bool = False) -> Garbage:
    settings = registered.settings.model_copy(update={"retention": retention})
    return collect_garbage(registered.database, settings, dry_run=dry_run)


def test_a_staged_folder_goes_once_another_machine_has_published(
    asked: Callable[..., Publication], registered: Registered, team: TeamHub, tmp_path: Path
) -> None:
    row = asked()
    killed_at_the_hub("upload", "before", row, registered, team)
    (left,) = (registered.settings.home / "staging").iterdir()
    assert (left / "model.safetensors").is_file()
    assert collect(registered).folders == ()  # another attempt is due

    elsewhere = Settings(
        home=tmp_path / "elsewhere",
        database_url=registered.settings.database,
        artifacts=registered.settings.artifact_root,
        hub_token=WRITER,
    )
    done = Publisher(elsewhere, registered.database, endpoint=team.endpoint).publish_next()
    assert done is not None
    assert done.state is PublicationState.PUBLISHED
    assert left.is_dir()
    assert collect(registered, retention=30).folders == ()
    (told,) = collect(registered, dry_run=True).folders
    assert (told.folder, told.why) == (f"staging/{left.name}", "staged and left")
    assert told.bytes == sum(path.stat().st_size for path in left.rglob("*") if path.is_file())
    old = time.time() - 31 * DAY
    os.utime(left, (old, old))
    assert collect(registered, retention=30).folders == (told,)
    assert not left.exists()
    assert collect(registered).folders == ()


def test_a_staged_folder_of_a_publication_that_is_gone_goes_and_others_stay(
    asked: Callable[..., Publication], registered: Registered
) -> None:
    waiting, refused = asked(), asked("folder:pico")
    with registered.database.write() as session:
        session.get_one(tables.Publication, refused.id).state = PublicationState.REFUSED
        assert publications.unfinished(session) == {waiting.id}
    staging = registered.settings.home / "staging"
    gone = [f"{uuid4()}.1", f"{refused.id}.2"]
    kept = [f"{waiting.id}.1", "mine.1", f"{uuid4()}", f"{uuid4()}.old"]
    for name in (*gone, *kept):
        (staging / name).mkdir(parents=True)
    collect(registered)
    assert sorted(path.name for path in staging.iterdir()) == sorted(kept)
