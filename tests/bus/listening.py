"""A process at a bus, for tests: what it heard, and waiting for it with a time-out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hub.bus import Bus
from hub.bus.redis import RedisBus
from hub.domain.events import PublicState, RosterRule, SessionChanged
from hub.domain.model import RosterVisibility, Status
from tests.domain.factories import NOW

PATIENCE = 20.0
NEVER = 0.3
"""Seconds in which something that must not come would have come."""


def a_change(session: int = 1, revision: int = 1) -> SessionChanged:
    """A session's change at a revision."""
    state = PublicState(session, revision, Status.ACTIVE, 1, 1, 0, None, NOW, NOW, None)
    return SessionChanged(state, RosterRule("e-7", RosterVisibility.PARTICIPANTS))


async def until(true: Callable[[], bool], what: str, patience: float = PATIENCE) -> float:
    """Wait until it is true, and say how many seconds that took; TimeoutError says `what` did not come."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not true():
        if clock() - began > patience:
            raise TimeoutError(f"{what} did not come within {patience:g} s")
        await asyncio.sleep(0.005)
    return clock() - began


class Process:
    """One process's end of a bus, as rooms are: it hears changes and gaps."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[tuple[SessionChanged, bytes | None]] = []
        self.gaps = 0
        bus.subscribe(self._deliver, self._missed)

    def _deliver(self, change: SessionChanged, frame: bytes | None) -> None:
        self.heard.append((change, frame))

    def _missed(self) -> None:
        self.gaps += 1

    def revisions(self, session: int = 1) -> list[int]:
        """Of a session, in the order they came."""
        return [change.state.revision for change, _ in self.heard if change.state.session == session]

    async def until(self, revision: int, session: int = 1, patience: float = PATIENCE) -> float:
        """Wait until this revision was heard, and say how long that took in seconds."""
        return await until(lambda: revision in self.revisions(session), f"revision {revision}", patience)


@asynccontextmanager
async def at(bus: Bus) -> AsyncIterator[Process]:
    """A process whose bus runs meanwhile; its end must not take longer than a second."""
    process = Process(bus)
    task = asyncio.create_task(bus.run())
    try:
        yield process
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)
        assert task.cancelled(), "the bus did not end"


@asynccontextmanager
async def two(url: str) -> AsyncIterator[tuple[Process, Process, RedisBus, RedisBus]]:
    """Two processes at one Redis, both well, and their buses."""
    one, other = RedisBus(url), RedisBus(url)
    async with at(one) as first, at(other) as second:
        await until(lambda: one.healthy and other.healthy, "both buses' health")
        yield first, second, one, other
