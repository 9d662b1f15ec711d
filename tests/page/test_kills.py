"""The hub is killed under the page time and again, and comes back: so does the page, and no count ever moves."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from time import perf_counter

import pytest
from playwright.async_api import Route

from tests.faults.checker import Log, overlaps, stored
from tests.faults.nodes import LONG
from tests.page.restarting import CLIENT, PEOPLE, Hub, come_back, inside, moves, served, states
from tests.page.windows import DOWN, Windows
from tests.running import START_PATIENCE
from tests.storm import people_counted
from tests.tables import ask

pytestmark = pytest.mark.asyncio(loop_scope="session")

KILLS = 20 if LONG else 5
BURYING = {} if LONG else {"HUB_LEASE_SECONDS": "1"}
"""So that what the dead left behind is closed within the test."""
HELD_SECONDS = 10.0 if LONG else 40.0
"""For how long a killed process's people surely stay: its lease, less the time between two beats."""
STEADY = "const STEADY_AFTER = 5_000;"
STEADY_SECONDS = 5.5
"""A connection that lasted for less lets the next waits grow, up to half a minute."""


async def hasty(route: Route) -> None:
    """The client, for which every connection was a steady one: so that a few kills in a row do not take minutes."""
    answer = await route.fetch()
    text = await answer.text()
    assert STEADY in text or not route.request.url.endswith("hub-line.js")
    await route.fulfill(response=answer, body=text.replace(STEADY, "const STEADY_AFTER = 0;"))


async def settled(hub: Hub, session: int) -> None:
    """Wait until the visits of every dead process are closed: then each person has one, and none at the same time."""
    open_visits = "SELECT user_id FROM session_participants WHERE session_id = ? AND left_at IS NULL ORDER BY user_id"
    async with asyncio.timeout(START_PATIENCE):
        while ask(hub.now.where, open_visits, session) != list(PEOPLE):  # noqa: ASYNC110  tables tell nobody
            await asyncio.sleep(0.05)
    assert people_counted(hub.now.where, session) == []
    assert list(overlaps(stored(hub.now.where), Log(alone=set(PEOPLE)))) == []


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
