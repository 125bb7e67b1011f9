"""A server that has answered and is away now: it is waited for, and that is said once."""

import logging
import math
import time

from alambique.api.transport import NoServer, Transport

_log = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0
"""Seconds between two tries, once it has been away for a while."""


class Outage:
    """The absence of one server, from the first request without an answer to the next answer.

    It is logged as a warning, which a program without logging of its own prints to stderr.
    """

    def __init__(self, transport: Transport, *, pause: float, patience: float = math.inf) -> None:
        """The server is there, as far as is known.

        Args:
            transport: knows whether the server has ever answered.
            pause: seconds before the second try; doubled with each further one.
            patience: seconds after which the server is given up.
        """
        self._transport = transport
        self._pause = pause
        self._patience = patience
        self._tries = 0
        self._since = 0.0

    def wait(self, error: NoServer) -> None:
        """Sleep until the server is to be asked again.

        Raises:
            NoServer: it has never answered, or has been away for longer than the patience.
        """
        if not self._transport.answered:
            raise error
        if self._tries == 0:
            self._since = time.monotonic()
            _log.warning("%s; waiting until it answers (Ctrl-C ends the waiting)", error)
        elif time.monotonic() - self._since > self._patience:
            raise error
        time.sleep(pause_before(self._tries, first=self._pause))
        self._tries += 1

    def end(self) -> None:
        """Note that the server has answered."""
        if self._tries:
            _log.warning("the server answers again")
        self._tries = 0


def pause_before(tries: int, *, first: float, longest: float = LONGEST_PAUSE) -> float:
    """Seconds to wait after so many tries in vain beside the first one.

    >>> [pause_before(tries, first=1.0) for tries in (0, 1, 2, 3, 5000)]
    [1.0, 2.0, 4.0, 5.0, 5.0]
    """
    # the exponent is bounded: after days a float could not hold the power
    return float(min(longest, first * 2 ** min(tries, 32)))
