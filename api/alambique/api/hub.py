"""Look-ups at the hub for requests: few at once, with a deadline, and ended when the server stops.

huggingface_hub limits the time of one attempt and retries: a silent hub would occupy a thread of
the server for minutes, and a few dozen requests would occupy them all.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from alambique.spec.errors import Unreachable

T = TypeVar("T")
S = TypeVar("S", contravariant=True)
R = TypeVar("R", covariant=True)

SECONDS = 20.0
"""Seconds that all look-ups of a request wait for the hub together. The client waits 60."""
AT_ONCE = 2
"""Look-ups of one server at the same time."""
_STOP_CHECK = 0.1
"""Seconds between two checks whether the server stops."""


class LookUp(Protocol):
    """Calls a function that asks the hub, and returns its result."""

    def __call__(self, look: Callable[[], T], /) -> T:
        """Call `look`."""
        ...


def call_now(look: Callable[[], T], /) -> T:
    """Return the result of `look`, however long the hub takes: for commands."""
    return look()


class HubQuery(Protocol[S, R]):
    """A function that asks the hub about something, and caches the answer."""

    def __call__(self, source: S, /, *, cache: Path) -> R:
        """Ask about `source`."""
        ...


def ask_hub(ask: HubQuery[S, R], source: S, cache: Path) -> R:
    """Return the answer of the hub, without its library's logs of retries: errors have it all."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return ask(source, cache=cache)
    finally:
        logger.setLevel(before)


class HubLookUps:
    """Runs the look-ups of one server at the hub, each in a daemon thread.

    A look-up that was given up keeps its place until the hub's library returns: however silent the
    hub, there are never more threads than places.
    """

    def __init__(self, *, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        """Take the look-ups that run at a time, and the seconds that a request waits."""
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(at_once)
        self._at_once = at_once

    def for_request(self, stop: threading.Event) -> LookUp:
        """Return the look-up function of a request that begins now, with its deadline.

        Args:
            stop: set when the server stops.
        """
        return partial(self._run, until=time.monotonic() + self._seconds, stop=stop)

    def _run(self, look: Callable[[], T], *, until: float, stop: threading.Event) -> T:
        """Return the result of `look`, called in a thread of its own.

        Args:
            look: asks the hub.
            until: the time of `time.monotonic` until which the request waits.
            stop: set when the server stops.

        Raises:
            Unreachable: it has not returned by then, the server stops, or all places are taken.
            Exception: what `look` raised.
        """
        if not self._places.acquire(blocking=False):
            raise Unreachable(
                f"the hub is slow: {self._at_once} look-ups wait for it, and no more are made "
                "at once; try again in a moment, or name a model that the server has"
            )
        future: Future[T] = Future()
        threading.Thread(target=self._look, args=(look, future), daemon=True).start()
        while not future.done():
            left = until - time.monotonic()
            if left <= 0:
                raise Unreachable(
                    f"the hub has not answered within {self._seconds:g} s: try again later, or "
                    "name a model that the server has"
                )
            if stop.is_set():
                raise Unreachable(
                    "the server stops before the hub has answered: try again once it is back"
                )
            wait([future], timeout=min(left, _STOP_CHECK))
        return future.result()

    def _look(self, look: Callable[[], T], future: "Future[T]") -> None:
        try:
            result = look()
        except Exception as error:
            self._places.release()  # before the request continues, which may look up more
            future.set_exception(error)
        else:
            self._places.release()
            future.set_result(result)
