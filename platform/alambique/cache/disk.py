"""The near tier: packs as files on the worker's own disk, mapped into memory.

<folder>/<namespace>/<bucket>/<pack>.pack      written under a temporary name, then renamed
<folder>/<namespace>/<bucket>/index            made from the packs at the first look
"""

import errno
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from uuid import uuid4

from alambique.cache.index import EMPTY, BucketView, Index, decode_index, encode_index, index_of
from alambique.cache.keys import Bucket
from alambique.cache.packs import HEADER_BYTES, DamagedPack, Pack, decode, parse_pack, read_header
from alambique.cache.stores import Usage, usage_by_namespace, warn_damaged
from alambique.spec.disk import size_text
from alambique.spec.errors import NotEnoughDisk

log = logging.getLogger(__name__)

ABANDONED = 3600.0
"""Seconds after which a temporary file has no writer any more."""

_Name = tuple[Bucket, str]
_Identity = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Mapped:
    """A pack with the map it lies in."""

    map: mmap
    pack: Pack

    def is_whole(self) -> bool:
        """Return whether the file still has its length.

        Reading past the end of a mapped file would kill the process.
        """
        return self.map.size() == len(self.pack.data)


class DiskPacks:
    """Packs as memory-mapped files; any number of processes may append to the same folder."""

    def __init__(self, folder: Path, *, maps: int = 256) -> None:
        """A store in a folder, which is made when something is appended.

        Args:
            folder: Where the packs are.
            maps: How many packs are mapped at once. Each takes a file descriptor, and so does the
                index of each bucket that is open.
        """
        self.damaged_packs = 0
        self._folder = folder
        self._maps = maps
        self._mapped: OrderedDict[_Name, _Mapped] = OrderedDict()
        self._verified: dict[_Name, _Identity] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Return what another process makes the store of: nothing is mapped or verified there."""
        return partial(DiskPacks, maps=self._maps), (self._folder,)

    def get(self, bucket: Bucket) -> BucketView:
        """Return the packs that the bucket has now."""
        return BucketView(self._index(bucket), partial(self._pack, bucket))

    def append(self, bucket: Bucket, pack: Pack) -> None:
        """Add a pack, as a whole or not at all.

        Raises:
            NotEnoughDisk: There is no room for it.
        """
        folder = self._bucket_folder(bucket)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(self._path((bucket, pack.name)), pack.data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise NotEnoughDisk(
                f"no room for {size_text(len(pack.data))} of teacher outputs in {self._folder}: "
                "free some, or set ALAMBIQUE_HOME to a larger disk"
            ) from error

    def usage(self) -> Sequence[Usage]:
        """Return the usage by namespace."""
        sizes = []
        for path in self._files():
            with suppress(OSError, DamagedPack), path.open("rb") as file:
                records = read_header(file.read(HEADER_BYTES)).records
                sizes.append((path.parts[-3], records, path.stat().st_size))
        return usage_by_namespace("near", sizes)

    def clear(self, namespace: str) -> int:
        """Drop a namespace but for its folders, and return how many packs it had."""
        dropped = [path for path in self._files() if path.parts[-3] == namespace]
        for path in dropped:
            path.unlink(missing_ok=True)
            path.with_name("index").unlink(missing_ok=True)
        return len(dropped)

    def _bucket_folder(self, bucket: Bucket) -> Path:
        return self._folder / bucket.namespace / f"{bucket.number:02x}"

    def _files(self) -> Iterator[Path]:
        return self._folder.glob("*/*/*.pack")

    def _index(self, bucket: Bucket) -> Index:
        """Return the index over the packs that are there, read or else made and kept."""
        folder = self._bucket_folder(bucket)
        names = _pack_names(folder)
        stored = _read_index(folder / "index")
        if names == set(stored.names):
            return stored
        if not names.issuperset(stored.names):
            stored = EMPTY
        fresh = (self._pack(bucket, name) for name in sorted(names.difference(stored.names)))
        index = index_of(filter(None, fresh), after=stored)
        with suppress(OSError):  # without room or right to write, the next look makes it again
            _write(folder / "index", encode_index(index))
        return index

    def _pack(self, bucket: Bucket, name: str) -> Pack | None:
        """Return the pack of that name, or None where it is gone or not whole."""
        with self._lock:
            try:
                return self._open((bucket, name)).pack
            except FileNotFoundError:
                return None
            except OSError as error:
                log.warning("teacher outputs: pack %s of %s: %s", name, bucket, error)
                return None
            except DamagedPack as error:
                self._drop((bucket, name))
                warn_damaged("near", bucket, name, error)
                return None

    def _open(self, name: _Name) -> _Mapped:
        mapped = self._mapped.get(name)
        if mapped is None:
            mapped = self._mapped[name] = self._map(name)
            while len(self._mapped) > self._maps:
                self._mapped.popitem(last=False)
        if not mapped.is_whole():
            raise DamagedPack("its file changed its length")
        self._mapped.move_to_end(name)
        return mapped

    def _map(self, name: _Name) -> _Mapped:
        """Map a pack; its checksum is computed when this process first sees the file."""
        data, identity = _map_file(self._path(name))
        if self._verified.get(name) == identity:
            view = memoryview(data)
            return _Mapped(data, parse_pack(view, read_header(view)))
        pack = decode(data, name[0].namespace, name=name[1])
        self._verified[name] = identity
        return _Mapped(data, pack)

    def _drop(self, name: _Name) -> None:
        """Forget a damaged pack, and make room for a whole one of that name."""
        self.damaged_packs += 1
        self._mapped.pop(name, None)
        self._verified.pop(name, None)
        with suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: _Name) -> Path:
        return self._bucket_folder(name[0]) / f"{name[1]}.pack"


def _map_file(path: Path) -> tuple[mmap, _Identity]:
    """Return a file's content in memory, and what tells this file from a later one of that name."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        if stat.st_size == 0:
            raise DamagedPack("it is empty")
        data = mmap(file.fileno(), 0, access=ACCESS_READ)
    return data, (stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _read_index(path: Path) -> Index:
    """Return the index that is stored, or an empty one."""
    try:
        return decode_index(_map_file(path)[0])
    except (OSError, DamagedPack):
        return EMPTY


def _pack_names(folder: Path) -> set[str]:
    """Return the names of the packs in a bucket's folder, and remove abandoned files from it."""
    try:
        files = list(folder.iterdir())
    except FileNotFoundError:
        return set()
    for file in files:
        if file.suffix == ".tmp":
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > ABANDONED:
                    file.unlink()
    return {file.stem for file in files if file.suffix == ".pack"}


def _write(path: Path, data: memoryview | bytes) -> None:
    """Put a file there whole or not at all, whoever else does the same, and whoever is killed.

    What a power failure cuts short fails its checksum, and counts as not computed yet: to wait for
    the disk, twice for each bucket, would cost more than that ever does.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
