"""A process dies of SIGKILL: the others close its visits at its last beat, and nobody who came back is seen leaving."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from tests.faults.checker import ghosts, stored
from tests.faults.nodes import LONG, Nodes, lease_of, two
from tests.faults.people import Guest, crowd
from tests.faults.unprotected import command
from tests.running import kill, now

figures = logging.getLogger("figures")

PEOPLE = [f"p-{number}" for number in range(4000 if LONG else 1000)]
DYING, STAYING = PEOPLE[::2], PEOPLE[1::2]
BACK, GONE = DYING[::2], DYING[1::2]
TRUE_WITHIN = 20.0

MOST_EARLY = 5.0
"""Seconds by which the end of a visit may be recorded too early when its process dies, on a lease of 15 s."""


def lost(guests: list[Guest], at: datetime, early: float) -> None:
    """Their process died then: their visits end at its last beat, `early` by so many seconds at most."""
    for guest in guests:
        guest.stay.end("node_lost", at=at, early=early)


async def test_when_one_of_two_processes_is_killed_the_other_soon_shows_who_is_really_there(nodes: Nodes) -> None:
    nodes.interval = 1000
    async with two(nodes) as (dying, surviving):
        session = await nodes.furnish(PEOPLE)
        host = await nodes.host(surviving, session)
        began = asyncio.get_running_loop().time()
        doomed, _ = await asyncio.gather(nodes.guests(dying, session, DYING), nodes.guests(surviving, session, STAYING))
        await host.until_live(len(PEOPLE))
        joined = asyncio.get_running_loop().time() - began
        node_id = lease_of(nodes.where, doomed[0].stay.visit)
        killed = now()
        await kill(dying)
        lost(doomed, killed, MOST_EARLY)
        await crowd(guest.socket.closed for guest in doomed)
        await nodes.guests(surviving, session, BACK)
        assert len(nodes.log.stays) == len(PEOPLE) + len(BACK)
        await host.until_live(len(PEOPLE) - len(GONE), TRUE_WITHIN)
        true_after = (now() - killed).total_seconds()
        assert true_after <= TRUE_WITHIN
        assert await nodes.until_well() == []
        assert sorted(host.left) == sorted(GONE)
        assert sorted(host.joined) == sorted(PEOPLE)
    ended = [row for row in stored(nodes.where) if row.node == node_id]
    assert len(ended) == len(DYING)
    errors = [(killed - row.left).total_seconds() for row in ended if row.left]
    figures.info("%d joined in %.1f s; true %.1f s after the kill", len(PEOPLE), joined, true_after)
    figures.info("visits end %.2f to %.2f s before the kill", min(errors), max(errors))


async def test_without_a_reaper_the_visits_of_a_killed_process_stay_open_and_the_checker_says_so(nodes: Nodes) -> None:
    nodes.lease = 1.0
    async with two(nodes, command("reaper")) as (dying, surviving):
        session = await nodes.furnish(["ann", "ben"])
        host = await nodes.host(surviving, session)
        (ann,) = await nodes.guests(dying, session, ["ann"])
        await nodes.guests(surviving, session, ["ben"])
        await host.until_live(2)
        assert nodes.findings() == []
        await kill(dying)
        lost([ann], now(), MOST_EARLY)
        await asyncio.sleep(nodes.patience["alive"] + nodes.beat)  # the fault itself: nobody cares all this time
        assert [wrong.partition(" under ")[0] for wrong in ghosts(nodes.where, nodes.patience)] == [
            f"visit {ann.stay.visit} is open"
        ]
        assert f"visit {ann.stay.visit} of ann ended, and is open" in nodes.findings()
