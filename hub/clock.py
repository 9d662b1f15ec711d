"""What time it is. Processes on many machines go by the database's clock, or their records would not fit together."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SLOW_SECONDS = 0.5
"""An answer that took longer says too little about the time."""


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class SharedClock:
    """The time of another clock, as it was last seen, and since then by this machine's monotonic one.

    So it does not jump when somebody sets this machine's clock, and is off by half an answer's way at most.
    """

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def __call__(self) -> datetime:
        """The time now."""
        return EPOCH + timedelta(seconds=time.monotonic() + self._ahead)

    async def look(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Go by what `ask` answers from now on."""
        before = time.monotonic()
        there = await ask()
        after = time.monotonic()
        if after - before <= SLOW_SECONDS:
            self._ahead = (there - EPOCH).total_seconds() - (before + after) / 2
