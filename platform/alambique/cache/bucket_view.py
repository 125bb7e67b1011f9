"""A view of a bucket: its packs as they were when it was opened, to be read in any order."""

from collections.abc import Callable, Iterator, Sequence

from alambique.cache.index import Index, index_of
from alambique.cache.packs import Pack


class BucketView:
    """Finds the record of a key, and takes from the packs only what is asked for."""

    def __init__(self, index: Index, pack: Callable[[str], Pack | None]) -> None:
        """Over an index and what opens a pack by its name, or returns None if it is not whole."""
        self._index = index
        self._pack = pack

    @property
    def names(self) -> Sequence[str]:
        """The names of the packs in view."""
        return self._index.names

    def packs(self) -> Iterator[Pack]:
        """The packs that are whole."""
        return filter(None, map(self._pack, self.names))

    def find(self, key: bytes) -> tuple[Pack, int] | None:
        """The pack that holds the key, whole, and the record's number in it."""
        for number, record in self._index.candidates(key):
            pack = self._pack(self.names[number])
            if pack is not None and record < len(pack) and pack.key(record) == key:
                return pack, record
        return None


def bucket_view(packs: Sequence[Pack]) -> BucketView:
    """Return a view of packs that are in memory."""
    return BucketView(index_of(packs), {pack.name: pack for pack in packs}.get)
