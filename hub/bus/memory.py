"""The bus of a hub that is one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from hub.bus import Deliver, Figures, Hear
from hub.domain.events import SessionChanged


class MemoryBus:
    """Delivers at once, in order, without serializing; nothing is ever missed."""

    healthy = True

    def __init__(self) -> None:
        self.figures = Figures()
        self._deliver: list[Deliver] = []

    def subscribe(self, deliver: Deliver, missed: Callable[[], None]) -> None:
        """Call `deliver` with each change from now on."""
        self._deliver.append(deliver)

    async def run(self) -> None:
        """There is nothing to do beside."""
        await asyncio.Event().wait()

    def publish(self, change: SessionChanged) -> None:
        """Tell every subscriber, whatever it follows: there is nothing to save."""
        begun = time.perf_counter()
        for deliver in self._deliver:
            deliver(change, None)
        self.figures.delays.add(time.perf_counter() - begun)

    async def follow(self, topics: Iterable[int]) -> None:
        """Everything is heard."""

    def unfollow(self, topics: Iterable[int]) -> None:
        """Everything is heard."""

    def whisper(self, note: bytes) -> None:
        """There is no other process."""

    def overhear(self, hear: Hear) -> None:
        """There is no other process."""

    async def answers(self) -> None:
        """There is nobody else to reach."""
