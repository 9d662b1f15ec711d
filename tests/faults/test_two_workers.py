"""Two workers at one address: a session spans both, and one of them is killed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection

from tests.faults.checker import stored
from tests.faults.nodes import SLACK, Nodes, pid, together
from tests.faults.people import Guest
from tests.processes import family, processes
from tests.running import PATIENCE, kill, now
from tests.tables import ask

figures = logging.getLogger("figures")

PEOPLE = [f"p-{number}" for number in range(100)]
LATER = [f"later-{number}" for number in range(40)]


async def until(true: Callable[[], bool]) -> None:
    """Wait for what nobody tells us of."""
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            if true():
                return
            await asyncio.sleep(0.05)


def workers(supervisor: int) -> list[int]:
    """The processes that it keeps, oldest first, without those that have ended."""
    there = processes()
    return sorted(child for child in family(supervisor) if there.get(child, "Z")[0] != "Z")


def leases(nodes: Nodes) -> int:
    """How many processes live."""
    return len(ask(nodes.where, "SELECT id FROM nodes WHERE state = 'alive'"))


async def kill_one(nodes: Nodes, supervisor: int, guests: list[Guest], shares: Collection[int]) -> list[Guest]:
    """SIGKILL to one of two workers, which have these shares of the guests; those who were in it."""
    doomed, _ = workers(supervisor)
    at = now()
    os.kill(doomed, signal.SIGKILL)
    await until(lambda: sum(guest.socket.closed.done() for guest in guests) in shares)
    gone = [guest for guest in guests if guest.socket.closed.done()]
    for guest in gone:
        guest.stay.end("node_lost", at=at, early=nodes.beat + SLACK)
    return gone


async def test_a_session_spans_two_workers_and_one_that_is_killed_is_replaced(nodes: Nodes) -> None:
    nodes.lease = 6.0
    async with together(nodes):
        node = await nodes.start(HUB_WORKERS="2")
        supervisor = pid(node)
        await until(lambda: len(workers(supervisor)) == leases(nodes) == 2)
        session = await nodes.furnish([*PEOPLE, *LATER])
        host = await nodes.host(node, session)
        watching = asyncio.create_task(host.keep_watching([node.port]))
        guests = await nodes.guests(node, session, PEOPLE)
        await host.until_live(len(PEOPLE))
        shares = Counter(row.node for row in stored(nodes.where))
        assert len(shares) == 2
        assert min(shares.values()) >= len(PEOPLE) / 10
        before = workers(supervisor)
        gone = await kill_one(nodes, supervisor, guests, shares.values())
        back = [guest.person for guest in gone[::2]]
        await nodes.guests(node, session, back)
        await host.until_live(len(PEOPLE) - len(gone) + len(back))
        assert not set(back) & set(host.left)
        await until(lambda: len(workers(supervisor)) == leases(nodes) == 2)
        assert len(set(workers(supervisor)) & set(before)) == 1
        await nodes.guests(node, session, LATER)
        assert len({row.node for row in stored(nodes.where) if row.person in LATER} - shares.keys()) == 1
        assert await nodes.until_well() == []
        watching.cancel()
        assert await kill(node, signal.SIGTERM) in (0, -signal.SIGTERM)
    figures.info("%s by worker; %d were in the killed one, %d came back", list(shares.values()), len(gone), len(back))
