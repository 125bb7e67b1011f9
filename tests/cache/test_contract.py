"""What every store does alike: in memory, on disk, in Redis, in two tiers."""

import logging
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from redis import Redis

from alambique.cache.disk import DiskPacks
from alambique.cache.fill import FillRequest, bucket_groups, by_bucket, fill
from alambique.cache.keys import Bucket, Namespace, example_key
from alambique.cache.packs import Pack, Record, encode
from alambique.cache.reader import Outputs
from alambique.cache.shared import RedisPacks
from alambique.cache.stores import MemoryPacks, Packs
from alambique.cache.tiers import TwoTiers, open_store
from alambique.spec.outputs import Output

FIXTURES = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Case:
    store: Packs
    again: Callable[[], Packs]
    """Opens the same store as another process would."""
    spoil: Callable[[Bucket, Pack, bytes], None]
    """Puts other bytes where a pack is kept."""


def memory() -> Case:
    store = MemoryPacks()

    def spoil(bucket: Bucket, pack: Pack, data: bytes) -> None:
        store.blobs[bucket][pack.name] = data

    return Case(store, lambda: store, spoil)


def disk(folder: Path) -> Case:
    def spoil(bucket: Bucket, pack: Pack, data: bytes) -> None:
        (folder / str(bucket) / f"{pack.name}.pack").write_bytes(data)

    return Case(DiskPacks(folder), lambda: DiskPacks(folder), spoil)


def shared(url: str) -> Case:
    def spoil(bucket: Bucket, pack: Pack, data: bytes) -> None:
        with Redis.from_url(url) as client:
            client.set(f"alambique:{{{bucket}}}:{pack.name}", data)

    return Case(RedisPacks(url), lambda: RedisPacks(url), spoil)


def two(folder: Path, url: str) -> Case:
    def spoil(bucket: Bucket, pack: Pack, data: bytes) -> None:
        disk(folder).spoil(bucket, pack, data)
        shared(url).spoil(bucket, pack, data)

    return Case(open_store(folder, url), lambda: open_store(folder, url), spoil)


