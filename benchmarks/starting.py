"""The expert starts a session: until every watcher has it, and until the expert has the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import seeding, servers, table
from benchmarks.client import PATIENCE, Wrong, ask
from benchmarks.machine import Cores, facts
from benchmarks.servers import Server, Stores, token
from benchmarks.sockets import Socket
from hub.domain.people import Role

STARTS = 30
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
    await asyncio.gather(*(socket.ask(type="watch", id=1, sessions=[session]) for socket in sockets))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.to_thread(ask, hub.port, "PATCH", f"{API}/{session}/start", expert)
    answered = loop.time() - began
    try:
        async with asyncio.timeout(PATIENCE):
            while any(socket.newest != (session, "active") for socket in sockets):  # noqa: ASYNC110  no event a frame
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise Wrong("a watcher was never told that the session is active") from None
    return [socket.live_since - began for socket in sockets], answered


def _verdicts(told: list[float], answered: list[float]) -> list[table.Verdict]:
    told, answered = sorted(told), sorted(answered)
    return [
        table.Verdict("a watcher has `active`, p50", f"{told[len(told) // 2] * 1000:,.1f} ms"),
        table.Verdict("p99", f"{told[len(told) * 99 // 100] * 1000:,.1f} ms"),
        table.Verdict("slowest of all", f"{told[-1] * 1000:,.1f} ms", f"{TARGET_MS:g} ms wanted"),
        table.Verdict("the expert has the answer, p50", f"{answered[len(answered) // 2] * 1000:,.1f} ms"),
    ]
