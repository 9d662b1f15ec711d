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
from benchmarks.people import Person, go_home
from benchmarks.servers import Server, Stores, token
from benchmarks.wrong import Wrong
from hub.client import SessionState
from hub.domain.people import Role

STARTS = 30
WATCHERS = 200
TARGET_MS = 50.0
API = "/api/live-sessions"
NOTES = (
    "measured from before the expert's PATCH is sent, over a connection yet to be made, until a watcher has `active`;",
    "  each watcher is a `hub.client`.",
)


async def run(folder: Path, stores: Stores, cores: Cores, watchers: int, say: Callable[[str], None]) -> str:
    """The report."""
    async with seeding.opened(stores):
        pass
    with servers.hub(folder, cores, stores) as hub:
        people = await asyncio.gather(*(Person(hub.port).open() for _ in range(watchers)))
        say(f"start: {STARTS} sessions, {watchers} watchers each")
        rounds = [await _start(hub, people) for _ in range(STARTS)]
        await go_home(people)
    verdicts = _verdicts([one for times, _ in rounds for one in times], [answered for _, answered in rounds])
    return table.report(f"{STARTS} sessions start, each before {watchers} watchers", facts(cores), [], verdicts, *NOTES)


async def _start(hub: Server, people: list[Person]) -> tuple[list[float], float]:
    expert = token("expert", Role.EXPERT)
    starts = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    body = {"title": "Start", "startsAt": starts, "durationMinutes": 60}
    session = ask(hub.port, "POST", API, expert, body)["data"]["id"]
    told: list[float] = []
    everyone = asyncio.Event()

    def heard(state: SessionState) -> None:
        if state.session == session and state.status == "active":
            told.append(time.perf_counter())
            if len(told) == len(people):
                everyone.set()

    await asyncio.gather(*(person.watch(session) for person in people))
    listening = [person.hub.on(SessionState, heard) for person in people]
    began = time.perf_counter()
    await asyncio.to_thread(ask, hub.port, "PATCH", f"{API}/{session}/start", expert)
    answered = time.perf_counter() - began
    try:
        async with asyncio.timeout(PATIENCE):
            await everyone.wait()
    except TimeoutError:
        raise Wrong("a watcher was never told that the session is active") from None
    for stop in listening:
        stop()
    return [at - began for at in told], answered


def _verdicts(told: list[float], answered: list[float]) -> list[table.Verdict]:
    told, answered = sorted(told), sorted(answered)
    return [
        table.Verdict("a watcher has `active`, p50", table.amount(table.at(told, 0.5) * 1000, "ms")),
        table.Verdict("p99", table.amount(table.at(told, 0.99) * 1000, "ms")),
        table.at_most("slowest of all", told[-1] * 1000, TARGET_MS, "ms"),
        table.Verdict("the expert has the answer, p50", table.amount(table.at(answered, 0.5) * 1000, "ms")),
    ]
