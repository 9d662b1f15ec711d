"""One client that asks for ten times what it may, beside many who ask as people do: what they notice of it."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from benchmarks import seeding, servers, table
from benchmarks.bookings import API
from benchmarks.client import PATIENCE, Load, Talk, request
from benchmarks.machine import KB, Cores, Cost, Meter, at_rest, facts, resident
from benchmarks.servers import Server, Stores, token
from benchmarks.sockets import TEXT, Socket, close, each, frame
from benchmarks.wrong import Wrong

PEOPLE = 200
SECONDS = 30.0
TIMES = 10.0
READ_SECONDS = 3.0
PING_SECONDS = 5.0
REQUESTS = 600
MESSAGES = 120
"""What one person may ask and one socket say, a minute: the hub's own defaults."""
ELSEWHERE = "127.0.0.2"
CONNECTIONS = 5
SOCKETS = 5
P99 = 2.0
GROWTH_MB = 20.0
MB = KB * KB
PING = frame(TEXT, json.dumps({"type": "ping", "id": 1}).encode())
HEADER = ("", "reads", "p50 ms", "p99 ms", "pings", "p50 ms", "p99 ms", "server busy", "client busy")
NOTES = (
    "the good: each a person with a token, who reads a session every 3 s over a connection, and has a socket that",
    "  watches it and pings every 5 s. alone: they. beside: they, and one person from another address who sends",
    f"  requests over {CONNECTIONS} connections, and messages on {SOCKETS} sockets, each at so many times its limit;",
    "  a socket that is closed for it is opened again at once.",
    "grown: the server's resident size, from the end of the first turn alone to the end of the last one beside.",
)


@dataclass
class Seen:
    """What the good ones saw over all turns of a kind: latencies in seconds."""

    reads: list[float] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)

    def row(self, name: str) -> tuple[str, ...]:
        """Its line in the table."""
        cells = [name]
        for latencies in (self.reads, self.pings):
            cells += [f"{len(latencies):,}", *(f"{milliseconds(latencies, share):.1f}" for share in (0.5, 0.99))]
        return (*cells, *table.busy(self.costs))


@dataclass
class Flooded:
    """What the one sent and got: answers by status, messages, and how often it was sent away."""

    answers: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    closed: Counter[int | None] = field(default_factory=Counter)

    @property
    def told(self) -> str:
        """In words."""
        by_status = ", ".join(f"{count:,} by {status}" for status, count in sorted(self.answers.items()))
        by_code = ", ".join(f"{count:,} by {code}" for code, count in self.closed.items()) or "never"
        return f"SEEN: the one was answered {by_status}; it sent {self.messages:,} messages, and was closed {by_code}."


def milliseconds(latencies: Sequence[float], share: float) -> float:
    """What this share of all stays under."""
    return table.at(sorted(latencies), share) * 1000


async def run(
    folder: Path,
    stores: Stores,
    cores: Cores,
    people: int,
    seconds: float,
    times: float,
    rounds: int,
    say: Callable[[str], None],
) -> str:
    """The report. Turns alternate: alone, beside, ..."""
    (session,) = await seeding.running_sessions(stores, [[]])
    limits = {"HUB_RATE_LIMIT": str(REQUESTS), "HUB_MESSAGE_RATE_LIMIT": str(MESSAGES)}
    alone, beside, flooded, before = Seen(), Seen(), Flooded(), 0
    with servers.hub(folder, cores, stores, **limits) as hub:
        sockets = await each(people, 50, lambda _: Socket.watching(hub.port, session))
        tokens = [token(f"good-{number}") for number in range(people)]
        for number in range(1, rounds + 1):
            say(f"flood, round {number} of {rounds}: alone")
            await _turn(hub, alone, sockets, tokens, session, seconds)
            if not before:
                await at_rest(hub.pid)
                before = resident(hub.pid)
            say(f"flood, round {number} of {rounds}: beside one at {times:g} times its limits")
            flood = asyncio.create_task(_flood(hub, flooded, session, times))
            await _turn(hub, beside, sockets, tokens, session, seconds)
            flood.cancel()
            with suppress(asyncio.CancelledError):
                await flood
        grown = (resident(hub.pid) - before) / MB
        if any(one.over for one in sockets):
            raise Wrong("one of the good was sent away")
        close(sockets)
    title = f"{people} good clients, and one at {times:g} times its limits, turns of {seconds:g} s, {stores.kind}"
    verdicts = [
        _against("reads, p99", beside.reads, alone.reads),
        _against("pings, p99", beside.pings, alone.pings),
        table.at_most("grown", grown, GROWTH_MB, "MB"),
        _granted(flooded, seconds * rounds, rounds),
    ]
    rows = [alone.row("alone"), beside.row("beside")]
    return table.report(title, facts(cores), rows, verdicts, flooded.told, *NOTES, header=HEADER)


