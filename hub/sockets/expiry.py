"""The end of a token on an open socket: a warning before it, and the end at its instant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

WARN_SECONDS = 60
LONGEST_TIMER = 86_400.0
"""A timer is set for a day at most, and set again: tokens may last longer than an event loop can count."""


class TokenEnd:
    """`warn` gets the seconds left, WARN_SECONDS before the end or at once; `ended` the instant, when it has come."""

    __slots__ = ("_clock", "_ended", "_timer", "_warn")

    def __init__(
        self, clock: Callable[[], datetime], warn: Callable[[int], None], ended: Callable[[datetime], None]
    ) -> None:
        self._clock = clock
        self._warn = warn
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None

    def at(self, until: datetime) -> None:
        """Wait for `until`, and for no other end set before."""
        self.cancel()
        left = (until - self._clock()).total_seconds()
        loop = asyncio.get_running_loop()
        if left > WARN_SECONDS:
            self._timer = loop.call_later(min(left - WARN_SECONDS, LONGEST_TIMER), self.at, until)
        else:
            self._timer = loop.call_later(max(0.0, left), self._end, until)
            self._warn(max(0, round(left)))  # who can't be told any more is ended by it, and this with them

    def cancel(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, until: datetime) -> None:
        left = (until - self._clock()).total_seconds()
        if left > 0:  # the loop's clock ran ahead of the wall's
            self._timer = asyncio.get_running_loop().call_later(left, self._end, until)
        else:
            self._ended(until)
