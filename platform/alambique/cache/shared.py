"""The shared tier: packs as strings in Redis, any of which may be evicted at any time.

    alambique:{<namespace>/<bucket>}:names     the set of the bucket's pack names
    alambique:{<namespace>/<bucket>}:<pack>    one pack

The braces put a bucket into one slot of a cluster, so that MGET and MULTI work there as well.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from alambique.cache.index import BucketView, bucket_view
from alambique.cache.keys import Bucket
from alambique.cache.packs import HEADER_BYTES, DamagedPack, Pack, decode, read_header
from alambique.cache.stores import Usage, usage_by_namespace, warn_damaged

log = logging.getLogger(__name__)


class CircuitBreaker:
    """Open for a pause after each failure; the pause doubles up to a longest one."""

    def __init__(
        self,
        *,
        broken: str,
        mended: str,
        pause: float = 1.0,
        longest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a closed circuit: what it guards is asked.

        Args:
            broken: What to tell when it begins to fail.
            mended: What to tell when it works again.
            pause: Seconds without asking after the first failure.
            longest: Seconds that the pause may grow to.
            clock: Gives seconds that never go back.
        """
        self._broken, self._mended = broken, mended
        self._first, self._longest, self._clock = pause, longest, clock
        self._pause = 0.0
        self._until = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether the last thing heard of it is a failure."""
        return self._pause > 0

    def allows(self) -> bool:
        """Return whether to ask now."""
        return not self.is_failing or self._clock() >= self._until

    def record_failure(self, error: Exception) -> None:
        """Record that what is guarded was asked and failed."""
        if not self.is_failing:
            log.warning("%s (%s: %s)", self._broken, type(error).__name__, error)
        self._pause = min(2 * self._pause or self._first, self._longest)
        self._until = self._clock() + self._pause

    def record_success(self) -> None:
        """Record that what is guarded was asked and worked."""
        if self.is_failing:
            log.warning("%s", self._mended)
        self._pause = 0.0


AT_ONCE = 8
"""Packs of one MGET: with 1 MiB each the server is never held for long."""

Answer = TypeVar("Answer")


class RedisPacks:
    """Packs in a Redis that may be down, full or emptied: then they are misses, never errors."""

    def __init__(self, url: str, *, timeout: float = 2.0, pause: float = 1.0) -> None:
        """A store in the Redis at a URL, which is not asked yet.

        Args:
            url: As redis-py reads it: redis://, rediss:// or unix://.
            timeout: Seconds to connect, and to wait for each answer.
            pause: Seconds without asking after a failure; doubled for each more, up to a minute.

        Raises:
            ValueError: The URL has another scheme.
        """
        self.damaged_packs = 0
        self._rebuild = partial(RedisPacks, url, timeout=timeout, pause=pause)
        # A connection that the server closed meanwhile is worth one more try, a timeout is not.
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 1, supported_errors=(Unreachable,)),
        )
        self._connection = CircuitBreaker(
            broken="the shared tier of teacher outputs (Redis) does not answer: going on without",
            mended="the shared tier of teacher outputs (Redis) answers again",
            pause=pause,
        )
        self._writes = CircuitBreaker(
            broken="the shared tier of teacher outputs (Redis) takes nothing more: what is "
            "computed now is kept on this machine only",
            mended="the shared tier of teacher outputs (Redis) takes packs again",
            pause=pause,
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Return what another process makes the store of: it connects anew there."""
        return self._rebuild, ()

    def get(self, bucket: Bucket) -> BucketView:
        """Return the packs that the bucket has now, in memory."""
        return bucket_view(self.fetch(bucket, ()))

    def fetch(self, bucket: Bucket, known: Collection[str]) -> Sequence[Pack]:
        """Return the packs of the bucket, except those of known names."""
        nothing: set[bytes | str] = set()
        members = self._ask(lambda: self._redis.smembers(_key(bucket, "names")), nothing)
        names = sorted({_text(name) for name in members}.difference(known))
        chunks = [names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)]
        return [pack for chunk in chunks for pack in self._fetch(bucket, chunk)]

    def append(self, bucket: Bucket, pack: Pack) -> None:
        """Add a pack, or nothing where Redis is down or full."""
        if self._writes.allows():
            self._ask(lambda: self._write(bucket, pack), None)

    def usage(self) -> Sequence[Usage]:
        """Return the usage by namespace."""
        sizes = [self._ask(partial(self._size, key), None) for key in self._keys()]
        return usage_by_namespace("shared", [size for size in sizes if size is not None])

    def clear(self, namespace: str) -> int:
        """Drop a namespace, and return how many packs it had."""
        dropped = [key for key in self._keys() if _namespace(key) == namespace]
        for at in range(0, len(dropped), 1000):
            self._ask(partial(self._redis.unlink, *dropped[at : at + 1000]), 0)
        return sum(not key.endswith(":names") for key in dropped)

    def _ask(self, call: Callable[[], Answer], otherwise: Answer) -> Answer:
        """Return what Redis answers to a call, or `otherwise` if it does not answer."""
        if not self._connection.allows():
            return otherwise
        try:
            answer = call()
        except (RedisError, OSError) as error:
            self._connection.record_failure(error)
            return otherwise
        self._connection.record_success()
        return answer

    def _write(self, bucket: Bucket, pack: Pack) -> None:
        try:
            with self._redis.pipeline(transaction=True) as both:
                both.set(_key(bucket, pack.name), bytes(pack.data))
                both.sadd(_key(bucket, "names"), pack.name)
                both.execute()
        except ResponseError as error:  # it answers, but has no memory or may not write
            self._writes.record_failure(error)
        else:
            self._writes.record_success()

    def _fetch(self, bucket: Bucket, names: Sequence[str]) -> Iterator[Pack]:
        keys = [_key(bucket, name) for name in names]
        nothing: list[bytes | str | None] = []
        blobs = self._ask(lambda: self._redis.mget(keys), nothing)
        for name, blob in zip(names, blobs, strict=False):
            if isinstance(blob, bytes):
                pack = self._decode(bucket, name, blob)
                if pack is not None:
                    yield pack
            else:
                self._remove_name(bucket, name)

    def _decode(self, bucket: Bucket, name: str, blob: bytes) -> Pack | None:
        try:
            return decode(blob, bucket.namespace, name=name)
        except DamagedPack as error:
            self.damaged_packs += 1
            warn_damaged("shared", bucket, name, error)
            self._remove_name(bucket, name)
            self._ask(lambda: self._redis.unlink(_key(bucket, name)), 0)
            return None

    def _remove_name(self, bucket: Bucket, name: str) -> None:
        """Remove the name of a pack that was evicted or is damaged."""
        self._ask(lambda: self._redis.srem(_key(bucket, "names"), name), 0)

    def _keys(self) -> list[str]:
        scan = partial(self._redis.scan_iter, "alambique:{*", count=1000)
        return self._ask(lambda: [_text(key) for key in scan()], [])

    def _size(self, key: str) -> tuple[str, int, int] | None:
        """Return namespace, records and bytes of the pack under a key; None if it is no pack."""
        if key.endswith(":names"):
            return None
        head = self._redis.getrange(key, 0, HEADER_BYTES - 1)
        try:
            header = read_header(head if isinstance(head, bytes) else b"")
        except DamagedPack:
            return None
        return _namespace(key), header.records, header.size


def _key(bucket: Bucket, name: str) -> str:
    return f"alambique:{{{bucket}}}:{name}"


def _namespace(key: str) -> str:
    return key.partition("{")[2].partition("/")[0]


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
