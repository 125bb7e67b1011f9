"""A pack: outputs of one bucket in one immutable run of bytes.

Layout, little-endian: a header of 64 bytes, then the keys, the number of rows of each record, the
rows of all records one after the other, and who made them, as UTF-8. The checksum covers all that
follows it, and names the pack: equal content has an equal name, so writing it twice is harmless.
Version 1 said nothing of who made it.

Shapes: N records, R rows of all records together, C columns, K the 16 bytes of a key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from mmap import mmap
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alambique.cache.keys import KEY_BYTES

MAGIC = b"ALMBPACK"
VERSION = 2
FLOAT32 = b"<f4\0"
LIMIT = 2**20 - 128
"""Bytes of a pack. An exact power of two would make Redis's allocator waste a quarter of it."""

_HEADER = Struct("<8s16s16sHH4sIIQ")
HEADER_BYTES = _HEADER.size
_COVERED = 24  # where the checksum ends and what it covers begins
_PER_RECORD = KEY_BYTES + 4

Record = tuple[bytes, NDArray[np.float32]]
"""An example key with its output, (rows, C); a row of NaN says that the word has no piece."""


class DamagedPack(ValueError):
    """These bytes are not a pack of this namespace. Never leaves the cache: it becomes a miss."""


class Header(NamedTuple):
    """What a pack says of itself."""

    magic: bytes
    checksum: bytes
    namespace: bytes
    version: int
    made_by: int
    """Bytes of the text that says who made it; 0 in version 1."""
    dtype: bytes
    columns: int
    records: int
    rows: int

    @property
    def size(self) -> int:
        """Bytes of the whole pack."""
        values = self.rows * self.columns * 4
        return _HEADER.size + self.records * _PER_RECORD + values + self.made_by


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Records sorted by key, as views into one buffer that nobody changes."""

    name: str
    data: memoryview
    keys_NK: NDArray[np.uint8]
    ends_N: NDArray[np.int64]
    """Where each record's rows end."""
    values_RC: NDArray[np.float32]
    made_by: str
    """Who computed the outputs, in the words of whoever appended them; empty where nobody said."""

    def __len__(self) -> int:
        """Return how many records it holds."""
        return len(self.ends_N)

    def key(self, record: int) -> bytes:
        """Return the example key of a record."""
        return bytes(self.keys_NK[record])

    def rows(self, record: int) -> NDArray[np.float32]:
        """Return a copy of a record, (rows, C)."""
        start = self.ends_N[record - 1] if record else 0
        return self.values_RC[start : self.ends_N[record]].copy()


def encode(namespace: str, records: Sequence[Record], *, made_by: str = "") -> Pack:
    """Return these records as one pack.

    Args:
        namespace: The digest of the namespace that they belong to.
        records: At least one; keys differ, columns agree.
        made_by: Who computed them, in less than 64 KiB.

    Raises:
        ValueError: A key is not 16 bytes long or comes twice, or values are not fit to keep.
    """
    ordered = sorted(records, key=lambda record: record[0])
    values_RC = np.concatenate([values for _, values in ordered], dtype="<f4")
    sizes_N = np.array([len(values) for _, values in ordered], dtype="<u4")
    maker, keys = made_by.encode(), (key for key, _ in ordered)
    body = b"".join([*keys, sizes_N.tobytes(), values_RC.tobytes(), maker])
    shape = (values_RC.shape[1], len(ordered), len(values_RC))
    head = (MAGIC, bytes(16), bytes.fromhex(namespace), VERSION, len(maker), FLOAT32, *shape)
    unsigned = _HEADER.pack(*head) + body
    data = MAGIC + _checksum(memoryview(unsigned)) + unsigned[_COVERED:]
    try:
        return decode(data, namespace)
    except DamagedPack as error:
        raise ValueError(f"records that make no pack: {error}") from error


def split(
    namespace: str, records: Sequence[Record], *, made_by: str = "", limit: int = LIMIT
) -> Iterator[Pack]:
    """Yield these records as packs of at most `limit` bytes, each of which says who made it.

    A record that is larger than this by itself gets a pack of its own.
    """
    part: list[Record] = []
    empty = size = _HEADER.size + len(made_by.encode())
    for key, values in sorted(records, key=lambda record: record[0]):
        added = _PER_RECORD + values.size * 4
        if part and size + added > limit:
            yield encode(namespace, part, made_by=made_by)
            part, size = [], empty
        part.append((key, values))
        size += added
    if part:
        yield encode(namespace, part, made_by=made_by)