@pytest.fixture(params=["memory", "disk", "redis", "two tiers"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    match request.param:
        case "memory":
            return memory()
        case "disk":
            return disk(tmp_path)
        case "redis":
            return shared(request.getfixturevalue("redis_url"))
        case _:
            return two(tmp_path, request.getfixturevalue("redis_url"))


@pytest.fixture
def namespace() -> Namespace:
    return fresh()


def fresh() -> Namespace:
    return Namespace(uuid4().hex, "tokenizer", "words-1", Output.SPAN, "float32")


def answer(text: str) -> NDArray[np.float32]:
    """What the teacher of these tests says: as many rows as the text has letters."""
    values = np.random.default_rng(len(text)).normal(size=(len(text), 2)).astype(np.float32)
    values[::3] = np.nan
    return values


def records(namespace: Namespace, texts: list[str]) -> list[Record]:
    return [(example_key(namespace, [text]), answer(text)) for text in texts]


def wanted(namespace: Namespace, texts: list[str]) -> list[FillRequest[str]]:
    return [FillRequest(example_key(namespace, [t]), repr(t), len(t), t) for t in texts]


def fill_all(
    store: Packs, namespace: Namespace, texts: list[str], together: int = 3, made_by: str = ""
) -> int:
    outputs = Outputs(store, namespace)
    parts = by_bucket(wanted(namespace, texts))
    return sum(
        fill(
            outputs,
            {number: parts[number] for number in group},
            lambda batch: [answer(text) for text in batch],
            columns=2,
            made_by=made_by,
        )
        for group in bucket_groups({number: len(part) for number, part in parts.items()}, together)
    )


def one_pack(namespace: Namespace, *texts: str) -> tuple[Bucket, Pack]:
    """A pack in bucket 0; the keys need not be of it for what a store does."""
    return Bucket(namespace.digest, 0), encode(
        namespace.digest,
        [(b"\0" + key[1:], values) for key, values in records(namespace, [*texts])],
    )


def test_an_empty_store_has_nothing(case: Case, namespace: Namespace) -> None:
    outputs = Outputs(case.store, namespace)
    key = example_key(namespace, ["a"])
    assert outputs.get(key) is None
    assert outputs.missing([key]) == [key]
    assert (outputs.hits, outputs.misses, outputs.damaged_packs) == (0, 1, 0)


def test_who_made_what_was_found_is_told(case: Case, namespace: Namespace) -> None:
    """Also of what another has filled, and of that alone which is wanted."""
    of_one, of_both = ["a", "b", "c"], ["a", "b", "c", "d"]
    fill_all(case.store, namespace, of_one, made_by="one")
    fill_all(case.store, namespace, of_both, made_by="other")
    outputs = Outputs(case.again(), namespace)
    assert outputs.missing(example_key(namespace, [text]) for text in of_both) == []
    assert outputs.makers == {"one", "other"}
    outputs.refresh()
    assert outputs.missing(example_key(namespace, [text]) for text in of_one) == []
    assert outputs.makers == {"one"}


@FIXTURES
@given(
    st.sets(st.text(max_size=8), max_size=40), st.integers(1, 7), st.integers(1, 7), st.randoms()
)
def test_hits_in_any_order_whatever_the_batches(
    case: Case, texts: set[str], one: int, other: int, order: random.Random
) -> None:
    namespace = fresh()
    first = sorted(texts)
    assert fill_all(case.store, namespace, first, one) == len(texts)
    order.shuffle(first)
    assert fill_all(case.again(), namespace, first, other) == 0
    outputs = Outputs(case.again(), namespace)
    for text in first * 2:
        np.testing.assert_array_equal(outputs.get(example_key(namespace, [text])), answer(text))
    assert (outputs.hits, outputs.misses) == (2 * len(texts), 0)


def test_new_examples_are_computed_and_no_others(case: Case, namespace: Namespace) -> None:
    texts = [f"text {n}" for n in range(300)]
    assert fill_all(case.store, namespace, texts) == 300
    more = texts + [f"new {n}" for n in range(100)]
    assert fill_all(case.again(), namespace, more + more) == 100
    assert fill_all(case.again(), namespace, more) == 0


def test_a_reader_that_was_open_sees_more_after_a_refresh(case: Case, namespace: Namespace) -> None:
    outputs = Outputs(case.again(), namespace)
    key = example_key(namespace, ["a"])
    assert key not in outputs
    fill_all(case.store, namespace, ["a"])
    outputs.refresh()
    assert key in outputs


def test_a_damaged_pack_is_a_miss_and_one_line_in_the_log(
    case: Case, namespace: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    bucket, pack = one_pack(namespace, "abc")
    case.store.append(bucket, pack)
    changed = bytearray(pack.data)
    changed[-1] ^= 1
    case.spoil(bucket, pack, bytes(changed))
    outputs = Outputs(case.again(), namespace)
    refused = outputs.damaged_packs  # a store in memory is not opened again
    assert outputs.get(pack.key(0)) is None
    assert outputs.misses == 1
    tiers = 2 if isinstance(outputs.store, TwoTiers) else 1
    assert outputs.damaged_packs - refused == tiers
    warnings = [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]
    assert len(warnings) == tiers
    assert all("is damaged" in warning for warning in warnings)
    outputs.refresh()
    assert outputs.get(pack.key(0)) is None
    assert outputs.damaged_packs - refused == tiers  # it was dropped, and is not met again


@FIXTURES
@given(st.data())
def test_packs_cut_short_or_of_others_are_misses(case: Case, data: st.DataObject) -> None:
    namespace = fresh()
    bucket, pack = one_pack(namespace, "abc", "abcd")
    _, foreign = one_pack(fresh(), "abc", "abcd")
    case.store.append(bucket, pack)
    cut = data.draw(st.integers(0, len(pack.data) - 1))
    case.spoil(
        bucket, pack, data.draw(st.sampled_from([bytes(pack.data[:cut]), bytes(foreign.data)]))
    )
    outputs = Outputs(case.again(), namespace)
    assert outputs.missing([pack.key(0)]) == [pack.key(0)]
    assert outputs.damaged_packs >= 1


def test_what_was_damaged_is_computed_again_and_stays(case: Case, namespace: Namespace) -> None:
    bucket, pack = one_pack(namespace, "abc")
    case.store.append(bucket, pack)
    case.spoil(bucket, pack, b"")
    reader = Outputs(case.again(), namespace)
    assert reader.missing([pack.key(0)])
    case.again().append(bucket, pack)  # equal content, thus the name that the damaged one had
    reader.refresh()
    np.testing.assert_array_equal(reader.get(pack.key(0)), answer("abc"))


def test_appending_twice_is_harmless(case: Case, namespace: Namespace) -> None:
    bucket, pack = one_pack(namespace, "abc")
    case.store.append(bucket, pack)
    case.store.append(bucket, pack)
    mine = [usage for usage in case.store.usage() if usage.namespace == namespace.digest]
    assert mine
    assert {(u.packs, u.records, u.bytes) for u in mine} == {(1, 1, len(pack.data))}


def test_clearing_drops_one_namespace(case: Case, namespace: Namespace) -> None:
    other = fresh()
    fill_all(case.store, namespace, ["a", "b"])
    fill_all(case.store, other, ["a"])
    assert case.store.clear(namespace.digest) >= 2
    assert case.store.clear("..") == case.store.clear("*") == case.store.clear("") == 0
    assert namespace.digest not in {usage.namespace for usage in case.store.usage()}
    outputs = Outputs(case.again(), namespace)
    assert outputs.get(example_key(namespace, ["a"])) is None
    assert Outputs(case.again(), other).get(example_key(other, ["a"])) is not None
    assert fill_all(case.store, namespace, ["a"]) == 1


def test_a_reader_goes_through_pickle(case: Case, namespace: Namespace) -> None:
    fill_all(case.store, namespace, ["abc"])
    outputs = Outputs(case.store, namespace)
    key = example_key(namespace, ["abc"])
    assert key in outputs
    there = pickle.loads(pickle.dumps(outputs))
    np.testing.assert_array_equal(there.get(key), answer("abc"))
    assert (there.hits, outputs.hits) == (1, 0)


def test_two_namespaces_share_nothing(case: Case, namespace: Namespace) -> None:
    fill_all(case.store, namespace, ["a"])
    other = Outputs(case.again(), fresh())
    assert other.get(example_key(namespace, ["a"])) is None
