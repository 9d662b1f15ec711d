"""Many people join one session: until the last is in, and until everyone has the full count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import seeding, servers, table
from benchmarks.client import PATIENCE, Wrong, ask
from benchmarks.machine import Cores, cpu_seconds, facts
from benchmarks.servers import Server, Stores, token
from benchmarks.sockets import Socket

NOTES = (
    "a join is all of it: connect, upgrade, `auth` by message, `join`, a stored visit, `ok`, one after the other.",
    "CPU is the server's, from the first connect until everyone has the full count, fan-out included.",
    "`session` messages: counts are coalesced, so the fewer the better; one for each person and join would be `naive`.",
)


async def run(folder: Path, stores: Stores, cores: Cores, people: int, at_once: int, say: Callable[[str], None]) -> str:
    """The report."""
    names = [f"student-{number}" for number in range(people)]
    say(f"join: {people} confirmed seats")
    session = await seeding.running_session(stores, names)
    tokens = [token(name) for name in names]
    with servers.hub(folder, cores, stores) as hub:
        say(f"join: {people} people come, {at_once} at once")
        verdicts = await _measure(hub, session, tokens, at_once)
    title = f"{people} people join one session, {at_once} on their way at once"
    return table.report(title, facts(cores), [], verdicts, *NOTES)


async def _measure(hub: Server, session: int, tokens: Sequence[str], at_once: int) -> list[table.Verdict]:
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(at_once)
    took: list[float] = []

    async def come(credential: str) -> Socket:
        async with gate:
            began = loop.time()
            socket = await Socket.open(hub.port)
            await socket.ask(type="auth", id=1, token=credential)
            await socket.ask(type="join", id=2, session=session)
            took.append(loop.time() - began)
        return socket

    started, cpu = loop.time(), cpu_seconds(hub.pid)
    sockets = await asyncio.gather(*map(come, tokens))
    joined = loop.time()
    await _everyone_knows(sockets)
    known, cpu_after = max(socket.live_since for socket in sockets), cpu_seconds(hub.pid)
    stored = ask(hub.port, "GET", f"/api/live-sessions/{session}", tokens[0])["data"]
    if stored["live"] != len(tokens):
        raise Wrong(f"{len(tokens)} joined, and the hub counts {stored['live']}")
    for socket in sockets:
        socket.transport.close()
    return _verdicts(sockets, took, joined - started, known - joined, (cpu, cpu_after))


async def _everyone_knows(sockets: Sequence[Socket]) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while any(socket.live != len(sockets) for socket in sockets):  # noqa: ASYNC110  not an event a frame
                await asyncio.sleep(0.002)
    except TimeoutError:
        late = sum(socket.live != len(sockets) for socket in sockets)
        raise Wrong(f"{late} of {len(sockets)} never had the full count") from None


def _verdicts(
    sockets: Sequence[Socket], took: list[float], joining: float, after: float, cpu: tuple[float | None, float | None]
) -> list[table.Verdict]:
    people = len(sockets)
    took = sorted(took)
    states, frames = sum(socket.states for socket in sockets), sum(socket.frames for socket in sockets)
    verdicts = [
        table.Verdict("joins a second", f"{people / joining:,.0f}/s"),
        table.Verdict("one join, p50", f"{took[people // 2] * 1000:,.1f} ms"),
        table.Verdict("one join, p99", f"{took[people * 99 // 100] * 1000:,.1f} ms"),
        table.Verdict("last ok to full count everywhere", f"{max(0.0, after) * 1000:,.1f} ms"),
        table.Verdict("`session` messages received", f"{states:,}", f"{people * (people + 1) // 2:,} naive"),
        table.Verdict("messages of every kind", f"{frames:,}"),
        table.Verdict("bytes received", f"{sum(socket.received for socket in sockets):,}"),
    ]
    if cpu[0] is not None and cpu[1] is not None:
        used = cpu[1] - cpu[0]
        verdicts.insert(3, table.Verdict("server CPU for a join", f"{used / people * 1e6:,.0f} µs"))
        verdicts.insert(4, table.Verdict("server busy", f"{used / (joining + max(0.0, after)):.0%}"))
    return verdicts
