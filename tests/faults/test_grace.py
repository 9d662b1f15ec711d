"""People whose socket dropped, and whose process then ends before their grace does: they left when they dropped."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import Sequence
from datetime import datetime

from tests.faults.checker import LATE, stored
from tests.faults.nodes import SERVE, SLACK, Nodes, two
from tests.faults.people import Guest, Host
from tests.faults.unprotected import command
from tests.running import kill, now

figures = logging.getLogger("figures")

DROPPED = [f"dropped-{number}" for number in range(40)]
STAYED = [f"stayed-{number}" for number in range(10)]
BACK = [f"back-{number}" for number in range(10)]
OVER_SECONDS = 2.0
LEASE = 2.0


async def drop_one_by_one(guests: Sequence[Guest]) -> None:
    """Over some seconds, as on a bad line; the first and the last at either end of them."""
    chance = random.Random(5)
    moments = sorted([0.0, OVER_SECONDS, *(chance.uniform(0, OVER_SECONDS) for _ in guests[2:])])
    began = asyncio.get_running_loop().time()
    for guest, moment in zip(guests, moments, strict=True):
        await asyncio.sleep(began + moment - asyncio.get_running_loop().time())  # the fault itself
        await guest.drop()


def may_be_unnoted(nodes: Nodes, guests: Sequence[Guest], killed: datetime) -> None:
    """Who dropped since the last beat before the kill may be recorded as of that beat."""
    for guest in guests:
        assert guest.stay.ended is not None
        if (killed - guest.stay.ended).total_seconds() < nodes.beat + SLACK:
            guest.stay.reasons, guest.stay.early = ("disconnected", "node_lost"), nodes.beat + SLACK


async def ends_under_them(
    nodes: Nodes, how: signal.Signals, serve: Sequence[str] = SERVE
) -> tuple[list[str], Host, list[float]]:
    """A process ends while people are in their grace, and some come back to the other one in time.

    What the checker finds, who looked on, and by how many seconds the ends of those who dropped are recorded late.
    """
    async with two(nodes, serve) as (ending, other):
        session = await nodes.furnish([*DROPPED, *STAYED, *BACK])
        host = await nodes.host(other, session)
        guests = await nodes.guests(ending, session, [*DROPPED, *BACK, *STAYED])
        dropping, staying = guests[: -len(STAYED)], guests[-len(STAYED) :]
        await host.until_live(len(guests))
        random.Random(7).shuffle(dropping)
        await drop_one_by_one(dropping)
        killed = now()
        ended = asyncio.create_task(kill(ending, how))
        for guest in staying:
            await guest.socket.closed
            guest.stay.end("disconnected")
        if how is signal.SIGKILL:
            may_be_unnoted(nodes, dropping, killed)
            for guest in staying:
                guest.stay.reasons, guest.stay.early = ("node_lost",), nodes.beat + SLACK
        await ended
        await nodes.guests(other, session, BACK)
        await host.until_live(len(BACK))
        wrong = await nodes.until_well(1.0)
    truth = {guest.stay.visit: guest.stay.ended for guest in dropping}
    return (
        wrong,
        host,
        [(row.left - at).total_seconds() for row in stored(nodes.where) if (at := truth.get(row.visit)) and row.left],
    )


async def test_who_dropped_before_their_process_was_killed_left_when_they_dropped(nodes: Nodes) -> None:
    nodes.lease, nodes.grace = LEASE, 8.0
    wrong, host, errors = await ends_under_them(nodes, signal.SIGKILL)
    assert wrong == []
    assert sorted(host.left) == sorted([*DROPPED, *STAYED])
    figures.info("killed: those who dropped are recorded %+.2f to %+.2f s from when they did", min(errors), max(errors))


async def test_who_dropped_before_their_process_was_stopped_left_when_they_dropped(nodes: Nodes) -> None:
    nodes.lease, nodes.grace = LEASE, 4.0
    wrong, host, errors = await ends_under_them(nodes, signal.SIGTERM)
    assert wrong == []
    assert sorted(host.left) == sorted([*DROPPED, *STAYED])
    figures.info(
        "stopped: those who dropped are recorded %+.2f to %+.2f s from when they did", min(errors), max(errors)
    )


async def test_where_drops_are_not_noted_they_are_recorded_as_of_the_last_beat_of_their_process(nodes: Nodes) -> None:
    nodes.lease, nodes.grace = LEASE, 8.0
    wrong, _, errors = await ends_under_them(nodes, signal.SIGKILL, command("notes"))
    assert any("ended by node_lost, not by disconnected" in finding for finding in wrong)
    assert max(errors) > LATE
