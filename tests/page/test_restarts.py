"""The hub goes away under the page and comes back, told to or killed: so does the page, and no count ever moves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import pytest
from playwright.async_api import Route

from tests.faults.checker import Log, overlaps, stored
from tests.faults.nodes import LONG
from tests.page.windows import DOWN, Taken, Window, Windows, begins, count_of
from tests.running import START_PATIENCE, Running, free_port, kill, spawn
from tests.storm import people_counted
from tests.tables import ask

pytestmark = pytest.mark.asyncio(loop_scope="session")

KILLS = 20 if LONG else 5
STATE = "#connection"
PEOPLE = ("ann", "ben")
PATIENT = {} if LONG else {"HUB_LEASE_SECONDS": "60", "HUB_LEAVE_GRACE_SECONDS": "60"}
"""For how long a process is waited for, and who was with it: on a busy machine people may take a while to come back.
The long run is by what is shipped: the client as it is, and the hub as it comes."""
BURYING = {} if LONG else {"HUB_LEASE_SECONDS": "1"}
"""So that what the dead left behind is closed within the test."""
HELD_SECONDS = 10.0 if LONG else 40.0
"""For how long a killed process's people surely stay: its lease, less the time between two beats."""
CLIENT = "**/static/hub-*.js"
STEADY = "const STEADY_AFTER = 5_000;"
STEADY_SECONDS = 5.5
"""A connection that lasted for less lets the next waits grow, up to half a minute."""


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


async def hasty(route: Route) -> None:
    """The client, for which every connection was a steady one: so that a few kills in a row do not take minutes."""
    answer = await route.fetch()
    text = await answer.text()
    assert STEADY in text or not route.request.url.endswith("hub-line.js")
    await route.fulfill(response=answer, body=text.replace(STEADY, "const STEADY_AFTER = 0;"))


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
            await asyncio.sleep(0.02)
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
    assert await moves(session, seen) == []


async def states(window: Window) -> list[str | None]:
    """What the window said of its connection, one after the other."""
    return await window.recorded(STATE)


async def settled(hub: Hub, session: int) -> None:
    """Wait until the visits of every dead process are closed: then each person has one, and none at the same time."""
    open_visits = "SELECT user_id FROM session_participants WHERE session_id = ? AND left_at IS NULL ORDER BY user_id"
    async with asyncio.timeout(START_PATIENCE):
        while ask(hub.now.where, open_visits, session) != list(PEOPLE):  # noqa: ASYNC110  tables tell nobody
            await asyncio.sleep(0.05)
    assert people_counted(hub.now.where, session) == []
    assert list(overlaps(stored(hub.now.where), Log(alone=set(PEOPLE)))) == []


async def test_after_a_restart_both_are_back_without_a_reload_and_the_count_never_moved(
    room: Windows, tmp_path: Path
) -> None:
    async with served(tmp_path) as hub:
        session, seen = await inside(room, hub.now)
        await come_back(hub, session, seen, signal.SIGTERM)
        await never_moved(session, seen)
        for window in seen:
            told = await states(window)
            assert (told[0], told[1], told[-1]) == ("open", "waiting", "open"), told


async def lamed(route: Route) -> None:
    """The client, whose waits never end: it does not come back by itself."""
    answer = await route.fetch()
    text = await answer.text()
    await route.fulfill(response=answer, body=text.replace("setTimeout(", "((..._) => 0)("))


async def test_after_every_kill_both_are_back_the_count_is_right_and_nobody_is_there_twice(
    room: Windows, tmp_path: Path
) -> None:
    async with served(tmp_path) as hub:
        session, seen = await inside(room, hub.now, client=None if LONG else hasty)
        lame = await room.open(hub.now, excused=DOWN, routes={CLIENT: lamed})
        for _ in range(KILLS - 1):
            await asyncio.sleep(STEADY_SECONDS if LONG else 0)  # the client as it is
            begun, before = perf_counter(), await moves(session, seen)
            await come_back(hub, session, seen, signal.SIGKILL)
            if perf_counter() - begun < HELD_SECONDS:  # else the machine was too busy for the hub to hold them
                assert await moves(session, seen) == before
        for window in seen:
            assert (await states(window)).count("open") == KILLS
        assert await lame.page.locator("#connection").get_attribute("data-state") != "open", "the control came back"
        await lame.page.evaluate("dispatchEvent(new Event('online'))")  # its waiting is all that it lacks
        await lame.connected()
        # All that is left of the dead is closed at once by a successor that waits less for them.
        await come_back(hub, session, seen, signal.SIGKILL, **BURYING)
        await settled(hub, session)
        for window in seen:
            await window.counts(session, len(PEOPLE))


async def test_control_a_count_that_moves_for_a_moment_is_recorded(room: Windows, hub: Running) -> None:
    session, seen = await inside(room, hub)
    await (
        seen[0]
        .says(session, "live")
        .evaluate(
            """async node => {
            const before = [...node.childNodes];
            node.replaceChildren("0 here now");
            await Promise.resolve();
            node.replaceChildren(...before);
        }"""
        )
    )
    with pytest.raises(AssertionError, match="0 here now"):
        await never_moved(session, seen)
