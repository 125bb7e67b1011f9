"""Look-ups at the hub on behalf of requests: few at once, none for long, none in the way of a stop.

huggingface_hub bounds the time of one try, and tries again; a hub that stays silent would keep a
thread of the server for minutes, and a few dozen requests all of them.
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
"""How long one request waits for the hub, in all its look-ups together. The client waits 60."""
AT_ONCE = 2
"""Look-ups of one server."""
_GLANCE = 0.1
"""Seconds between two looks whether the server is about to stop."""


class LookUp(Protocol):
    """A function that calls what asks the hub, and returns what that gives."""

    def __call__(self, look: Callable[[], T], /) -> T:
        """Call `look`."""
        ...


def call_now(look: Callable[[], T], /) -> T:
    """Return what `look` gives, however long the hub takes: the look-up of a command."""
    return look()


class HubQuery(Protocol[S, R]):
    """A function that asks the hub about something, and keeps in `cache` what comes of it."""

    def __call__(self, source: S, /, *, cache: Path) -> R:
        """Ask about `source`."""
        ...


def ask_hub(ask: HubQuery[S, R], source: S, cache: Path) -> R:
    """Return what the hub says; its library logs no tries, since errors tell what came of them."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return ask(source, cache=cache)
    finally:
        logger.setLevel(before)


class HubLookUps:
    """The look-ups at the hub of one server. Each has a thread that the process does not wait for.

    A look-up that was given up keeps its place until the hub's library is done with it: however
    silent the hub, there are never more threads than places.
    """

    def __init__(self, *, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        """Take how many look-ups run at once, and how many seconds a request waits for its own."""
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(at_once)
        self._at_once = at_once

    def for_request(self, stop: threading.Event) -> LookUp:
        """Return the look-ups of a request that begins now, which wait until its deadline.

        Args:
            stop: set when the server stops.
        """
        return partial(self._run, until=time.monotonic() + self._seconds, stop=stop)

    def _run(self, look: Callable[[], T], *, until: float, stop: threading.Event) -> T:
        """Return what `look` gives, which is called in a thread of its own.

        Args:
            look: asks the hub.
            until: the time of `time.monotonic` until which the request waits.
            stop: set when the server stops.

        Raises:
            Unreachable: it has given nothing until then, the server stops, or all places are
                taken.
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
            wait([future], timeout=min(left, _GLANCE))
        return future.result()

    def _look(self, look: Callable[[], T], future: "Future[T]") -> None:
        try:
            result = look()
        except Exception as error:
            self._places.release()  # before the asker goes on, who may look for more
            future.set_exception(error)
        else:
            self._places.release()
            future.set_result(result)
