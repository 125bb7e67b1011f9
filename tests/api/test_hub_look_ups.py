"""A hub that stays silent: few wait for it, none for long, and the server ends all the same."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import httpx2
import pytest
from huggingface_hub import constants

from alambique.api.hub import AT_ONCE, HubLookUps
from alambique.registry.database import Database
from alambique.spec.errors import Unreachable
from alambique.spec.settings import Settings


class Silence:
    """A hub that answers nobody before it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.over = threading.Event()

    def __call__(self, _: str) -> tuple[int, bytes, dict[str, str]]:
        self.asked.release()
        self.over.wait()
        return 404, b"", {}


@pytest.fixture
def silence() -> Iterator[Silence]:
    silence = Silence()
    yield silence
    silence.over.set()


def plan(url: str, number: int) -> httpx2.Response:
    job = {
        "task": "named-entities",
        "data": "sample-entities",
        "teacher": {"model": f"team/silent-{number}", "train": {"epochs": 1}},
        "student": {"layers": 1},
    }
    return httpx2.post(f"{url}/v1/jobs?dry_run=true", json=job, timeout=30)


def test_plans_that_a_silent_hub_keeps_waiting_are_few_and_end_with_the_server(
    settings: Settings,
    database: Database,
    serve: Callable[..., AbstractContextManager[str]],
    serving: Callable[..., str],
    silence: Silence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = serving(silence)
    monkeypatch.setattr(constants, "ENDPOINT", hub)
    template = f"{hub}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with ThreadPoolExecutor() as clients:
        with serve(settings) as url:
            waiting = [clients.submit(plan, url, number) for number in range(AT_ONCE)]
            for _ in waiting:
                assert silence.asked.acquire(timeout=30)
            refused = plan(url, AT_ONCE)
            assert (refused.status_code, refused.json()["code"]) == (503, "unreachable")
            assert int(refused.headers["Retry-After"]) > 0
            assert not any(one.done() for one in waiting)
        assert not silence.over.is_set()  # the server has ended, and the hub has said nothing
        assert [one.result().status_code for one in waiting] == [503] * AT_ONCE


def test_a_place_is_taken_until_the_hub_is_done_and_nobody_waits_past_the_time_of_a_request(
    silence: Silence,
) -> None:
    look_up = HubLookUps(at_once=1, seconds=0).for_request(threading.Event())
    with pytest.raises(Unreachable, match="0 s"):
        look_up(lambda: silence(""))
    with pytest.raises(Unreachable, match="1 look-ups"):
        look_up(lambda: None)


def test_what_a_look_up_gives_or_raises_is_the_askers_and_its_place_is_free_again() -> None:
    look_up = HubLookUps(at_once=1).for_request(threading.Event())
    assert [look_up(lambda: 17) for _ in range(3)] == [17, 17, 17]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            look_up(lambda: 1 // 0)
