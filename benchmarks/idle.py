"""What a connection weighs that does nothing: resident bytes of the server for each, watching or joined."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import seeding, servers, table
from benchmarks.bookings import end
from benchmarks.machine import KB, Cores, at_rest, facts, resident
from benchmarks.servers import Server, Stores, token
from benchmarks.sockets import Socket, close, each

CONNECTIONS = 4_000
WARM = 200
"""Connections that come and go, then others that stay: neither what is allocated once nor what was free is counted."""
WATCHING_KB = 9.0
JOINED_KB = 12.0
HEADER = ("", "connections", "before KB", "after KB", "KB each", "second half KB each")
NOTES = (
    "KB: 1,024 bytes of the server's resident size (VmRSS), when it is at rest; before: with 200 in place,",
    "  which fill what 200 others before them had freed. Each kind has a server process of its own. What the kernel",
    "  keeps for a socket is no process's, and not in it.",
    "bare: a uvloop transport after the handshake. watching: welcomed, and told the state of one session.",
    "joined: each another person with a confirmed seat, present in one session, with all that is kept of a person.",
    "second half: the growth from half of the connections to all, as a check that it is in proportion.",
)
Come = Callable[[int], Awaitable[Socket]]


@dataclass(frozen=True)
class Growth:
    """Resident bytes before, with half of the connections, and with all."""

    connections: int
    before: int
    half: int
    after: int

    @property
    def each(self) -> float:
        """KB for each connection."""
        return (self.after - self.before) / KB / self.connections

    def row(self, name: str) -> tuple[str, ...]:
        """Its line in the table."""
        rest = self.connections - self.connections // 2
        sizes = (f"{size // KB:,}" for size in (self.before, self.after))
        return name, f"{self.connections:,}", *sizes, f"{self.each:.2f}", f"{(self.after - self.half) / KB / rest:.2f}"


async def run(
    folder: Path, stores: Stores, cores: Cores, connections: int, at_once: int, say: Callable[[str], None]
) -> str:
    """The report."""
    say(f"idle: {connections:,} confirmed seats")
    early = [f"early-{number}" for number in range(min(WARM, connections))]
    people = [f"student-{number}" for number in range(connections)]
    warm, session = await seeding.running_sessions(stores, [early, [*early, *people]])
    say(f"idle: {connections:,} bare")
    with servers.bare(folder, cores) as server:
        close(await each(len(early), at_once, _bare(server)))
        bare = await _growth(server, _bare(server), connections, at_once, say)
    say(f"idle: {connections:,} watch")
    with servers.hub(folder, cores, stores) as server:
        close(await each(len(early), at_once, _watching(server, warm)))
        watching = await _growth(server, _watching(server, session), connections, at_once, say)
    say(f"idle: {connections:,} join")
    with servers.hub(folder, cores, stores) as server:
        gone = await each(len(early), at_once, _joined(server, warm, early))
        await asyncio.to_thread(end, server, warm, len(early))
        close(gone)
        joined = await _growth(server, _joined(server, session, [*early, *people]), connections, at_once, say)
    rows = [bare.row("bare"), watching.row("watching"), joined.row("joined")]
    verdicts = [
        table.at_most("a watching connection", watching.each, WATCHING_KB, "KB", bare.each),
        table.at_most("a joined participant", joined.each, JOINED_KB, "KB", bare.each),
    ]
    title = f"{connections:,} idle connections, {stores.kind}"
    return table.report(title, facts(cores), rows, verdicts, *NOTES, header=HEADER)


def _bare(server: Server) -> Come:
    return lambda _: Socket.open(server.port, welcome=False)


def _watching(server: Server, session: int) -> Come:
    return lambda _: Socket.watching(server.port, session)


def _joined(server: Server, session: int, people: list[str]) -> Come:
    async def come(number: int) -> Socket:
        socket = await Socket.open(server.port)
        await socket.enter(token(people[number]), session)
        return socket

    return come


async def _growth(server: Server, come: Come, connections: int, at_once: int, say: Callable[[str], None]) -> Growth:
    """What each half of the connections adds to those of the warm-up."""
    first, half = min(WARM, connections), connections // 2
    sizes, sockets = [], []
    for begin, stop in ((0, first), (first, first + half), (first + half, first + connections)):
        sockets += await each(stop - begin, at_once, partial(_from, come, begin))
        await at_rest(server.pid)
        sizes.append(resident(server.pid))
        say(f"idle: {stop:,} are there")
    close(sockets)
    return Growth(connections, *sizes)


def _from(come: Come, first: int, number: int) -> Awaitable[Socket]:
    return come(first + number)
