"""How many jobs run at once: as many as there is room for."""

from collections.abc import Callable

import pytest

from alambique.registry import jobs
from alambique.workers.dispatcher import Room, needed
from alambique.workers.work import Work

TWO_CORES = Room(2, 0)


def test_what_others_take_is_not_there() -> None:
    assert TWO_CORES.less([Room(0.5, 0), Room(1, 0)]) == Room(0.5, 0)
    assert TWO_CORES.less([]) == TWO_CORES


@pytest.mark.parametrize(
    ("room", "wanted", "fits"),
    [
        (TWO_CORES, Room(2, 0), True),
        (TWO_CORES, Room(2.5, 0), False),
        (TWO_CORES, Room(1, 1), False),
        (Room(8, 1), Room(1, 1), True),
        (Room(8, 1), Room(1, 1.5), False),
        (TWO_CORES.less([Room(1, 0), Room(1, 0)]), Room(0.5, 0), False),
    ],
)
def test_both_kinds_have_to_fit(room: Room, wanted: Room, fits: bool) -> None:
    assert room.holds(wanted) is fits


@pytest.mark.parametrize(
    ("resources", "taken"),
    [
        ("{workers: 2}", Room(2, 0)),
        ("{workers: 3, cpus: 0.5}", Room(1.5, 0)),
        ("{workers: 2, cpus: 4, gpus: 1, zero: 2}", Room(8, 2)),
    ],
)
def test_a_job_takes_what_its_workers_take(
    work: Callable[..., Work], resources: str, taken: Room
) -> None:
    job = work(f"resources={resources}")
    with job.database.read() as session:
        assert needed(jobs.find(session, job.id)) == taken