def _against(what: str, beside: Sequence[float], alone: Sequence[float]) -> table.Verdict:
    return table.ratio_at_most(what, milliseconds(beside, 0.99), milliseconds(alone, 0.99), P99, "ms")


def _granted(flooded: Flooded, seconds: float, rounds: int) -> table.Verdict:
    """Each turn begins with a full bucket at most, and gets what flows back."""
    got, due = flooded.answers["200"], REQUESTS * (rounds + seconds / 60)
    return table.Verdict("requests that the one got", f"{got:,}", target=f"<= {due:,.0f}", met=got <= due)


async def _turn(
    hub: Server, seen: Seen, sockets: Sequence[Socket], tokens: Sequence[str], session: int, seconds: float
) -> None:
    requests = cycle([request("GET", f"{API}/{session}", one) for one in tokens])
    load = Load(requests, b"200", READ_SECONDS)
    talks = await asyncio.gather(*(_connection(load, Talk, hub.port, None) for _ in tokens))
    meter = Meter(hub.pid)
    load.counting = True
    for talk in talks:
        talk.begin(random.uniform(0, min(READ_SECONDS, seconds / 2)))
    pings = [asyncio.create_task(_pings(one, seen, seconds)) for one in sockets]
    try:
        await asyncio.sleep(seconds)
    finally:
        load.stopped = True
        cost = meter.cost()
        await asyncio.gather(*pings)
        for talk in talks:
            talk.transport.close()
    if load.wrong is not None:
        raise Wrong(f"one of the good was answered {load.wrong[:300]!r}")
    seen.reads += load.latencies
    seen.costs.append(cost)


async def _pings(one: Socket, seen: Seen, seconds: float) -> None:
    end = time.perf_counter() + seconds
    await asyncio.sleep(random.uniform(0, min(PING_SECONDS, seconds / 2)))
    while (sent := time.perf_counter()) < end:
        one.transport.write(PING)
        await one.answer("pong")
        seen.pings.append(time.perf_counter() - sent)
        await asyncio.sleep(min(PING_SECONDS, max(0.0, end - time.perf_counter())))


class Flooding(Talk):
    """A connection that goes on whatever it is answered, and counts by status."""

    answers: Counter[str]

    def data_received(self, data: bytes) -> None:
        """Part of an answer, or all of it."""
        if data.startswith(b"HTTP/1.1 "):
            self.answers[data[9:12].decode()] += 1
        super().data_received(data)


async def _connection(load: Load, kind: type[Talk], port: int, source: str | None) -> Talk:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        _, made = await loop.create_connection(
            lambda: kind(load), "127.0.0.1", port, local_addr=(source, 0) if source else None
        )
    return made


async def _flood(hub: Server, flooded: Flooded, session: int, times: float) -> None:
    """Until it is cancelled."""
    same = request("GET", f"{API}/{session}", token("flood"))
    load = Load(_forever(same), b"", CONNECTIONS / (times * REQUESTS / 60))
    kind = type("Counting", (Flooding,), {"answers": flooded.answers})
    talks = [await _connection(load, kind, hub.port, ELSEWHERE) for _ in range(CONNECTIONS)]
    for talk in talks:
        talk.begin()
    try:
        await asyncio.gather(*(_messages(hub, flooded, 60 / (times * MESSAGES)) for _ in range(SOCKETS)))
    finally:
        load.stopped = True
        for talk in talks:
            talk.transport.abort()


def _forever(same: bytes) -> Iterator[bytes]:
    return iter(lambda: same, None)


async def _messages(hub: Server, flooded: Flooded, pause: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        tcp.setblocking(False)
        tcp.bind((ELSEWHERE, 0))
        await loop.sock_connect(tcp, ("127.0.0.1", hub.port))
        one = await Socket.open(hub.port, connected=tcp)
        try:
            due = loop.time()
            while not one.over:
                one.transport.write(PING)
                one.forget()
                flooded.messages += 1
                due += pause
                await asyncio.sleep(max(0.0, due - loop.time()))
            flooded.closed[one.close_code] += 1
        finally:
            one.transport.abort()
