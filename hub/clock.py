"""What time it is. Processes on many machines go by the database's clock, or their records would not fit together."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SLOW_SECONDS = 0.5
"""An answer that took longer says too little about the time."""
TRIES = 4
QUICK_SECONDS = 0.001
"""By which the time may be wrong for the answer to count as quick."""
DRIFT = 1e-4
"""Seconds by which two clocks may come apart in one; a bad quartz does half of that."""


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class SharedClock:
    """The time of another clock, as it was last seen, and since then by this machine's monotonic one.

    So it does not jump when somebody sets this machine's clock. It is off by half the way of the quickest answer of
    late: a slow one changes nothing, unless it shows that the other clock was set.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead = time.time() - monotonic()
        self._error = math.inf
        self._seen = 0.0

    def __call__(self) -> datetime:
        """The time now."""
        return EPOCH + timedelta(seconds=self._monotonic() + self._ahead)

    async def look(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Go by what `ask` answers from now on; asked again at once where the answer was not quick."""
        for _ in range(TRIES):
            await self._look(ask)
            if self._error <= QUICK_SECONDS:
                return

    async def _look(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        before = self._monotonic()
        there = await ask()
        after = self._monotonic()
        if after - before > SLOW_SECONDS:
            return
        ahead, error = (there - EPOCH).total_seconds() - (before + after) / 2, (after - before) / 2
        known = self._error + (after - self._seen) * DRIFT
        if error <= known or abs(ahead - self._ahead) > error + known:
            self._ahead, self._error, self._seen = ahead, error, after
