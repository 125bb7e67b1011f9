"""Posting to a server that may be gone for a moment: sent again, and nothing is queued twice."""

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

from alambique.api.transport import NoAnswer, NoServer

V = TypeVar("V")

_PAUSE = 1.0
"""Seconds between two tries."""
_TRIES = 2
"""More of them, for what a server may have queued already: one may take a minute."""


def post_once(post: Callable[[str], V], key: str | None, *, pause: float = _PAUSE) -> V:
    """Return what the server made of what `post` sends; where its answer is lost, it is sent again.

    Args:
        post: sends it under a key, by which the server knows it again.
        key: the user's own; without it one is made.
        pause: seconds between two tries.

    Raises:
        NoServer: there was no answer; of something that may have been queued, how to send it again.
    """
    known = str(uuid4()) if key is None else key
    try:
        return post(known)
    except NoAnswer:
        time.sleep(pause)
    try:
        return _retry(lambda: post(known), pause)
    except NoServer as error:
        raise NoAnswer(
            f"{error}; it may have been queued all the same: give the same command again with "
            f"--key {known}, and nothing is queued twice"
        ) from error


def _retry(send: Callable[[], V], pause: float) -> V:
    for _ in range(_TRIES):
        try:
            return send()
        except NoServer:
            time.sleep(pause)
    return send()
