"""All that a client tells, and waiting for some of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, get_args

from hub.client import Event, Hub
from tests.running import START_PATIENCE

E = TypeVar("E")


class Ears:
    """Hears everything from now on."""

    def __init__(self, hub: Hub) -> None:
        self.told: list[Event] = []
        self._came = asyncio.Event()
        for kind in get_args(Event):
            hub.on(kind, self._hear)

    def _hear(self, event: Event) -> None:
        self.told.append(event)
        self._came.set()

    def of(self, kind: type[E]) -> list[E]:
        """What was told of a kind."""
        return [one for one in self.told if isinstance(one, kind)]

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until it is true after something was told."""
        async with asyncio.timeout(START_PATIENCE):
            while not true():
                self._came.clear()
                await self._came.wait()
