"""Reading teacher outputs, one example at a time and in any order."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from alambique.cache.index import BucketView
from alambique.cache.keys import Bucket, Namespace, bucket_of
from alambique.cache.packs import Pack
from alambique.cache.stores import Packs


class Outputs:
    """The outputs of one namespace. A bucket is opened at the first key of it that is asked for.

    It goes to another process by pickle, and opens everything anew there.
    """

    def __init__(self, store: Packs, namespace: Namespace) -> None:
        """The outputs that a store holds of a namespace."""
        self.store = store
        self.namespace = namespace
        self.hits = 0
        self.misses = 0
        self.makers: set[str] = set()
        """Who computed what was found since the last look at all buckets, as the packs say it."""
        self._views: dict[int, BucketView] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """Return what another process makes the outputs of: counts and open buckets stay here."""
        return Outputs, (self.store, self.namespace)

    def __contains__(self, key: bytes) -> bool:
        """Return whether the key's output is there and whole."""
        return self._find(key) is not None

    def missing(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return those of the keys whose outputs have to be computed: each once, ascending."""
        return [key for key in sorted(set(keys)) if key not in self]

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """Return a copy of the output, (rows, C); None if it has to be computed.

        It is counted as a hit or as a miss.
        """
        place = self._find(key)
        if place is None:
            self.misses += 1
            return None
        self.hits += 1
        pack, record = place
        return pack.rows(record)

    @property
    def damaged_packs(self) -> int:
        """How many packs its store has refused."""
        return self.store.damaged_packs

    def refresh(self, bucket: int | None = None) -> None:
        """Look again for what was appended since, in one bucket or in all."""
        if bucket is None:
            self._views.clear()
            self.makers.clear()
        else:
            self._views.pop(bucket, None)

    def bucket(self, number: int) -> Bucket:
        """Return the bucket of that number in this namespace."""
        return Bucket(self.namespace.digest, number)

    def _find(self, key: bytes) -> tuple[Pack, int] | None:
        number = bucket_of(key)
        view = self._views.get(number) or self._open(number)
        refused = self.store.damaged_packs
        place = view.find(key)
        if place is None and self.store.damaged_packs > refused:
            # A pack was dropped just now: another tier may have a whole one.
            place = self._open(number).find(key)
        if place is not None:
            self.makers.add(place[0].made_by)
        return place

    def _open(self, number: int) -> BucketView:
        view = self._views[number] = self.store.get(self.bucket(number))
        return view
