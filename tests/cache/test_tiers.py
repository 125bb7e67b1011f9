"""The near and the shared tier together, over a real Redis."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from redis import Redis

from alambique.cache.disk import DiskPacks
from alambique.cache.keys import Bucket, Namespace
from alambique.cache.packs import Pack, encode
from alambique.cache.reader import Outputs
from alambique.cache.shared import RedisPacks
from alambique.cache.stores import Packs
from alambique.cache.tiers import open_store
from alambique.spec.outputs import Output


@pytest.fixture
def namespace() -> Namespace:
    return Namespace(uuid4().hex, "tokenizer", "words-1", Output.TAGS, "float32")


def append(store: Packs, namespace: Namespace, number: int) -> Pack:
    """A record of bucket 0."""
    values = np.full((2, 3), number, np.float32)
    pack = encode(namespace.digest, [(key(number), values)])
    store.append(Bucket(namespace.digest, 0), pack)
    return pack


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def values(store: Packs, namespace: Namespace, *numbers: int) -> list[float | None]:
    outputs = Outputs(store, namespace)
    found = [outputs.get(key(number)) for number in numbers]
    return [None if one is None else float(one[1, 2]) for one in found]


def test_without_a_url_the_store_is_of_one_tier(tmp_path: Path) -> None:
    assert isinstance(open_store(tmp_path, None), DiskPacks)


def test_what_another_machine_filled_is_copied_down(
    tmp_path: Path, redis_url: str, namespace: Namespace
) -> None:
    append(open_store(tmp_path / "a", redis_url), namespace, 1)
    append(DiskPacks(tmp_path / "b"), namespace, 2)
    assert values(open_store(tmp_path / "b", redis_url), namespace, 1, 2) == [1, 2]
    assert RedisPacks(redis_url).clear(namespace.digest) == 1
    assert values(open_store(tmp_path / "b", None), namespace, 1, 2) == [1, 2]


@pytest.mark.parametrize("opened_before", [False, True])
def test_a_damaged_near_pack_comes_back_from_the_shared_tier(
    tmp_path: Path, redis_url: str, namespace: Namespace, opened_before: bool
) -> None:
    pack = append(open_store(tmp_path, redis_url), namespace, 1)
    if opened_before:  # then its index is there, and the damage shows at the first reading
        assert values(open_store(tmp_path, redis_url), namespace, 1) == [1]
    store = open_store(tmp_path, redis_url)
    (file,) = tmp_path.rglob("*.pack")
    file.write_bytes(bytes(pack.data[:-1]) + b"\xff")
    assert values(store, namespace, 1) == [1]
    assert store.damaged_packs == 1
    assert file.read_bytes() == pack.data


def test_a_damaged_shared_pack_is_not_copied(
    tmp_path: Path, redis_url: str, namespace: Namespace
) -> None:
    pack = append(open_store(tmp_path / "a", redis_url), namespace, 1)
    name = f"alambique:{{{namespace.digest}/00}}:{pack.name}"
    with Redis.from_url(redis_url) as client:
        client.set(name, bytes(pack.data[:-1]))
        store = open_store(tmp_path / "b", redis_url)
        assert values(store, namespace, 1) == [None]
        assert not client.exists(name)
    assert store.damaged_packs == 1
    assert not list((tmp_path / "b").rglob("*.pack"))


def test_without_room_near_the_shared_tier_is_read(
    tmp_path: Path,
    redis_url: str,
    namespace: Namespace,
    largest_file: Callable[[int], AbstractContextManager[None]],
) -> None:
    append(DiskPacks(tmp_path), namespace, 1)
    append(RedisPacks(redis_url), namespace, 2)
    store = open_store(tmp_path, redis_url)
    with largest_file(0):
        assert values(store, namespace, 1, 2, 3) == [1, 2, None]


def test_usage_is_told_by_tier(tmp_path: Path, redis_url: str, namespace: Namespace) -> None:
    store = open_store(tmp_path, redis_url)
    append(store, namespace, 1)
    mine = [usage for usage in store.usage() if usage.namespace == namespace.digest]
    assert [(usage.tier, usage.records) for usage in mine] == [("near", 1), ("shared", 1)]
