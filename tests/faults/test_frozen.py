"""A process frozen for longer than its lease: the others bury it, and it writes nothing more under that lease."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from tests.faults.checker import stored
from tests.faults.nodes import LONG, SLACK, SWEEP, Nodes, freeze, lease_of, thaw, two, under
from tests.faults.people import Guest, Host, crowd
from tests.faults.unprotected import command
from tests.running import PATIENCE, Running, now
from tests.tables import ask

figures = logging.getLogger("figures")

LEASE, FROZEN = (15.0, 40.0) if LONG else (2.0, 5.5)
"""The short run keeps the proportions."""
STAYS = [f"stays-{number}" for number in range(60)]
LEAVES = [f"leaves-{number}" for number in range(20)]
JOINS = [f"joins-{number}" for number in range(20)]
ELSEWHERE = [f"elsewhere-{number}" for number in range(20)]


@dataclass
class Scene:
    """A process that stood still until it was buried, and who was in it."""

    session: int
    host: Host
    staying: list[Guest]
    leaving: list[asyncio.Future[dict[str, object]]]
    joining: list[Guest]
    answers: list[asyncio.Task[None]]
    lease: str
    visits: list[tuple[object, ...]]
    """What was recorded under that lease once it was buried."""


async def buried(nodes: Nodes, frozen: Running, other: Running, seconds: float) -> Scene:
    """Freeze a process, for so many `seconds` at least; meanwhile people leave and join in it, as far as they know."""
    session = await nodes.furnish([*STAYS, *LEAVES, *JOINS, *ELSEWHERE])
    host = await nodes.host(other, session)
    inside = await nodes.guests(frozen, session, [*STAYS, *LEAVES])
    await nodes.guests(other, session, ELSEWHERE)
    joining = [Guest(nodes.log, session, person) for person in JOINS]
    nodes.log.alone.update(JOINS)
    await crowd(guest.connect(frozen.port) for guest in joining)
    await host.until_live(len(STAYS + LEAVES + ELSEWHERE))
    lease = lease_of(nodes.where, inside[0].stay.visit)
    at = now()
    await freeze(frozen)
    for guest in inside:
        guest.stay.end("node_lost", at=at, early=nodes.beat + SLACK)
    leaving = [guest.socket.begin(type="leave", session=session) for guest in inside[len(STAYS) :]]
    answers = [asyncio.create_task(guest.enter()) for guest in joining]
    await host.until_live(len(ELSEWHERE), nodes.lease + SWEEP + 2)
    after = (now() - at).total_seconds()
    figures.info("frozen for %.1f s, on a lease of %g s: buried after %.1f s", max(seconds, after), nodes.lease, after)
    visits = under(nodes.where, lease)
    await asyncio.sleep(max(0.0, seconds - after))  # the fault itself
    thaw(frozen)
    return Scene(session, host, inside[: len(STAYS)], leaving, joining, answers, lease, visits)


async def come_back(guest: Guest, ports: list[int]) -> int | None:
    """Wait for the end of the socket, then as long as it was told to, and join again: the close code."""
    async with asyncio.timeout(2 * PATIENCE):
        code = await guest.socket.closed
    await asyncio.sleep(guest.socket.reconnect_in or 0)
    await guest.join_any(ports)
    return code


async def turned_away(guest: Guest, answer: asyncio.Task[None]) -> None:
    """A join that waited in the frozen process: refused, or let in under its new lease and then sent home."""
    await asyncio.gather(answer, return_exceptions=True)
    await guest.socket.closed
    if not answer.exception():
        guest.stay.end("disconnected", early=1.0)


async def test_a_process_that_was_frozen_for_too_long_gives_up_its_sockets_and_its_lease(nodes: Nodes) -> None:
    nodes.lease, nodes.grace = LEASE, 2.0
    async with two(nodes) as (frozen, other):
        scene = await buried(nodes, frozen, other, FROZEN)
        began = now()
        back = [come_back(guest, [frozen.port, other.port]) for guest in scene.staying]
        away = [turned_away(guest, answer) for guest, answer in zip(scene.joining, scene.answers, strict=True)]
        _, codes = await asyncio.gather(asyncio.gather(*away), asyncio.gather(*back))
        all_back = (now() - began).total_seconds()
        await asyncio.gather(*scene.leaving, return_exceptions=True)
        assert set(codes) == {1012}
        await scene.host.until_live(len(STAYS + ELSEWHERE))
        assert await nodes.until_well() == []
        assert under(nodes.where, scene.lease) == scene.visits
        alive = set(ask(nodes.where, "SELECT id FROM nodes WHERE state = 'alive'"))
        assert (len(alive), scene.lease in alive) == (2, False)
        assert {row.node for row in stored(nodes.where) if row.left is None} == alive
    figures.info("all %d back %.1f s after the thaw; writes under the old lease: 0", len(codes), all_back)


async def test_without_its_fence_a_process_that_was_frozen_goes_on_writing_under_the_lease_it_lost(
    nodes: Nodes,
) -> None:
    nodes.lease = 1.0
    async with two(nodes, command("fence")) as (frozen, other):
        scene = await buried(nodes, frozen, other, 0)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*scene.answers)
        assert len(under(nodes.where, scene.lease)) == len(scene.visits) + len(JOINS)
        assert not any(guest.socket.closed.done() for guest in scene.staying)
        assert nodes.findings() != []
