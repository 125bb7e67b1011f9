"""The near and the shared tier as one store, and the choice between one tier and two."""

import logging
from collections.abc import Sequence
from pathlib import Path

from alambique.cache.disk import DiskPacks
from alambique.cache.index import BucketView, bucket_view
from alambique.cache.keys import Bucket
from alambique.cache.packs import Pack
from alambique.cache.shared import RedisPacks
from alambique.cache.stores import Packs, SharedPacks, Usage

log = logging.getLogger(__name__)


class TwoTiers:
    """Reads from the near store, into which it copies what only the shared one has."""

    def __init__(self, near: Packs, shared: SharedPacks) -> None:
        """Make one store of two.

        Args:
            near: Where everything is read from.
            shared: Asked once for each opening of a bucket, for the packs that `near` lacks.
        """
        self.near = near
        self.shared = shared

    @property
    def damaged_packs(self) -> int:
        """How many packs both have refused."""
        return self.near.damaged_packs + self.shared.damaged_packs

    def get(self, bucket: Bucket) -> BucketView:
        """Return the packs that the bucket has now in either store."""
        near = self.near.get(bucket)
        others = self.shared.fetch(bucket, near.names)
        if not others:
            return near
        try:
            for pack in others:
                self.near.append(bucket, pack)
        except OSError as error:
            log.warning("teacher outputs of bucket %s stay in memory: %s", bucket, error)
            return bucket_view([*near.packs(), *others])
        return self.near.get(bucket)

    def append(self, bucket: Bucket, pack: Pack) -> None:
        """Add a pack to both."""
        self.near.append(bucket, pack)
        self.shared.append(bucket, pack)

    def usage(self) -> Sequence[Usage]:
        """Return the usage by store and namespace."""
        return [*self.near.usage(), *self.shared.usage()]

    def clear(self, namespace: str) -> int:
        """Drop a namespace from both, and return how many packs both had of it."""
        return self.near.clear(namespace) + self.shared.clear(namespace)


def open_store(folder: Path, redis: str | None) -> Packs:
    """Return the store of one machine.

    Args:
        folder: Of the near tier.
        redis: URL of the shared tier; None: the near tier alone.

    Raises:
        ValueError: The URL is none of redis-py's.
    """
    near = DiskPacks(folder)
    return near if redis is None else TwoTiers(near, RedisPacks(redis))
