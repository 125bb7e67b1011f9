"""What a store of packs does, and the one that lives in memory."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from alambique.cache.index import BucketView, bucket_view
from alambique.cache.keys import Bucket
from alambique.cache.packs import DamagedPack, Pack, decode

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one store holds of one namespace."""

    tier: str
    namespace: str
    packs: int
    records: int
    bytes: int


class Packs(Protocol):
    """An append-only list of packs for each bucket. Any of them may be gone at the next look."""

    @property
    def damaged_packs(self) -> int:
        """How many packs this object has refused so far."""

    def get(self, bucket: Bucket) -> BucketView:
        """Return the packs that the bucket has now."""

    def append(self, bucket: Bucket, pack: Pack) -> None:
        """Add a pack, as a whole or not at all."""

    def usage(self) -> Sequence[Usage]:
        """Return the usage by namespace."""

    def clear(self, namespace: str) -> int:
        """Drop a namespace, and return how many packs it had."""


class SharedPacks(Packs, Protocol):
    """A store that other machines append to as well."""

    def fetch(self, bucket: Bucket, known: Collection[str]) -> Sequence[Pack]:
        """Return the packs of the bucket, except those of known names."""


class MemoryPacks:
    """Packs in this process."""

    def __init__(self) -> None:
        """An empty store."""
        self.blobs: dict[Bucket, dict[str, bytes]] = {}
        self.damaged_packs = 0

    def get(self, bucket: Bucket) -> BucketView:
        """Return the packs that the bucket has now."""
        return bucket_view(self.fetch(bucket, ()))

    def fetch(self, bucket: Bucket, known: Collection[str]) -> Sequence[Pack]:
        """Return the packs of the bucket, except those of known names."""
        blobs = self.blobs.get(bucket, {})
        packs = [self._decode(bucket, name) for name in [*blobs] if name not in known]
        return [pack for pack in packs if pack is not None]

    def append(self, bucket: Bucket, pack: Pack) -> None:
        """Add a pack."""
        self.blobs.setdefault(bucket, {})[pack.name] = bytes(pack.data)

    def usage(self) -> Sequence[Usage]:
        """Return the usage by namespace."""
        packs = [
            (bucket.namespace, len(pack), len(pack.data))
            for bucket in self.blobs
            for pack in self.fetch(bucket, ())
        ]
        return usage_by_namespace("memory", packs)

    def clear(self, namespace: str) -> int:
        """Drop a namespace, and return how many packs it had."""
        dropped = [bucket for bucket in self.blobs if bucket.namespace == namespace]
        return sum(len(self.blobs.pop(bucket)) for bucket in dropped)

    def _decode(self, bucket: Bucket, name: str) -> Pack | None:
        try:
            return decode(self.blobs[bucket][name], bucket.namespace, name=name)
        except DamagedPack as error:
            self.damaged_packs += 1
            warn_damaged("memory", bucket, name, error)
            del self.blobs[bucket][name]
            return None


def warn_damaged(tier: str, bucket: Bucket, name: str, error: DamagedPack) -> None:
    """Log that a damaged pack was dropped, and what follows from that."""
    log.warning(
        "teacher outputs: pack %s of bucket %s (%s) is damaged: %s. It was dropped, and its "
        "examples count as not computed yet.",
        *(name, bucket, tier, error),
    )


def usage_by_namespace(tier: str, packs: Sequence[tuple[str, int, int]]) -> Sequence[Usage]:
    """Return the usage by namespace from (namespace, records, bytes) of each pack."""
    return [
        Usage(tier, namespace, len(mine), sum(n for _, n, _ in mine), sum(b for _, _, b in mine))
        for namespace in sorted({name for name, _, _ in packs})
        for mine in [[pack for pack in packs if pack[0] == namespace]]
    ]
