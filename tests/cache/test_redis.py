"""The shared tier on servers that are full, evict, hang, die and come back."""

import logging
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from alambique.cache.disk import DiskPacks
from alambique.cache.keys import Bucket
from alambique.cache.packs import Pack, encode
from alambique.cache.shared import RedisPacks
from alambique.cache.stores import Packs
from alambique.cache.tiers import TwoTiers, open_store

OURS = "0a" * 16
ROWS = 32_000
"""So that a pack has 256 KB."""
Start = Callable[[], "subprocess.Popen[str]"]


class Server:
    """A Redis of a test's own, which can be killed and started again."""

    def __init__(self, url: str, start: Start) -> None:
        self.url = url
        self._start = start
        self.start()

    def start(self) -> None:
        self.process = self._start()

    def kill(self) -> None:
        """As a machine that loses its power."""
        with self.process:
            self.process.kill()

    def client(self) -> Redis:
        return Redis.from_url(self.url)


@pytest.fixture
def server(start_redis: Callable[..., "subprocess.Popen[str]"]) -> Iterator[Callable[..., Server]]:
    """Starts servers, which end with the test."""
    folder = Path(tempfile.mkdtemp(prefix="alambique-redis-"))
    started: list[Server] = []

    def start(*arguments: str) -> Server:
        url = f"unix://{folder / 'redis.sock'}"
        started.append(Server(url, partial(start_redis, folder, *arguments)))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGCONT)
            one.kill()
    shutil.rmtree(folder)


def pack(number: int) -> Pack:
    return encode(OURS, [(key(number), np.full((ROWS, 2), number, np.float32))])


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def bucket(number: int) -> Bucket:
    return Bucket(OURS, number % 256)


def append(store: Packs, *numbers: int) -> None:
    for number in numbers:
        store.append(bucket(number), pack(number))


def read(store: Packs, numbers: range) -> list[int]:
    """Those of the numbers that are there; what is there has to be right."""
    there = []
    for number in numbers:
        found = store.get(bucket(number)).find(key(number))
        if found is not None:
            assert (found[0].rows(found[1]) == number).all()
            there.append(number)
    return there


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_a_full_server_keeps_what_it_has(
    server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    full = server("--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
    store = RedisPacks(full.url, pause=1e-9)
    append(store, *range(40))
    kept = read(store, range(40))
    assert 5 <= len(kept) < 40
    assert kept == list(range(len(kept)))
    assert len(warnings(caplog)) == 1
    assert "takes nothing more" in warnings(caplog)[0]
    with full.client() as client:
        client.flushall()
    append(store, 50)
    assert read(store, range(51)) == [50]
    assert "takes packs again" in warnings(caplog)[1]
    assert len(warnings(caplog)) == 2


def test_a_full_server_is_not_asked_to_take_more_for_a_while(
    server: Callable[..., Server],
) -> None:
    full = server("--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
    store = RedisPacks(full.url, pause=3600)
    append(store, *range(40))
    with full.client() as client:
        client.flushall()
    append(store, 50)
    append(RedisPacks(full.url), 51)
    assert read(store, range(52)) == [51]


def test_a_server_that_evicts_makes_misses_and_no_noise(
    server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    evicting = server("--maxmemory", "6mb", "--maxmemory-policy", "allkeys-lru")
    store = RedisPacks(evicting.url)
    append(store, *range(40))
    assert 1 <= len(read(store, range(40))) < 40
    with evicting.client() as client:
        assert client.info("stats")["evicted_keys"] > 0
    append(store, 50)
    assert read(store, range(50, 51)) == [50]
    assert warnings(caplog) == []


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
def test_the_near_tier_holds_all_whatever_the_shared_one_drops(
    server: Callable[..., Server], tmp_path: Path, policy: str
) -> None:
    small = server("--maxmemory", "4mb", "--maxmemory-policy", policy)
    store = open_store(tmp_path, small.url)
    append(store, *range(30))
    assert read(store, range(30)) == list(range(30))
    assert read(open_store(tmp_path, small.url), range(30)) == list(range(30))


def test_killed_in_the_middle_and_back(
    server: Callable[..., Server], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = server()
    store = TwoTiers(DiskPacks(tmp_path), RedisPacks(one.url, pause=1e-9))
    append(store, 0, 1)
    one.kill()
    append(store, 2, 3)
    assert read(store, range(4)) == [0, 1, 2, 3]
    assert store.usage() == store.near.usage()
    assert len(warnings(caplog)) == 1
    assert "does not answer" in warnings(caplog)[0]
    one.start()
    append(store, 4)
    assert read(store.shared, range(5)) == [4]  # it came back empty
    assert warnings(caplog)[1:] == ["the shared tier of teacher outputs (Redis) answers again"]


def test_a_server_that_hangs_costs_one_timeout_then_nothing(
    server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    one = server()
    store = RedisPacks(one.url, timeout=0.05, pause=3600)
    append(store, 0)
    one.process.send_signal(signal.SIGSTOP)
    assert read(store, range(200)) == []  # 200 timeouts would be 10 s
    append(store, 1)
    assert store.usage() == []
    assert store.clear(OURS) == 0
    assert len(warnings(caplog)) == 1
    one.process.send_signal(signal.SIGCONT)
    assert read(store, range(1)) == []  # it is not asked within the pause
    assert read(RedisPacks(one.url), range(1)) == [0]


def test_a_server_that_is_not_there_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(tmp_path, f"unix://{tmp_path}/nobody.sock")
    append(store, 0)
    assert read(store, range(1)) == [0]
    assert len(warnings(caplog)) == 1


def test_a_server_that_forbids_writing_is_read(server: Callable[..., Server]) -> None:
    one = server()
    append(RedisPacks(one.url), 0)
    with one.client() as client:
        client.execute_command("ACL SETUSER", "default", "-set", "-sadd")
        store = RedisPacks(one.url)
        append(store, 1)
        assert read(store, range(2)) == [0]


def test_emptied_it_is_filled_again(server: Callable[..., Server], tmp_path: Path) -> None:
    one = server()
    store = open_store(tmp_path / "a", one.url)
    append(store, 0)
    with one.client() as client:
        client.flushall()
    assert read(store, range(1)) == [0]
    append(store, 0)
    assert read(open_store(tmp_path / "b", one.url), range(1)) == [0]


def test_a_bad_url_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="scheme"):
        RedisPacks("http://localhost")


def test_keys_of_a_bucket_share_a_slot(server: Callable[..., Server]) -> None:
    one = server()
    append(RedisPacks(one.url), 7, 7 + 256)
    with one.client() as client:
        keys = {str(key, "ascii") for key in client.scan_iter()}
    tag = f"alambique:{{{OURS}/07}}:"
    assert keys == {f"{tag}names", f"{tag}{pack(7).name}", f"{tag}{pack(263).name}"}
