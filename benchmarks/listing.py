"""The first page of the catalog for anyone, as a share of a GET that does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks import seeding, servers, table
from benchmarks.bookings import API, strangers
from benchmarks.client import Turn, ask, ask_for, request
from benchmarks.machine import Cores, facts
from benchmarks.servers import Server, Stores
from benchmarks.wrong import Wrong

CONNECTIONS = 16
TARGET = 0.35
WARM = 0.3
WRITES = 200
WRITER_CONNECTIONS = 16

NOTES = (
    'no-op GET: a Starlette endpoint that answers {"success": true}.',
    "page: GET /api/live-sessions without a token or a query, so 10 that are scheduled or active, by their start;",
    "  seats are counted by the clock, and a third of the sessions that can be booked have holds that run.",
    "while booked: meanwhile others book a seat of a session on this very page, over 16 connections of their own;",
    "  its CPU per page contains theirs.",
)


async def run(
    folder: Path, stores: Stores, cores: Cores, seconds: float, sessions: int, rounds: int, say: Callable[[str], None]
) -> str:
    """The report. Turns alternate: no-op, page, no-op, page while booked, ..., no-op."""
    say(f"list: writing {sessions:,} sessions")
    await seeding.catalog(stores, sessions)
    noop: list[Turn] = []
    quiet: list[Turn] = []
    booked: list[Turn] = []
    writes: list[Turn] = []
    with servers.noop(folder, cores) as idle, servers.hub(folder, cores, stores) as hub:
        booked_session = _booked_session(hub)
        for number in range(1, rounds + 1):
            say(f"list, round {number} of {rounds}: no-op, page")
            noop.append(await _turn(idle, "/", seconds))
            quiet.append(await _turn(hub, API, seconds))
            say(f"list, round {number} of {rounds}: no-op, page while booked")
            noop.append(await _turn(idle, "/", seconds))
            tokens = strangers("writer", number, int((seconds + WARM + 1) * WRITES))
            pages, bookings = await asyncio.gather(
                _turn(hub, API, seconds), _writes(hub, booked_session, tokens, seconds)
            )
            booked.append(pages)
            writes.append(bookings)
        noop.append(await _turn(idle, "/", seconds))
    rows = [
        table.turns_row("no-op GET", noop),
        table.turns_row("page", quiet),
        table.turns_row("page while booked", booked),
    ]
    verdicts = [
        *table.share("pages a second", quiet, noop, TARGET),
        *table.share("pages while booked", booked, noop, TARGET),
        table.cpu_share("CPU of a page", quiet, noop),
        table.cpu_share("  while booked", booked, noop),
        table.Verdict("bookings beside", f"{median(turn.rate for turn in writes):,.0f}/s"),
    ]
    title = f"A page of 10 out of {sessions:,} sessions: {CONNECTIONS} connections, turns of {seconds:g} s"
    return table.report(title, facts(cores), rows, verdicts, table.disturbed(noop), *NOTES)


def _booked_session(hub: Server) -> int:
    """A free session on the first page, and proof that the page is what it should be."""
    page = ask(hub.port, "GET", API)["data"]
    free: list[int] = [one["id"] for one in page if one["isFree"]]
    if len(page) != 10 or not free or not any(one["participants"] for one in page):
        raise Wrong("the first page must hold ten sessions, a free one, and one with holds")
    return free[0]


async def _turn(server: Server, path: str, seconds: float) -> Turn:
    same = request("GET", path)
    return await ask_for(
        server.port,
        server.pid,
        iter(lambda: same, None),
        connections=CONNECTIONS,
        seconds=seconds,
        status=200,
        warm=WARM,
    )


async def _writes(hub: Server, session: int, tokens: list[str], seconds: float) -> Turn:
    requests = [request("POST", f"{API}/{session}/book", each) for each in tokens]
    return await ask_for(
        hub.port,
        hub.pid,
        iter(requests),
        connections=WRITER_CONNECTIONS,
        seconds=seconds,
        status=201,
        warm=WARM,
        rate=WRITES,
    )
