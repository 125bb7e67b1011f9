"""Whether something that failed is worth asking again, and one line in the log for each change."""

import logging
import time
from collections.abc import Callable

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
        """A circuit that is closed: whatever it guards is asked.

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
        """Whether to ask now."""
        return not self.is_failing or self._clock() >= self._until

    def record_failure(self, error: Exception) -> None:
        """It was asked and failed."""
        if not self.is_failing:
            log.warning("%s (%s: %s)", self._broken, type(error).__name__, error)
        self._pause = min(2 * self._pause or self._first, self._longest)
        self._until = self._clock() + self._pause

    def record_success(self) -> None:
        """It was asked and worked."""
        if self.is_failing:
            log.warning("%s", self._mended)
        self._pause = 0.0
