"""Where each key of a bucket is: sorted, so that a lookup is one binary search.

An index holds a key's last 8 bytes only, and the key itself is compared in the pack: a wrong or old
index can cost a miss, never give the output of another text. On disk it is a cache of the packs:
a header, then 12 bytes for each record and 20 for each pack. A view finds records by an index, in
the packs of a bucket as they were when it was opened.

Shapes: P packs, N records of all packs; the place of a record is its number over all packs in turn.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from mmap import mmap
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from alambique.cache.packs import DamagedPack, Pack

MAGIC = b"ALMBIDX1"

_HEADER = Struct("<8s16sII")
_COVERED = 24  # where the checksum ends and what it covers begins
_NAME_BYTES = 16


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """The keys of some packs, in order, with the place of each record."""

    names: tuple[str, ...]
    starts_P: NDArray[np.int64]
    """The place of each pack's first record."""
    tags_N: NDArray[np.uint64]
    """The last 8 bytes of each key, ascending."""
    places_N: NDArray[np.uint32]

    def candidates(self, key: bytes) -> list[tuple[int, int]]:
        """Return the numbers of the packs, and of the records in them, that may hold the key."""
        tag = np.frombuffer(key, "<u8", 1, len(key) - 8)[0]
        at = int(self.tags_N.searchsorted(tag))
        matches = []
        while at < len(self.tags_N) and self.tags_N[at] == tag:
            place = int(self.places_N[at])
            pack = int(self.starts_P.searchsorted(place, "right")) - 1
            matches.append((pack, place - int(self.starts_P[pack])))
            at += 1
        return matches

    def counts(self) -> list[int]:
        """Return how many records each pack has."""
        return [int(n) for n in np.diff(self.starts_P, append=len(self.tags_N))]


EMPTY = Index((), np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint32))


def index_of(packs: Iterable[Pack], *, after: Index = EMPTY) -> Index:
    """Return the index over some packs, which are looked at one by one and not kept.

    Args:
        packs: The packs to add.
        after: What there is already; its packs keep their numbers.
    """
    names, counts, tags = [*after.names], after.counts(), [after.tags_N]
    for pack in packs:
        names.append(pack.name)
        counts.append(len(pack))
        tags.append(np.ascontiguousarray(pack.keys_NK[:, -8:]).view("<u8").ravel())
    tags_N = np.concatenate(tags)
    old = len(after.places_N)
    places_N = np.concatenate([after.places_N, np.arange(old, len(tags_N), dtype="<u4")])
    order_N = tags_N.argsort(kind="stable")
    return Index(tuple(names), _starts(counts), tags_N[order_N], places_N[order_N])


def encode_index(index: Index) -> bytes:
    """Return the index as it is kept on disk."""
    tail = Struct("<II").pack(len(index.names), len(index.tags_N))
    tail += index.tags_N.tobytes() + index.places_N.tobytes()
    tail += np.array(index.counts(), "<u4").tobytes() + bytes.fromhex("".join(index.names))
    return MAGIC + _checksum(memoryview(tail)) + tail


def decode_index(data: bytes | mmap) -> Index:
    """Return the index that these bytes hold, as views into them.

    Raises:
        DamagedPack: They are cut short or changed.
    """
    view = memoryview(data)
    if len(view) < _HEADER.size:
        raise DamagedPack(f"an index of {len(view)} bytes")
    magic, checksum, packs, records = _HEADER.unpack_from(view)
    size = _HEADER.size + 12 * records + (4 + _NAME_BYTES) * packs
    if magic != MAGIC or len(view) != size or checksum != _checksum(view[_COVERED:]):
        raise DamagedPack("an index whose checksum does not fit")
    places_at = _HEADER.size + 8 * records
    counts_at = places_at + 4 * records
    names = view[counts_at + 4 * packs :].hex()
    counts_P = np.frombuffer(view, "<u4", packs, counts_at)
    return Index(
        tuple(names[i : i + 2 * _NAME_BYTES] for i in range(0, len(names), 2 * _NAME_BYTES)),
        _starts(counts_P.tolist()),
        np.frombuffer(view, "<u8", records, _HEADER.size),
        np.frombuffer(view, "<u4", records, places_at),
    )


def _starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts], dtype=np.int64)[:-1]


def _checksum(view: memoryview) -> bytes:
    return blake2b(view, digest_size=16, person=b"index").digest()


class BucketView:
    """Finds the record of a key, and takes from the packs only what is asked for."""

    def __init__(self, index: Index, pack: Callable[[str], Pack | None]) -> None:
        """Make a view of an index, and of what opens a pack by its name (None: it is not whole)."""
        self._index = index
        self._pack = pack

    @property
    def names(self) -> Sequence[str]:
        """The names of the packs in view."""
        return self._index.names

    def packs(self) -> Iterator[Pack]:
        """Return the packs that are whole."""
        return filter(None, map(self._pack, self.names))

    def find(self, key: bytes) -> tuple[Pack, int] | None:
        """Return the pack that holds the key, whole, and the number of the record; None: none."""
        for number, record in self._index.candidates(key):
            pack = self._pack(self.names[number])
            if pack is not None and record < len(pack) and pack.key(record) == key:
                return pack, record
        return None


def bucket_view(packs: Sequence[Pack]) -> BucketView:
    """Return a view of packs that are in memory."""
    return BucketView(index_of(packs), {pack.name: pack for pack in packs}.get)