def decode(data: bytes | mmap, namespace: str, *, name: str | None = None) -> Pack:
    """Return the pack that these bytes hold, after a check of every byte.

    Args:
        data: Bytes from a file or a server.
        namespace: The digest of the namespace they have to be of.
        name: What the pack is called where it was found.

    Raises:
        DamagedPack: They are cut short, changed, of another version or namespace, or hold values
            that nothing may be trained on.
    """
    view = memoryview(data)
    header = read_header(view)
    if header.checksum != _checksum(view):
        raise DamagedPack("its checksum does not fit its content")
    if header.namespace.hex() != namespace:
        raise DamagedPack(f"it is of the namespace {header.namespace.hex()}")
    if name not in (None, header.checksum.hex()):
        raise DamagedPack(f"it is the pack {header.checksum.hex()}")
    pack = parse_pack(view, header)
    if fault := _misfit(pack):
        raise DamagedPack(fault)
    return pack


def read_header(data: memoryview | bytes) -> Header:
    """Return the header of a pack, without a look at the bytes that follow.

    Raises:
        DamagedPack: It is too short, no pack, or of another version.
    """
    if len(data) < _HEADER.size:
        raise DamagedPack(f"it has {len(data)} bytes, less than a header's {_HEADER.size}")
    header = Header(*_HEADER.unpack_from(data))
    if header.magic != MAGIC:
        raise DamagedPack(f"it begins with {header.magic!r}, not {MAGIC!r}")
    if header.version not in (1, VERSION) or header.dtype != FLOAT32:
        raise DamagedPack(f"it is of version {header.version} with {header.dtype!r}")
    return header


def parse_pack(view: memoryview, header: Header) -> Pack:
    """Return the pack of bytes whose checksum is known to fit.

    Raises:
        DamagedPack: The shapes in the header do not fill the bytes exactly.
    """
    if header.columns == 0 or header.size != len(view):
        raise DamagedPack(f"it has {len(view)} bytes, its shapes say {header.size}")
    records, columns = header.records, header.columns
    keys_at, sizes_at = _HEADER.size, _HEADER.size + records * KEY_BYTES
    keys_NK = np.frombuffer(view, np.uint8, records * KEY_BYTES, keys_at).reshape(-1, KEY_BYTES)
    sizes_N = np.frombuffer(view, "<u4", records, sizes_at)
    values = np.frombuffer(view, "<f4", header.rows * columns, sizes_at + records * 4)
    made_by = bytes(view[header.size - header.made_by :]).decode(errors="replace")
    ends_N = np.cumsum(sizes_N, dtype=np.int64)
    if header.rows != (ends_N[-1] if records else 0):
        raise DamagedPack(f"its records have other than the {header.rows} rows of its header")
    values_RC = values.reshape(-1, columns)
    return Pack(header.checksum.hex(), view, keys_NK, ends_N, values_RC, made_by)


def flaw(values_RC: NDArray[np.float32]) -> str | None:
    """Return what makes these rows unfit to keep; None if nothing does.

    A row is finite, or NaN as a whole.
    """
    if np.isfinite(values_RC).all():
        return None
    if np.isinf(values_RC).any():
        return "an infinite value"
    nan_RC = np.isnan(values_RC)
    return "a row that is NaN in part" if (nan_RC.any(1) != nan_RC.all(1)).any() else None


def _misfit(pack: Pack) -> str | None:
    """Return which rule of packs a writer broke, which no checksum tells; None: no rule."""
    if not len(pack):
        return "it holds no record"
    keys_N = np.ascontiguousarray(pack.keys_NK).view(f"S{KEY_BYTES}").ravel()
    if not (keys_N[:-1] < keys_N[1:]).all():
        return "its keys are not in ascending order"
    fault = flaw(pack.values_RC)
    return fault and f"it holds {fault}"


def _checksum(view: memoryview) -> bytes:
    return blake2b(view[_COVERED:], digest_size=16, person=b"pack").digest()
