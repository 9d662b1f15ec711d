"""One read for all who ask the same at the same time. Nobody is answered from before they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """`ask` runs `work` once for all who ask with an equal key before it begins; who asks later shares the next one."""

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[T]] = {}
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def ask(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` answers or raises. It begins after this call did, so nothing committed before is missed."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, work))
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        running = self._running.get(key)
        if running is not None:
            await asyncio.wait({running})
        mine = self._running[key] = self._next.pop(key)
        try:
            return await work()
        finally:
            if self._running.get(key) is mine:
                del self._running[key]
