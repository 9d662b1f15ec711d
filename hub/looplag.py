"""How late the event loop is: whatever holds it up makes everyone wait."""

from __future__ import annotations

import asyncio
import time

from hub.tally import Spread

EVERY_SECONDS = 0.1


class LoopLag:
    """Looks ten times a second by how much a timer was late; a loop that stood still for long is seen once."""

    def __init__(self) -> None:
        self.seconds = Spread()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            # Not by the loop's own clock: uvloop's stands still while a callback runs.
            due = time.monotonic() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            self.seconds.add(max(0.0, time.monotonic() - due))
