"""What time it is. Processes on many machines go by the database's clock, or their records would not fit together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRIES = 8
QUICK_SECONDS = 0.001
"""By which the time may be wrong at most, or it is asked for again."""
DRIFT = 1e-4
"""Seconds by which two clocks may come apart in one; a bad quartz does half of that."""


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """By how many seconds, at least and at most, the other clock was ahead at `seen`, on the monotonic one."""

    least: float
    most: float
    seen: float

    @property
    def error(self) -> float:
        return (self.most - self.least) / 2

    def narrowed(self, told: _Bounds) -> _Bounds:
        """What both leave open; `told` alone where they exclude each other, as the clock was set between them."""
        apart = (told.seen - self.seen) * DRIFT
        least, most = max(self.least - apart, told.least), min(self.most + apart, told.most)
        return _Bounds(least, most, told.seen) if least <= most else told


class SharedClock:
    """The time of another clock, as it was last seen, and since then by this machine's monotonic one.

    So it does not jump when somebody sets this machine's clock. An answer was given between its question and its
    receipt; the time is the middle of what all answers leave open together, unless the other clock was set.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead = time.time() - monotonic()
        self._bounds = _Bounds(-math.inf, math.inf, 0.0)

    def __call__(self) -> datetime:
        """The time now."""
        return EPOCH + timedelta(seconds=self._monotonic() + self._ahead)

    def look(self, ask: Callable[[], datetime]) -> None:
        """Go by what `ask` answers from now on; asked again at once while that leaves too much open.

        To be called where the database is talked to. An answer waits for a busy loop, and its question did not: that
        put the clock of a process that had just started milliseconds back, so people joined before they had dropped.
        """
        for _ in range(TRIES):
            before = self._monotonic()
            there = (ask() - EPOCH).total_seconds()
            after = self._monotonic()
            bounds = self._bounds.narrowed(_Bounds(there - after, there - before, after))
            self._bounds, self._ahead = bounds, (bounds.least + bounds.most) / 2
            if bounds.error <= QUICK_SECONDS:
                return
