"""Bookings on one hot session, as a share of a POST that does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import seeding, servers, table
from benchmarks.client import Turn, ask, ask_for, request
from benchmarks.machine import Cores, facts
from benchmarks.servers import Server, Stores, token
from benchmarks.wrong import Wrong
from hub.domain.people import Role

API = "/api/live-sessions"
SECONDS = 2.0
CONNECTIONS = 128
"""A hot session is one that many want at once; with few, the time is the disk's, which waits for each commit."""

TARGETS = {"sqlite": 0.25, "postgresql": 0.15, "postgresql and Redis": 0.15}
WARM = 0.3
FASTEST_BOOKING = 6_000
"""Bookings a second that nobody expects: so many people are made ready, for none may book twice."""
FASTEST_REFUSAL = 10_000

NOTES = (
    'no-op POST: a Starlette endpoint that reads a two-byte body and answers {"success": true}.',
    "refused: the same POST by experts, who may not book: route, id, token and role are checked, then a 403;",
    "  no ledger, no database. `known` is one person's token again and again, `new` is a fresh one for each request.",
    "booking: every one by another person with a fresh token, so it holds all that `refused, new tokens` does.",
    "CPU is the server's, all threads; `server busy` is that CPU over the time: near 100% the server is the limit;",
    "  where it and the client are both far from it, something else ran on these cores.",
)


@dataclass
class Kinds:
    """The turns of each kind of request."""

    noop: list[Turn] = field(default_factory=list)
    known: list[Turn] = field(default_factory=list)
    new: list[Turn] = field(default_factory=list)
    booking: list[Turn] = field(default_factory=list)
    revisions: int = 0
    clients: int = CONNECTIONS


async def run(
    folder: Path,
    stores: Stores,
    cores: Cores,
    seconds: float,
    people: int | None,
    rounds: int,
    say: Callable[[str], None],
    connections: int = CONNECTIONS,
) -> str:
    """The report. Turns alternate: no-op, hub, no-op, hub, no-op."""
    kinds = Kinds(clients=connections)
    async with seeding.opened(stores):
        pass  # `hub serve` migrates only a file
    with servers.noop(folder, cores) as idle, servers.hub(folder, cores, stores) as hub:
        session = _session(hub)
        for number in range(1, rounds + 1):
            say(f"bookings, round {number} of {rounds}: no-op")
            await _noop(kinds, idle, seconds)
            say(f"bookings, round {number} of {rounds}: refusals")
            await _refusals(kinds, hub, seconds / 2, people)
            say(f"bookings, round {number} of {rounds}: bookings")
            await _bookings(kinds, hub, seconds, session, people)
        await _noop(kinds, idle, seconds)
    return _report(kinds, cores, seconds, stores.kind)


def _report(kinds: Kinds, cores: Cores, seconds: float, kind: str) -> str:
    booked = sum(turn.total for turn in kinds.booking)
    rows = [
        table.turns_row("no-op POST", kinds.noop),
        table.turns_row("refused, known token", kinds.known),
        table.turns_row("refused, new tokens", kinds.new),
        table.turns_row("booking", kinds.booking),
    ]
    verdicts = [
        *table.share("bookings a second", kinds.booking, kinds.noop, TARGETS[kind]),
        table.cpu_share("CPU of a booking", kinds.booking, kinds.noop),
        table.Verdict("bookings in a commit", f"{booked / max(1, kinds.revisions):.1f}"),
    ]
    title = f"Bookings on one session: {kinds.clients} connections, turns of {seconds:g} s, {kind}"
    return table.report(title, facts(cores), rows, verdicts, table.disturbed(kinds.noop), *NOTES)


def _session(hub: Server) -> int:
    starts = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    draft = {"title": "The hot one", "startsAt": starts, "durationMinutes": 60}
    session: int = ask(hub.port, "POST", API, token("expert", Role.EXPERT), draft)["data"]["id"]
    return session


def end(hub: Server, session: int, live: int) -> None:
    """Let the expert end a session: everyone has left at once, and sockets that close leave nothing to do.

    Raises `Wrong` unless so many people were there.
    """
    expert = token("expert", Role.EXPERT)
    counted = ask(hub.port, "GET", f"{API}/{session}", expert)["data"]["live"]
    if counted != live:
        raise Wrong(f"{live} joined, and the hub counts {counted}")
    ask(hub.port, "PATCH", f"{API}/{session}/end", expert)


async def _noop(kinds: Kinds, idle: Server, seconds: float) -> None:
    same = request("POST", "/", body=b"{}")
    turn = await ask_for(
        idle.port,
        idle.pid,
        iter(lambda: same, None),
        connections=kinds.clients,
        seconds=seconds,
        status=200,
        warm=WARM,
    )
    kinds.noop.append(turn)


def strangers(word: str, turn: int, wanted: int, role: Role = Role.STUDENT) -> list[str]:
    """Tokens of people who were never seen before."""
    return [token(f"{word}-{turn}-{number}", role) for number in range(wanted)]


async def _refusals(kinds: Kinds, hub: Server, seconds: float, people: int | None) -> None:
    path = f"{API}/1/book"
    same = request("POST", path, token("expert", Role.EXPERT))
    known = await ask_for(
        hub.port,
        hub.pid,
        iter(lambda: same, None),
        connections=kinds.clients,
        seconds=seconds,
        status=403,
        warm=WARM,
    )
    fresh = strangers("refused", len(kinds.new), people or int((seconds + WARM) * FASTEST_REFUSAL), Role.EXPERT)
    requests = [request("POST", path, each) for each in fresh]
    new = await ask_for(
        hub.port, hub.pid, iter(requests), connections=kinds.clients, seconds=seconds, status=403, warm=WARM
    )
    kinds.known.append(known)
    kinds.new.append(new)


async def _bookings(kinds: Kinds, hub: Server, seconds: float, session: int, people: int | None) -> None:
    fresh = strangers("student", len(kinds.booking), people or int((seconds + WARM) * FASTEST_BOOKING))
    requests = [request("POST", f"{API}/{session}/book", each) for each in fresh]
    before = _state(hub, session)
    turn = await ask_for(
        hub.port, hub.pid, iter(requests), connections=kinds.clients, seconds=seconds, status=201, warm=WARM
    )
    after = _state(hub, session)
    if after[1] - before[1] != turn.total:
        raise Wrong(f"{turn.total} bookings were acknowledged, and {after[1] - before[1]} are stored")
    kinds.revisions += after[0] - before[0]
    kinds.booking.append(turn)


def _state(hub: Server, session: int) -> tuple[int, int]:
    """Revision, which grows by one with each commit, and seats taken."""
    found = ask(hub.port, "GET", f"{API}/{session}", token("somebody"))["data"]
    return found["revision"], found["participants"]
