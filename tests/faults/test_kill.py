"""kill -9 in the middle of everything, again and again on one file: what was acknowledged is there, nobody else is.

The test keeps its own log of what was acknowledged, and compares it with the tables by stdlib sqlite3.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.running import PATIENCE, Client, Running, free_port, kill, now, spawn, token
from tests.storm import Line, people_counted, seats_sold_once, tokens
from tests.tables import Where, ask, instant, tables

figures = logging.getLogger("figures")

KILLS = 60 if os.environ.get("HUB_TEST_LONG") == "1" else 20
SETTINGS = {"HUB_LEASE_SECONDS": "1", "HUB_LEAVE_GRACE_SECONDS": "0.5"}
BEAT = 1 / 3
SLACK = 1.0
"""Seconds that a beat may be late on a busy machine."""
SEATS = 5


@dataclass
class Log:
    """What was acknowledged, and when the process was killed that was there for it."""

    booked: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    asked_to_cancel: set[str] = field(default_factory=set)
    joined: dict[str, int] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    kills: list[datetime] = field(default_factory=list)
    writes: int = 0
    wanted: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def life(self) -> int:
        """Which process it is, from 0."""
        return len(self.kills)

    def wrote(self) -> None:
        """One more is acknowledged."""
        self.writes += 1
        if self.writes >= self.wanted:
            self.enough.set()

    async def more(self, writes: int) -> None:
        """Wait for so many more."""
        self.wanted = self.writes + writes
        self.enough.clear()
        async with asyncio.timeout(PATIENCE):
            await self.enough.wait()


def lost(where: Where, log: Log) -> list[str]:
    """What was acknowledged and is not so on disk."""
    bookings = dict(ask(where, "SELECT id, status FROM session_bookings"))
    wrong = [f"booking {one} is lost" for one in log.booked - bookings.keys()]
    wrong += [
        f"booking {one} is {bookings[one]}" for one in log.cancelled & bookings.keys() if bookings[one] != "cancelled"
    ]
    kept = (log.booked - log.asked_to_cancel) & bookings.keys()
    wrong += [f"booking {one} is {bookings[one]}" for one in kept if bookings[one] != "confirmed"]
    visits = dict(ask(where, "SELECT id, reason FROM session_participants"))
    wrong += [f"visit {one} is lost" for one in log.joined.keys() - visits.keys()]
    wrong += [f"visit {one} was left, but {visits[one]}" for one in log.left & visits.keys() if visits[one] != "left"]
    return wrong


def ghosts(where: Where, log: Log) -> list[str]:
    """Visits that are open, or that ended at another time than their process did."""
    wrong = [f"visit {one} is open" for one in ask(where, "SELECT id FROM session_participants WHERE left_at IS NULL")]
    for one, reason, error in ends(where, log):
        if reason != "node_lost":
            wrong.append(f"visit {one} ended by {reason}")
        if not -0.01 <= error <= BEAT + SLACK:
            wrong.append(f"visit {one} ended {error:.2f} s before the kill")
    return wrong


def ends(where: Where, log: Log) -> list[tuple[str, str, float]]:
    """Of each visit that its process did not survive: id, reason, and how many seconds before the kill it ends."""
    rows = ask(where, "SELECT id, joined_at, left_at, reason FROM session_participants WHERE left_at IS NOT NULL")
    return [
        (one, reason, (log.kills[log.joined[one]] - instant(left_at)).total_seconds())
        for one, joined_at, left_at, reason in rows
        if one in log.joined and reason != "left" and log.joined[one] < len(log.kills)
    ]


async def books_for_others(hub: Running, log: Log, session: int, name: str) -> None:
    """A booking for a new person after the other."""
    async with Line.to(hub.port) as line:
        number = 0
        while True:
            number += 1
            answer = await line.ask("POST", f"/{session}/book", token(f"{name}-{number}"))
            assert answer.status == 201, answer
            log.booked.add(answer.body["data"]["id"])
            log.wrote()


async def changes_mind(hub: Running, log: Log, session: int, bearer: str) -> None:
    """Book and cancel, of very few seats."""
    mine: str | None = None
    async with Line.to(hub.port) as line:
        while True:
            answer = await line.ask("POST", f"/{session}/book", bearer)
            if answer.status == 201:
                mine = answer.body["data"]["id"]
                log.booked.add(mine)
                log.wrote()
            elif answer.what == "409 already_booked":
                mine = answer.body["booking"]["id"]
            else:
                assert answer.what == "409 session_full", answer
                continue
            log.asked_to_cancel.add(mine)
            answer = await line.ask("DELETE", f"/{session}/book", bearer)
            assert answer.status == 200, answer
            log.cancelled.add(answer.body["data"]["id"])
            log.wrote()


async def comes_and_goes(hub: Running, log: Log, session: int, bearer: str, stays: bool) -> None:
    """Join and leave; one who stays joins and is there."""
    life = log.life  # of this process, though the last of its answers may be read after its end
    headers = {"Authorization": f"Bearer {bearer}"}
    async with Client.with_headers(hub, headers) as client:
        while True:
            joined = await client.ask(type="join", session=session)
            log.joined[joined["participant"]] = life
            log.wrote()
            if stays:
                await client.socket.wait_closed()
                return
            assert (await client.ask(type="leave", session=session))["type"] == "ok"
            log.left.add(joined["participant"])
            log.wrote()
            client.heard.clear()


async def until_killed(work: Coroutine[Any, Any, None]) -> None:
    """Go on until the process is gone."""
    with suppress(OSError, EOFError, ConnectionClosed):
        await work


@dataclass
class Place:
    """Where it all happens: one session with room for all, one with hardly any."""

    wide: int
    narrow: int


async def one_life(hub: Running, log: Log, place: Place, writes: int) -> float:
    """Load the process, kill it after so many acknowledged writes; how many there were in a second."""
    life = log.life
    people = tokens([*(f"visitor-{n}" for n in range(12)), *(f"fickle-{n}" for n in range(8))])
    visitors, fickle = list(people.values())[:12], list(people.values())[12:]
    works = [
        *(books_for_others(hub, log, place.wide, f"new-{life}-{n}") for n in range(8)),
        *(changes_mind(hub, log, place.narrow, bearer) for bearer in fickle),
        *(comes_and_goes(hub, log, place.wide, bearer, n < 4) for n, bearer in enumerate(visitors)),
    ]
    tasks = [asyncio.create_task(until_killed(work)) for work in works]
    await log.more(20)  # everyone is at it
    began = asyncio.get_running_loop().time()
    await log.more(writes)
    seconds = asyncio.get_running_loop().time() - began
    log.kills.append(now())
    await kill(hub)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks)
    return writes / seconds


async def furnish(hub: Running, log: Log) -> Place:
    """The two sessions, and seats for the visitors."""
    place = Place((await hub.create(rosterVisibility="host"))["id"], (await hub.create(maxParticipants=SEATS))["id"])
    async with Line.to(hub.port) as line:
        for bearer in tokens(f"visitor-{n}" for n in range(12)).values():
            answer = await line.ask("POST", f"/{place.wide}/book", bearer)
            log.booked.add(answer.body["data"]["id"])
    return place


async def test_after_every_kill_what_was_acknowledged_is_there_and_in_the_end_nobody_else_is(tmp_path: Path) -> None:
    log, chance, port, rates = Log(), random.Random(9), free_port(), []
    hub = await spawn(tmp_path, port, **SETTINGS)
    try:
        place = await furnish(hub, log)
        for _ in range(KILLS):
            rates.append(await one_life(hub, log, place, chance.randint(100, 300)))
            assert lost(hub.where, log) == []
            hub = await spawn(tmp_path, port, **SETTINGS)
        async with Client.at(hub) as watcher:
            await watcher.ask(type="watch", sessions=[place.wide])
            await watcher.expect("session", live=0)
    finally:
        await kill(hub)
    where = hub.where
    assert lost(where, log) == []
    assert ghosts(where, log) == []
    assert ask(where, "PRAGMA integrity_check") == ["ok"]
    assert ask(where, "SELECT id FROM session_participants WHERE left_at < joined_at") == []
    for session in (place.wide, place.narrow):
        assert seats_sold_once(where, session) + people_counted(where, session) == []
    errors = [error for _, _, error in ends(where, log)]
    assert len(errors) >= 4 * KILLS
    figures.info("%d writes, %.0f a second", log.writes, sum(rates) / len(rates))
    figures.info("visits end %.3f to %.3f s before the kill", min(errors), max(errors))
    the_check_notices(where, log)


def the_check_notices(where: Where, log: Log) -> None:
    """The negative control: the same checks, after each of the losses that they are there for."""
    booking, visit = next(iter(log.booked - log.asked_to_cancel)), next(iter(log.left))
    lost_one = ends(where, log)[0][0]
    with tables(where) as connection:
        connection.execute("DELETE FROM session_bookings WHERE id = ?", (booking,))
        assert lost(where, log) == [f"booking {booking} is lost"]
        connection.execute("UPDATE session_participants SET left_at = NULL, reason = NULL WHERE id = ?", (visit,))
        assert ghosts(where, log) == [f"visit {visit} is open"]
        assert lost(where, log)[1:] == [f"visit {visit} was left, but None"]
        connection.execute("UPDATE session_participants SET left_at = '2125-01-01' WHERE id = ?", (lost_one,))
        assert len(ghosts(where, log)) == 2
        connection.execute("DELETE FROM session_participants WHERE id = ?", (lost_one,))
        assert f"visit {lost_one} is lost" in lost(where, log)
