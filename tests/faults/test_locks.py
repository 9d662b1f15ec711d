"""Somebody else holds what the hub needs, or its callers give up: refusals in time, sockets live, nothing left over."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import pytest

from hub.store.postgresql import POOL_SECONDS, READERS, WRITERS
from tests.faults.cores import Watch
from tests.faults.truth import Eye, until_same
from tests.running import API, EXPERT, PATIENCE, Client, Place, Running, bearer, draft, running_twice, token
from tests.second import Second
from tests.servers import RedisServer
from tests.sockets import inside
from tests.storm import Line
from tests.tables import ask, tables

figures = logging.getLogger("figures")

LONG = os.environ.get("HUB_TEST_LONG") == "1"
HELD_SECONDS = 10.0 if LONG else 4.0
ANSWERED_WITHIN = 9.0
"""A lock is waited for with others, 3 s at most, and alone, as long; and that behind a group that does the same."""
OURS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> ''"
IDLE = f"{OURS} AND state LIKE 'idle in transaction%'"


@pytest.fixture
def place(fresh_postgres: str, redis_server: RedisServer, second: Second) -> Place:
    """Where both nodes meet."""
    return Place(fresh_postgres, redis_server.url(12), second)


def each(hub: Running) -> list[Running]:
    """Its two nodes."""
    return [Running((port,), hub.where) for port in hub.ports]


@contextmanager
def held(url: str, statement: str) -> Iterator[None]:
    """A transaction of another program that took a lock."""
    with tables(url) as other:
        other.execute("BEGIN")
        other.execute(statement)
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@dataclass
class Heard:
    """An answer and how long it took."""

    status: int
    seconds: float
    retry_after: str | None = None


async def ask_on(node: Running, session: int, name: str, until: float) -> list[Heard]:
    """Book and cancel until then."""
    heard: list[Heard] = []
    async with Line.to(node.port) as line:
        while time.monotonic() < until:
            for method in ("POST", "DELETE"):
                watch = Watch()
                answer = await line.ask(method, f"/{session}/book", token(name))
                heard.append(Heard(answer.status, watch.seconds))
                if answer.status not in (200, 201):
                    break
    return heard


async def ping_on(clients: Sequence[Client], until: float) -> float:
    """Ping until then; the longest wait for a pong."""
    worst = 0.0
    while time.monotonic() < until:
        watch = Watch()
        await asyncio.gather(*(client.ask(type="ping") for client in clients))
        worst = max(worst, watch.seconds)
        await asyncio.sleep(0.05)
    return worst


async def someone_inside(stack: AsyncExitStack, node: Running, session: int) -> Client:
    """A socket at this node that has joined."""
    person = f"inside-{node.port}"
    await node.book(session, person)
    client = await stack.enter_async_context(Client.with_headers(node, bearer(person)))
    await inside(client, session)
    return client


async def test_a_session_that_somebody_holds_is_refused_in_time_while_the_others_go_on_and_sockets_live(
    place: Place,
) -> None:
    async with running_twice(place) as hub, AsyncExitStack() as stack:
        nodes = each(hub)
        sessions = [(await hub.create(rosterVisibility="host"))["id"] for _ in range(3)]
        eyes = [await stack.enter_async_context(Eye.at(node, sessions)) for node in nodes]
        clients = [await someone_inside(stack, node, sessions[0]) for node in nodes]
        with held(place.database, f"SELECT id FROM live_sessions WHERE id = {sessions[0]} FOR UPDATE"):
            until = time.monotonic() + HELD_SECONDS - 1
            async with asyncio.timeout(HELD_SECONDS + PATIENCE):
                pinging = asyncio.create_task(ping_on(clients, until))
                heard = await asyncio.gather(
                    *(ask_on(node, sessions[0], f"wants-{node.port}", until) for node in nodes),
                    *(ask_on(node, one, f"busy-{node.port}-{one}", until) for node in nodes for one in sessions[1:]),
                )
        pong = await pinging
        refused = [one for some in heard[:2] for one in some]
        others = [one for some in heard[2:] for one in some]
        figures.info(
            "one session held %.0f s: %d refused within %.1f s, %d changes of others, each within %.1f s; pong %.2f s",
            *(HELD_SECONDS, len(refused), max(one.seconds for one in refused)),
            *(len(others), max(one.seconds for one in others), pong),
        )
        assert {one.status for one in refused} == {503}
        assert max(one.seconds for one in refused) <= ANSWERED_WITHIN
        assert {one.status for one in others} == {200, 201}
        assert max(one.seconds for one in others) <= ANSWERED_WITHIN
        assert pong <= 1.0
        await nodes[0].book(sessions[0], "afterwards")
        await until_same(place.database, eyes, PATIENCE)
        assert ask(place.database, IDLE) == [0]


@pytest.mark.parametrize(("method", "connections"), [("GET", READERS), ("POST", WRITERS)])
async def test_whoever_finds_every_connection_busy_is_told_within_a_second_when_to_come_back(
    place: Place, method: str, connections: int
) -> None:
    async with running_twice(place) as hub, AsyncExitStack() as stack:
        node = each(hub)[0]
        session = (await hub.create())["id"]
        client = await stack.enter_async_context(Client.at(node))
        http = await stack.enter_async_context(node.http(**EXPERT))
        body = draft()

        async def one() -> Heard:
            watch = Watch()
            answer = await (http.get(f"{API}/{session}") if method == "GET" else http.post(API, json=body))
            return Heard(answer.status_code, watch.seconds, answer.headers.get("retry-after"))

        with held(place.database, "LOCK TABLE live_sessions IN ACCESS EXCLUSIVE MODE"):
            async with asyncio.timeout(PATIENCE):
                pinging = asyncio.create_task(ping_on([client], time.monotonic() + 1))
                heard = await asyncio.gather(*(one() for _ in range(40)))
                pong = await pinging
        waits = sorted(one.seconds for one in heard)
        figures.info(
            "40 at once of %s and no connection free: half within %.2f s, all within %.2f s, pong %.2f s",
            *(method, waits[30], waits[-1], pong),
        )
        assert {one.status for one in heard} == {503}
        assert all(one.retry_after and 1 <= int(one.retry_after) <= 60 for one in heard)
        assert waits[-connections - 8] <= POOL_SECONDS + 0.5
        assert pong <= 0.5
        assert (await one()).status in (200, 201)


async def give_up(node: Running, path: str, mine: str, seconds: float) -> None:
    """Send a request, and be gone before its answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", node.port)
    method, where = path.split()
    head = f"{method} {API}{where} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {mine}\r\nContent-Length: 0\r\n\r\n"
    writer.write(head.encode())
    await asyncio.sleep(seconds)
    writer.transport.abort()


async def test_a_thousand_requests_whose_callers_are_gone_leave_no_transaction_behind(place: Place) -> None:
    async with running_twice(place) as hub:
        nodes = each(hub)
        session = (await hub.create())["id"]
        async with asyncio.timeout(3 * PATIENCE):
            for batch in range(20):
                paths = [f"GET /{session}", f"POST /{session}/book", f"GET /{session}/calendar.ics", "GET /"]
                await asyncio.gather(
                    *(
                        give_up(nodes[n % 2], paths[n % 4], token(f"gone-{batch}-{n % 8}"), 0.002 * (n % 7))
                        for n in range(50)
                    )
                )
        for node in nodes:
            async with Line.to(node.port) as line:
                answer = await line.ask("POST", f"/{session}/book", token(f"there-{node.port}"))
                assert answer.status == 201
        assert ask(place.database, IDLE) == [0]
        (connections,) = ask(place.database, OURS)
        figures.info("1,000 callers gone: no transaction left, %d connections of two nodes", connections)
        assert connections <= 2 * (WRITERS + READERS)
