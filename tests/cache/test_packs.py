import struct
from collections.abc import Callable
from hashlib import blake2b
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from alambique.cache.packs import LIMIT, DamagedPack, Pack, Record, decode, encode, flaw, split

OURS, THEIRS = "0a" * 16, "0b" * 16
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    columns = draw(st.integers(1, 4))
    keys = draw(st.sets(st.binary(min_size=16, max_size=16), min_size=1, max_size=6))
    return [(key, draw(values(columns))) for key in keys]


@st.composite
def values(draw: st.DrawFn, columns: int) -> NDArray[np.float32]:
    rows = draw(st.integers(0, 5))
    drawn: NDArray[np.float32] = draw(arrays(np.float32, (rows, columns), elements=FINITE))
    drawn[draw(arrays(np.bool_, rows))] = np.nan
    return drawn


def small() -> Pack:
    rng = np.random.default_rng(0)
    some = [(bytes([n]) * 16, rng.normal(size=(n, 2)).astype("f4")) for n in range(4)]
    return encode(OURS, some, made_by="0.1.0")


@given(records())
def test_what_goes_in_comes_out(some: list[Record]) -> None:
    pack = decode(bytes(encode(OURS, some).data), OURS)
    assert [pack.key(n) for n in range(len(pack))] == sorted(key for key, _ in some)
    for number, (_, expected) in enumerate(sorted(some, key=lambda record: record[0])):
        np.testing.assert_array_equal(pack.rows(number), expected)


@given(records(), st.text(max_size=80))
def test_a_pack_says_who_made_it(some: list[Record], made_by: str) -> None:
    pack = encode(OURS, some, made_by=made_by)
    assert decode(bytes(pack.data), OURS, name=pack.name).made_by == made_by
    assert (pack.name == encode(OURS, some).name) == (made_by == "")


def test_a_pack_of_version_1_does_not_say_who_made_it() -> None:
    """As they lie in the namespaces of before: a record of one row of two columns."""
    owner, shape = bytes.fromhex(OURS), struct.pack("<IIQ", 2, 1, 1)
    content = b"k" * 16 + struct.pack("<I2f", 1, 0.5, -0.5)
    covered = owner + struct.pack("<Hxx4s", 1, b"<f4\0") + shape + content
    checksum = blake2b(covered, digest_size=16, person=b"pack").digest()
    pack = decode(b"ALMBPACK" + checksum + covered, OURS)
    assert (pack.made_by, pack.key(0), pack.rows(0).tolist()) == ("", b"k" * 16, [[0.5, -0.5]])


@given(records(), st.randoms())
def test_equal_content_has_an_equal_name(some: list[Record], random: Random) -> None:
    shuffled = [*some]
    random.shuffle(shuffled)
    assert encode(OURS, some).name == encode(OURS, shuffled).name


@given(records(), st.data())
def test_any_flipped_byte_is_found(some: list[Record], data: st.DataObject) -> None:
    changed = bytearray(encode(OURS, some).data)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedPack):
        decode(bytes(changed), OURS)


def test_each_bit_and_each_length_of_a_small_pack() -> None:
    whole = bytes(small().data)
    for at in range(len(whole)):
        for bit in range(8):
            changed = whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
            with pytest.raises(DamagedPack):
                decode(changed, OURS)
        with pytest.raises(DamagedPack):
            decode(whole[:at], OURS)


@given(st.binary(max_size=300))
def test_other_bytes_are_no_pack(data: bytes) -> None:
    for more in (data, b"ALMBPACK" + data, bytes(small().data) + data + b"\0"):
        with pytest.raises(DamagedPack):
            decode(more, OURS)


def test_a_pack_of_another_namespace_or_name_is_refused() -> None:
    with pytest.raises(DamagedPack, match="of the namespace 0a0a"):
        decode(bytes(small().data), THEIRS)
    with pytest.raises(DamagedPack, match="it is the pack"):
        decode(bytes(small().data), OURS, name="00" * 16)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: [(b"short", np.zeros((1, 2), "f4"))], "shapes say"),
        (lambda: [(b"k" * 16, np.zeros((1, 2), "f4"))] * 2, "ascending"),
        (lambda: [(b"k" * 16, np.full((1, 2), np.inf, "f4"))], "infinite"),
        (lambda: [(b"k" * 16, np.array([[1, np.nan]], "f4"))], "NaN in part"),
        (lambda: [(b"k" * 16, np.zeros((1, 0), "f4"))], "shapes say"),
    ],
)
def test_what_may_not_be_kept(make: Callable[[], list[Record]], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        encode(OURS, make())


@given(arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(1, 3))))
def test_a_row_is_finite_or_nan_as_a_whole(some: NDArray[np.float32]) -> None:
    fit = all(np.isfinite(row).all() or np.isnan(row).all() for row in some)
    assert (flaw(some) is None) == fit


@settings(max_examples=30)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=40), st.integers(200, 2000))
def test_a_large_fill_is_split(sizes: list[int], limit: int) -> None:
    some = [(bytes([n]) * 16, np.full((rows, 2), n, "f4")) for n, rows in enumerate(sizes)]
    packs = list(split(OURS, some, made_by="0.1.0", limit=limit))
    assert {pack.made_by for pack in packs} == {"0.1.0"}
    assert [pack.key(n) for pack in packs for n in range(len(pack))] == [key for key, _ in some]
    assert all(len(pack.data) <= limit or len(pack) == 1 for pack in packs)


def test_no_pack_is_close_to_a_power_of_two() -> None:
    some = [(n.to_bytes(16, "big"), np.zeros((500, 2), "f4")) for n in range(600)]
    packs = list(split(OURS, some))
    assert len(packs) == 3
    assert max(len(pack.data) for pack in packs) <= LIMIT == 2**20 - 128


def test_a_copy_is_given_not_the_map() -> None:
    pack = small()
    pack.rows(2)[:] = 0
    assert pack.rows(2).any()
    assert not pack.values_RC.flags.writeable
