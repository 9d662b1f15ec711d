"""What it costs to let someone in: a watching connection against a bare handshake, and a join on an open socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import seeding, servers, table
from benchmarks.bookings import end
from benchmarks.machine import Cores, Cost, Meter, at_rest, facts
from benchmarks.people import Person, Wire, go_home
from benchmarks.servers import Server, Stores, token
from benchmarks.sockets import Socket, close, each

PEOPLE = 1_000
WARM = 100
CONNECT_US = 300.0
CONNECT_RATIO = 3.0
JOIN_US = 600.0
HEADER = ("", "per second", "p50 ms", "p99 ms", "CPU µs each", "frames each", "server busy", "client busy")
NOTES = (
    "bare handshake: websockets' sans-I/O protocol on a uvloop transport, which reads the request, checks what RFC",
    "  6455 §4.2.1 asks for and answers 101, and nothing else. bare answer: the accept key, nothing read or checked.",
    "  Until the 101 is there. They do less than the client must: the rates are its own, their CPU is a baseline.",
    "connect and watch: connect, upgrade, `welcome`, `watch`, `ok`, `session`.",
    "auth and join: a `hub.client` that was welcomed says `auth` with a fresh token, after its `ok` `join`, stored,",
    "  `ok`: another person each, all into one session, with what those who joined before are told meanwhile.",
    "CPU is the server's, all threads, so SQLite's is in it; that of PostgreSQL and Redis, other processes, is not.",
    "Each connection is closed outside the clock. Bare and hub take turns; the figures are medians of turns.",
)


@dataclass(frozen=True)
class Turn:
    """What one turn has shown: how long each took in seconds, sorted, and the frames that they got."""

    took: Sequence[float]
    frames: int
    cost: Cost

    @property
    def each(self) -> float:
        """The server's CPU seconds for one."""
        return self.cost.each(len(self.took))


@dataclass
class Turns:
    """The turns of each kind."""

    answer: list[Turn] = field(default_factory=list)
    bare: list[Turn] = field(default_factory=list)
    watch: list[Turn] = field(default_factory=list)
    join: list[Turn] = field(default_factory=list)


@dataclass(frozen=True)
class Session:
    """One that runs, and those with a seat in it."""

    id: int
    people: Sequence[str]


async def run(
    folder: Path,
    stores: Stores,
    cores: Cores,
    people: int,
    at_once: int,
    rounds: int,
    say: Callable[[str], None],
) -> str:
    """The report. Turns alternate: bare, hub, bare, hub, bare."""
    say(f"connect: {people:,} confirmed seats for each of {rounds} rounds")
    names = [[f"student-{turn}-{number}" for number in range(people)] for turn in range(rounds)]
    rooms = [[f"early-{number}" for number in range(min(WARM, people))], *names]
    ids = await seeding.running_sessions(stores, rooms)
    warm, *sessions = [Session(session, there) for session, there in zip(ids, rooms, strict=True)]
    turns = Turns()
    with (
        servers.bare(folder, cores) as floor,
        servers.bare(folder, cores, checked=True) as bare,
        servers.hub(folder, cores, stores) as hub,
    ):
        await _round(Turns(), (floor, bare, hub), warm, at_once)
        for number, session in enumerate(sessions):
            say(f"connect, round {number + 1} of {rounds}: bare; watch; join")
            await _round(turns, (floor, bare, hub), session, at_once)
        turns.bare.append(await _bare(bare, people, at_once))
    rows = [
        _row("bare answer", turns.answer),
        _row("bare handshake", turns.bare),
        _row("connect and watch", turns.watch),
        _row("auth and join", turns.join),
    ]
    title = f"{people:,} people come, {at_once} on their way at once, {stores.kind}"
    return table.report(title, facts(cores), rows, _verdicts(turns), *NOTES, header=HEADER)


async def _round(turns: Turns, those: tuple[Server, Server, Server], session: Session, at_once: int) -> None:
    people = len(session.people)
    floor, bare, hub = those
    turns.answer.append(await _bare(floor, people, at_once))
    turns.bare.append(await _bare(bare, people, at_once))
    turns.watch.append(await _watch(hub, session.id, people, at_once))
    turns.join.append(await _join(hub, session, at_once))


async def _bare(server: Server, people: int, at_once: int) -> Turn:
    turn, sockets = await _turn(server, people, at_once, lambda _: Socket.open(server.port, welcome=False))
    close(sockets)
    return turn


async def _watch(hub: Server, session: int, people: int, at_once: int) -> Turn:
    # Somebody watches already: what is measured is a connection, not the first look at a session.
    first = await Socket.watching(hub.port, session)
    turn, sockets = await _turn(hub, people, at_once, lambda _: Socket.watching(hub.port, session))
    close([first, *sockets])
    return turn


async def _join(hub: Server, session: Session, at_once: int) -> Turn:
    tokens = [token(person) for person in session.people]
    people = await each(len(tokens), at_once, lambda _: Person.at_the_door(hub.port))

    async def join(number: int) -> Wire:
        person = people[number]
        person.wire.frames = 0
        person.let_in(tokens[number])
        await person.hub.join(session.id)
        return person.wire

    turn, _ = await _turn(hub, len(tokens), at_once, join)
    await asyncio.to_thread(end, hub, session.id, len(tokens))
    await go_home(people)
    return turn


async def _turn(
    server: Server, people: int, at_once: int, work: Callable[[int], Awaitable[Socket]]
) -> tuple[Turn, list[Socket]]:
    """`work` for each of them, measured once the server is at rest."""
    took: list[float] = []

    async def timed(number: int) -> Socket:
        began = time.perf_counter()
        socket = await work(number)
        took.append(time.perf_counter() - began)
        return socket

    await at_rest(server.pid)
    meter = Meter(server.pid)
    sockets = await each(people, at_once, timed)
    cost = meter.cost()
    return Turn(sorted(took), sum(socket.frames for socket in sockets), cost), sockets


def _row(name: str, turns: Sequence[Turn]) -> tuple[str, ...]:
    return (
        name,
        f"{median(len(turn.took) / turn.cost.seconds for turn in turns):,.0f}",
        f"{median(table.at(turn.took, 0.5) for turn in turns) * 1000:.2f}",
        f"{median(table.at(turn.took, 0.99) for turn in turns) * 1000:.2f}",
        f"{median(turn.each for turn in turns) * 1e6:,.0f}",
        f"{median(turn.frames / len(turn.took) for turn in turns):.1f}",
        *table.busy([turn.cost for turn in turns]),
    )


def _verdicts(turns: Turns) -> list[table.Verdict]:
    answer, bare, watch, join = (
        median(turn.each for turn in kind) * 1e6 for kind in (turns.answer, turns.bare, turns.watch, turns.join)
    )
    return [
        table.at_most("CPU to connect and watch", watch, CONNECT_US, "µs"),
        table.ratio_at_most("  against a bare handshake", watch, bare, CONNECT_RATIO, "µs"),
        table.Verdict("  against a bare answer", f"{watch:,.0f} µs", f"{answer:,.0f} µs", watch / answer),
        table.at_most("CPU to say who and join", join, JOIN_US, "µs"),
    ]
