"""A rolling restart under a thousand sockets: everyone is told when to come back, and nobody is seen leaving."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.checker import stored
from tests.faults.nodes import LONG, Nodes, two
from tests.faults.people import Guest
from tests.running import PATIENCE, Running, kill

figures = logging.getLogger("figures")

PEOPLE = [f"p-{number}" for number in range(3000 if LONG else 1000)]
IMPATIENT = PEOPLE[:200]
LATE_READ = 2.0
"""Seconds that a close may wait to be read here, where all of them come at once."""
GRACE = 10.0 if LONG else 8.0
CROWDED = 0.25
"""More than this share of those who come back, within a tenth of the time they are told to spread over, is a rush."""


@dataclass
class Returns:
    """How people were sent home, and when they were due to knock again."""

    codes: list[int | None] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)

    async def of(self, guest: Guest, ports: Sequence[int], *, obeys: bool = True) -> None:
        """Come back whenever the socket is closed, when told to if one `obeys`: to the first port where somebody is."""
        while True:
            self.codes.append(await asyncio.shield(guest.socket.closed))
            guest.stay.end("disconnected", early=LATE_READ)
            assert guest.socket.reconnect_in is not None
            # When it is due, not when it was its turn in a loop that may have had no core: those would come together.
            due = asyncio.get_running_loop().time() + (guest.socket.reconnect_in if obeys else 0.0)
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            self.moments.append(due)
            await guest.join_any(ports)


def rush(moments: Sequence[float], window: float) -> float:
    """The largest share of them that lies within a tenth of `window` seconds."""
    tenth = window / 10
    return max(sum(first <= one < first + tenth for one in moments) for first in moments) / len(moments)


async def restart(nodes: Nodes, node: Running) -> Running:
    """SIGTERM, and a successor on its port as soon as it is gone."""
    assert await kill(node, signal.SIGTERM) in (0, -signal.SIGTERM)
    return await nodes.start(node.port)


async def all_back(guests: Sequence[Guest], returns: Returns, times: int) -> list[float]:
    """Wait until so many were sent home, and everyone is there again; when they knocked, and it is forgotten."""
    async with asyncio.timeout(3 * PATIENCE):
        while True:
            if len(returns.moments) >= times and not any(guest.stay.ended for guest in guests):
                moments, returns.moments = returns.moments, []
                return moments
            await asyncio.sleep(0.05)


async def stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End those who would come back for ever; what one of them raised is raised here."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


async def test_a_rolling_restart_of_two_processes_is_seen_by_nobody(nodes: Nodes) -> None:
    nodes.interval, nodes.grace = 1000, GRACE
    returns = Returns()
    async with two(nodes) as (first, second):
        ports, half = [first.port, second.port], len(PEOPLE) // 2
        session = await nodes.furnish(PEOPLE)
        host = await nodes.host(second, session)
        halves = ((first, PEOPLE[:half]), (second, PEOPLE[half:]))
        joined = await asyncio.gather(*(nodes.guests(node, session, people) for node, people in halves))
        guests = [*joined[0], *joined[1]]
        await host.until_live(len(PEOPLE))
        since, told = {row.person: row.since for row in stored(nodes.where)}, len(host.lives)
        tasks = [asyncio.create_task(returns.of(guest, ports)) for guest in guests]
        tasks.append(asyncio.create_task(host.keep_watching(ports)))
        await restart(nodes, first)
        rounds = [await all_back(guests, returns, half)]
        moving = sum(guest.port == second.port for guest in guests)
        await restart(nodes, second)
        rounds.append(await all_back(guests, returns, moving))
        assert await nodes.until_well(nodes.grace + PATIENCE) == []
        await stop(tasks)
    assert {*returns.codes, *host.codes} == {1012}
    assert set(host.lives[told:]) == {len(PEOPLE)}
    assert host.left == []
    assert {row.person: row.since for row in stored(nodes.where)} == since  # nobody's presence began anew
    for moments in rounds:
        share = rush(moments, nodes.grace / 2)
        spread = max(moments) - min(moments)
        figures.info("%d back over %.1f s, at most %.0f %% in a tenth", len(moments), spread, 100 * share)
        assert share < CROWDED


async def test_those_who_do_not_wait_as_long_as_they_are_told_come_back_in_a_rush(nodes: Nodes) -> None:
    returns = Returns()
    async with two(nodes) as (first, second):
        session = await nodes.furnish(IMPATIENT)
        guests = await nodes.guests(first, session, IMPATIENT)
        tasks = [asyncio.create_task(returns.of(guest, [second.port], obeys=False)) for guest in guests]
        await kill(first, signal.SIGTERM)
        moments = await all_back(guests, returns, len(IMPATIENT))
        await stop(tasks)
    assert rush(moments, nodes.grace / 2) > CROWDED
