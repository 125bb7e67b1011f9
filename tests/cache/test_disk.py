"""The near tier under several processes, crashes, and files that somebody changed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alambique.cache.disk import ABANDONED, DiskPacks
from alambique.cache.index import decode_index, encode_index
from alambique.cache.keys import Bucket
from alambique.cache.packs import Pack, encode
from alambique.spec.errors import NotEnoughDisk

OURS = "0a" * 16
BUCKET = Bucket(OURS, 0)

APPENDER = """
import sys
from pathlib import Path
import numpy as np
from alambique.cache.disk import DiskPacks
from alambique.cache.keys import Bucket
from alambique.cache.packs import encode

folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store, bucket = DiskPacks(folder), Bucket("0a" * 16, 0)
print("ready", flush=True)
sys.stdin.readline()
for n in range(first, first + count):
    key = n.to_bytes(16, "big")
    store.append(bucket, encode(bucket.namespace, [(key, np.full((3, 2), n, np.float32))]))
    assert store.get(bucket).find(key)
    print(n, flush=True)
"""

KILLED_WRITING = """
import resource
import signal
import sys
from pathlib import Path
import numpy as np
from alambique.cache.disk import DiskPacks
from alambique.cache.keys import Bucket
from alambique.cache.packs import encode

one = encode("0a" * 16, [(bytes(16), np.zeros((3, 2), np.float32))])
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
DiskPacks(Path(sys.argv[1])).append(Bucket("0a" * 16, 0), one)
"""


def pack(*numbers: int) -> Pack:
    return encode(OURS, [(key(n), np.full((3, 2), n, np.float32)) for n in numbers])


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def value(store: DiskPacks, number: int) -> float | None:
    """What is kept under a number; None for a miss."""
    found = store.get(BUCKET).find(key(number))
    return None if found is None else float(found[0].rows(found[1])[2, 1])


def appender(folder: Path, first: int, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(folder), str(first), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def bucket_folder(tmp_path: Path) -> Path:
    return tmp_path / str(BUCKET)


def test_processes_appending_to_one_bucket_lose_nothing(tmp_path: Path) -> None:
    running = [appender(tmp_path, first, 25) for first in (0, 100, 200)]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        assert process.returncode == 0
    store = DiskPacks(tmp_path)
    for number in (n for first in (0, 100, 200) for n in range(first, first + 25)):
        assert value(store, number) == number


def test_killed_between_any_two_writes(tmp_path: Path, bucket_folder: Path) -> None:
    process = appender(tmp_path, 0, 10_000)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        while int(process.stdout.readline()) < 20:
            pass
        process.send_signal(signal.SIGKILL)
        numbers = [int(line) for line in process.stdout.read().splitlines()]
    store = DiskPacks(tmp_path)
    for number in [*range(21), *numbers]:
        assert value(store, number) == number
    assert store.damaged_packs == 0


def test_killed_in_the_middle_of_a_write(tmp_path: Path, bucket_folder: Path) -> None:
    """Past a limit of the system the kernel ends the process, with half of the pack written."""
    done = subprocess.run([sys.executable, "-c", KILLED_WRITING, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGXFSZ
    assert [file.stat().st_size for file in bucket_folder.iterdir()] == [50]
    assert list(bucket_folder.glob("*.pack")) == []
    assert value(DiskPacks(tmp_path), 0) is None


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 200])
def test_a_damaged_index_is_made_again(tmp_path: Path, bucket_folder: Path, content: bytes) -> None:
    store = DiskPacks(tmp_path)
    store.append(BUCKET, pack(1, 2))
    assert value(store, 1) == 1
    whole = (bucket_folder / "index").read_bytes()
    (bucket_folder / "index").write_bytes(content)
    assert value(DiskPacks(tmp_path), 2) == 2
    assert (bucket_folder / "index").read_bytes() == whole


def test_any_flipped_byte_of_an_index_is_found(tmp_path: Path, bucket_folder: Path) -> None:
    store = DiskPacks(tmp_path)
    store.append(BUCKET, pack(1, 2))
    store.get(BUCKET)
    whole = (bucket_folder / "index").read_bytes()
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        (bucket_folder / "index").write_bytes(changed)
        assert (value(store, 1), value(store, 2)) == (1, 2)
        assert (bucket_folder / "index").read_bytes() == whole


def test_an_index_grows_by_what_was_appended(tmp_path: Path, bucket_folder: Path) -> None:
    store = DiskPacks(tmp_path)
    packs = [pack(1, 5), pack(3), pack(2, 4)]
    for one in packs:
        store.append(BUCKET, one)
        store.get(BUCKET)
    index = decode_index((bucket_folder / "index").read_bytes())
    assert index.names == tuple(one.name for one in packs)
    assert index.counts() == [2, 1, 2]
    assert [value(DiskPacks(tmp_path), n) for n in range(1, 6)] == [1, 2, 3, 4, 5]


def test_a_wrong_index_costs_misses_but_never_gives_another_text(
    tmp_path: Path, bucket_folder: Path
) -> None:
    store = DiskPacks(tmp_path)
    store.append(BUCKET, pack(1, 2, 3))
    store.get(BUCKET)
    index = decode_index((bucket_folder / "index").read_bytes())
    for places in ([2, 1, 0], [1, 2, 7]):
        wrong = replace(index, places_N=np.array(places, np.uint32))
        (bucket_folder / "index").write_bytes(encode_index(wrong))
        for number in (1, 2, 3):
            assert value(DiskPacks(tmp_path), number) in (None, number)


def test_an_index_that_cannot_be_written_is_no_error(tmp_path: Path, bucket_folder: Path) -> None:
    (bucket_folder / "index").mkdir(parents=True)
    store = DiskPacks(tmp_path)
    store.append(BUCKET, pack(1))
    assert value(store, 1) == 1
    assert not list(bucket_folder.glob(".*"))


def test_abandoned_files_are_ignored_then_swept(tmp_path: Path, bucket_folder: Path) -> None:
    store = DiskPacks(tmp_path)
    store.append(BUCKET, pack(1))
    old, young = bucket_folder / ".a.pack.1.tmp", bucket_folder / ".b.pack.2.tmp"
    for file in (old, young):
        file.write_bytes(b"half a pack")
    long_ago = young.stat().st_mtime - 2 * ABANDONED
    os.utime(old, (long_ago, long_ago))
    assert value(store, 1) == 1
    assert (old.exists(), young.exists(), store.damaged_packs) == (False, True, 0)


def test_a_file_cut_under_an_open_map_is_a_miss_and_kills_nobody(
    tmp_path: Path, bucket_folder: Path
) -> None:
    store = DiskPacks(tmp_path)
    store.append(BUCKET, pack(1))
    shelf = store.get(BUCKET)
    assert shelf.find(key(1))
    os.truncate(next(bucket_folder.glob("*.pack")), 0)
    assert shelf.find(key(1)) is None
    assert store.damaged_packs == 1


def test_a_pack_that_was_replaced_is_verified_again(tmp_path: Path, bucket_folder: Path) -> None:
    store = DiskPacks(tmp_path, maps=1)
    one, other = pack(1), pack(2)
    store.append(BUCKET, one)
    store.append(BUCKET, other)
    assert (value(store, 1), value(store, 2)) == (1, 2)
    (bucket_folder / "new").write_bytes(bytes(one.data[:-1]) + b"\xff")
    (bucket_folder / "new").rename(bucket_folder / f"{one.name}.pack")
    assert (value(store, 1), value(store, 2)) == (None, 2)


def test_open_files_stay_few(tmp_path: Path) -> None:
    store = DiskPacks(tmp_path, maps=4)
    for number in range(60):
        store.append(BUCKET, pack(number))
    before = len(os.listdir("/proc/self/fd"))
    shelf = store.get(BUCKET)
    for number in [*range(60), *range(60)]:
        assert shelf.find(key(number))
    assert len(os.listdir("/proc/self/fd")) - before <= 4 + 1


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    tmp_path: Path, bucket_folder: Path, largest_file: Callable[[int], AbstractContextManager[None]]
) -> None:
    store = DiskPacks(tmp_path)
    with largest_file(50), pytest.raises(NotEnoughDisk, match="no room for 108 B"):
        store.append(BUCKET, pack(1))
    assert list(bucket_folder.iterdir()) == []
    store.append(BUCKET, pack(1))
    assert value(store, 1) == 1
