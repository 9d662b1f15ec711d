"""The expert starts a session: until every watcher has it, and until the expert has the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import seeding, servers, table
from benchmarks.client import PATIENCE, ask
from benchmarks.machine import Cores, facts
from benchmarks.servers import Server, Stores, token
from benchmarks.sockets import Socket, number
from benchmarks.wrong import Wrong
from hub.domain.people import Role

STARTS = 30
WATCHERS = 200
TARGET_MS = 50.0
API = "/api/live-sessions"
NOTES = (
    "measured from before the expert's PATCH is sent, over a connection yet to be made, until a watcher has `active`.",
)


async def run(folder: Path, stores: Stores, cores: Cores, watchers: int, say: Callable[[str], None]) -> str:
    """The report."""
    async with seeding.opened(stores):
        pass
    with servers.hub(folder, cores, stores) as hub:
        sockets = await asyncio.gather(*(Socket.open(hub.port) for _ in range(watchers)))
        say(f"start: {STARTS} sessions, {watchers} watchers each")
        rounds = [await _start(hub, sockets) for _ in range(STARTS)]
        for socket in sockets:
            socket.transport.close()
    verdicts = _verdicts([one for times, _ in rounds for one in times], [answered for _, answered in rounds])
    return table.report(f"{STARTS} sessions start, each before {watchers} watchers", facts(cores), [], verdicts, *NOTES)


async def _start(hub: Server, sockets: list[Socket]) -> tuple[list[float], float]:
    expert = token("expert", Role.EXPERT)
    starts = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    body = {"title": "Start", "startsAt": starts, "durationMinutes": 60}
    session = ask(hub.port, "POST", API, expert, body)["data"]["id"]
    told: dict[Socket, float] = {}
    everyone = asyncio.Event()

    def heard(socket: Socket, payload: bytes) -> None:
        if number(payload, b'"session":') == session and b'"status":"active"' in payload:
            told.setdefault(socket, time.perf_counter())
            if len(told) == len(sockets):
                everyone.set()

    for socket in sockets:
        socket.heard = heard
    await asyncio.gather(*(socket.watch(session) for socket in sockets))
    began = time.perf_counter()
    await asyncio.to_thread(ask, hub.port, "PATCH", f"{API}/{session}/start", expert)
    answered = time.perf_counter() - began
    try:
        async with asyncio.timeout(PATIENCE):
            await everyone.wait()
    except TimeoutError:
        raise Wrong("a watcher was never told that the session is active") from None
    return [at - began for at in told.values()], answered


def _verdicts(told: list[float], answered: list[float]) -> list[table.Verdict]:
    told, answered = sorted(told), sorted(answered)
    return [
        table.Verdict("a watcher has `active`, p50", table.amount(table.at(told, 0.5) * 1000, "ms")),
        table.Verdict("p99", table.amount(table.at(told, 0.99) * 1000, "ms")),
        table.at_most("slowest of all", told[-1] * 1000, TARGET_MS, "ms"),
        table.Verdict("the expert has the answer, p50", table.amount(table.at(answered, 0.5) * 1000, "ms")),
    ]
