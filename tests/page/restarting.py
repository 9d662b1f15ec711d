"""A hub that goes away under the page and comes back, and what two people before it see of that."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.nodes import LONG
from tests.page.windows import DOWN, Taken, Window, Windows, begins, count_of
from tests.running import START_PATIENCE, Running, free_port, kill, spawn
from tests.storm import people_counted
from tests.tables import ask

STATE = "#connection"
PEOPLE = ("ann", "ben")
PATIENT = {} if LONG else {"HUB_LEASE_SECONDS": "60", "HUB_LEAVE_GRACE_SECONDS": "60"}
"""For how long a process is waited for, and who was with it: on a busy machine people may take a while to come back.
The long run is by what is shipped: the client as it is, and the hub as it comes."""
CLIENT = "**/static/hub-*.js"


class Hub:
    """A hub that can be exchanged for its successor, on the same port and file."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self.now: Running

    async def start(self, **settings: str) -> Running:
        """The next process, ready."""
        self.now = await spawn(self._folder, self.port, **{**PATIENT, **settings})
        return self.now

    async def exchange(self, how: signal.Signals, **settings: str) -> None:
        """End it so, and start its successor."""
        await kill(self.now, how)
        await self.start(**settings)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Hub]:
    """A hub until the end."""
    hub = Hub(folder)
    await hub.start(HUB_LEAVE_GRACE_SECONDS="4")  # of which it gives half to come back in
    try:
        yield hub
    finally:
        await kill(hub.now)


async def inside(room: Windows, hub: Running, *, client: Taken | None = None) -> tuple[int, list[Window]]:
    """A session with two people in it, each before its page; what they see is recorded from here on."""
    session: int = (await hub.create())["id"]
    await hub.start(session)
    seen = []
    for person in PEOPLE:
        await hub.book(session, person)
        seen.append(await room.open(hub, person, excused=DOWN, routes={CLIENT: client} if client else {}))
        await seen[-1].visit(session)
        await seen[-1].enter(session)
    for window in seen:
        await window.counts(session, len(PEOPLE))
        await window.names(*PEOPLE)
        await window.record(count_of(session))
        await window.record(STATE, "data-state")
    return session, seen


def newcomers(hub: Hub, session: int, known: set[str]) -> list[tuple[str, str]]:
    """Who is there by a visit that was not known before, and by which connection."""
    query = "SELECT id, user_id, connection_id FROM session_participants WHERE session_id = ? AND left_at IS NULL"
    return [(user, connection) for visit, user, connection in ask(hub.now.where, query, session) if visit not in known]


async def come_back(hub: Hub, session: int, seen: list[Window], how: signal.Signals, **settings: str) -> None:
    """Exchange the hub, and wait until everyone is in again by themselves: each once, by one connection."""
    known = set(ask(hub.now.where, "SELECT id FROM session_participants WHERE session_id = ?", session))
    await hub.exchange(how, **settings)
    async with asyncio.timeout(START_PATIENCE):
        while len(newcomers(hub, session, known)) < len(PEOPLE):  # noqa: ASYNC110  tables tell nobody
            await asyncio.sleep(0.05)
    for window in seen:
        await window.connected()
        await window.counts(session, len(PEOPLE))
        await window.names(*PEOPLE)
    back = newcomers(hub, session, known)
    assert sorted(user for user, _ in back) == sorted(PEOPLE)
    assert len({connection for _, connection in back}) == len(PEOPLE)
    assert people_counted(hub.now.where, session) == []


async def moves(session: int, seen: list[Window]) -> list[str]:
    """Every other count that a window showed, or none, whatever it said of its connection."""
    counts = [text or "nothing" for window in seen for text in await window.recorded(count_of(session))]
    return [text for text in counts if not begins(len(PEOPLE)).match(text)]


async def never_moved(session: int, seen: list[Window]) -> None:
    """No window ever showed another count."""
    moved = await moves(session, seen)
    assert moved == [], moved


async def states(window: Window) -> list[str | None]:
    """What the window said of its connection, one after the other."""
    return await window.recorded(STATE)
