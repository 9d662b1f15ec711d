"""PostgreSQL stands still: sockets stay up, leaves are kept with their times, and no living node is buried for it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from hub.leases import SWEEP_SECONDS, Lease
from hub.store.postgresql import JOB_SECONDS, PostgresDatabase
from tests.faults.beside import halted
from tests.faults.cores import Watch
from tests.faults.light import Light
from tests.faults.people import crowd
from tests.faults.truth import Eye, until_same
from tests.running import PATIENCE, Place, Running, now, running_twice, token
from tests.second import Second
from tests.servers import PostgresServer, RedisServer
from tests.stored import until_visits, visits
from tests.storm import Line, people_counted, seats_sold_once, storm, tally, tokens
from tests.tables import ask

figures = logging.getLogger("figures")

LONG = os.environ.get("HUB_TEST_LONG") == "1"
LEASE = 15.0 if LONG else 3.0
FROZEN = 30.0 if LONG else 8.0
LEAVERS = [f"leaver-{number}" for number in range(300)]
STAYERS = [f"stayer-{number}" for number in range(40)]
SLOW_SECONDS = 2.0
"""How much longer than the database the second node stands still: less than a lease, more than a sweep."""
ANSWERED_WITHIN = 8.0
"""A group of changes that was cut off after five seconds, and the next one, whose connection is refused after two."""
WRITTEN_WITHIN = 8.0


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A server that may be frozen."""
    with PostgresServer(own=True) as server:
        yield server


@pytest.fixture
async def place(own_postgres: PostgresServer, redis_server: RedisServer, second: Second) -> AsyncIterator[Place]:
    """Where both nodes meet."""
    url = own_postgres.database()
    await PostgresDatabase(url).migrate()
    yield Place(url, redis_server.url(15), second)
    own_postgres.drop(url)


def leases(where: str) -> list[tuple[str, str]]:
    """The nodes that there were, and their states."""
    return sorted(ask(where, "SELECT id, state FROM nodes"))


@dataclass
class Asked:
    """What was asked while the database stood still, and how long each answer took."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    booked: list[str] = field(default_factory=list)
    thawed: bool = False

    def answered(self, what: str, since: float, answer: str) -> None:
        """Remember one."""
        self.took[what].append(time.monotonic() - since)
        if not self.thawed or what == "leave":
            self.answers[what].add(answer)

    async def requests(self, node: Running, session: int, method: str, path: str) -> None:
        """Ask again and again until it thaws."""
        number = 0
        async with Line.to(node.port) as line:
            while not self.thawed:
                number += 1
                since = time.monotonic()
                answer = await line.ask(method, f"/{session}{path}", token(f"asker-{node.port}-{number}"))
                self.answered(method, since, answer.what)
                if answer.status == 201:
                    self.booked.append(answer.body["data"]["id"])
                await asyncio.sleep(0.05)

    async def joins(self, socket: Light, session: int) -> None:
        """Try to join again and again until it thaws."""
        while not self.thawed:
            since = time.monotonic()
            answer = await socket.ask(type="join", session=session)
            self.answered("join", since, answer.get("code", "ok"))
            await asyncio.sleep(0.05)

    async def leaves(self, socket: Light, session: int) -> None:
        """Leave, once."""
        since = time.monotonic()
        answer = await socket.ask(type="leave", session=session)
        self.answered("leave", since, answer["type"])


async def all_inside(nodes: Sequence[Running], session: int, people: list[str]) -> list[Light]:
    """Sockets of these people, in turn at one node and the other, who are inside."""

    async def come(number: int, person: str) -> Light:
        socket = await Light.at(nodes[number % 2].port, person)
        assert (await socket.ask(type="join", session=session))["type"] == "ok"
        return socket

    return await crowd((come(number, person) for number, person in enumerate(people)), at_once=20)


async def go(asked: Asked, sockets: list[Light], session: int, seconds: float) -> dict[str, datetime]:
    """Everyone leaves, one after the other: by word, by hanging up, or without a word; when each did."""
    went, waiting = {}, []
    for number, (person, socket) in enumerate(zip(LEAVERS, sockets, strict=True)):
        went[person] = now()
        if number % 4 < 2:
            waiting.append(asyncio.create_task(asked.leaves(socket, session)))
        elif number % 4 == 2:
            socket.hang_up()
        else:
            socket.drop()
        await asyncio.sleep(seconds / len(sockets))
    await asyncio.gather(*waiting)
    return went


async def ping_all(sockets: list[Light]) -> list[float]:
    """How long each waits for a pong, all of them at once, who are at one node and the other in turn."""

    async def ping(socket: Light) -> float:
        watch = Watch()
        await socket.ask(type="ping")
        return watch.seconds

    watch = Watch()
    waits = await asyncio.gather(*(ping(socket) for socket in sockets))
    pongs = max(waits[::2]), max(waits[1::2])
    figures.info("pongs within %.2f s here and %.2f s there; the test stood in line %.2f s", *pongs, watch.in_line)
    return waits


@dataclass
class Scene:
    """Two nodes, people inside one session by both, and who looks at it."""

    hub: Running
    nodes: list[Running]
    session: int
    booked: set[str]
    eyes: list[Eye]
    leavers: list[Light]
    stayers: list[Light]
    joiners: list[Light]


@asynccontextmanager
async def scene(place: Place) -> AsyncIterator[Scene]:
    """Everyone is there; those who want to join have a seat and a socket."""
    async with running_twice(place, lease_seconds=LEASE) as hub, AsyncExitStack() as stack:
        nodes = [Running((port,), hub.where) for port in hub.ports]
        session = (await hub.create(rosterVisibility="host"))["id"]
        everyone = tokens([*LEAVERS, *STAYERS, "joiner-0", "joiner-1"])
        booked = await storm(nodes[0].port, (("POST", f"/{session}/book", one) for one in everyone.values()))
        assert tally(booked) == {"201": len(everyone)}
        eyes = [await stack.enter_async_context(Eye.at(node, [session])) for node in nodes]
        leavers = await all_inside(nodes, session, LEAVERS)
        stayers = await all_inside(nodes, session, STAYERS)
        joiners = [await Light.at(node.port, f"joiner-{number}") for number, node in enumerate(nodes)]
        ids = {answer.body["data"]["id"] for answer in booked}
        yield Scene(hub, nodes, session, ids, eyes, leavers, stayers, joiners)
        for socket in (*stayers, *joiners):
            socket.drop()


async def freeze_under(on: Scene, place: Place, server: PostgresServer, asked: Asked) -> dict[str, datetime]:
    """Freeze the database under all of it, and the second node for a bit longer; when everyone left who did."""
    await asyncio.to_thread(server.freeze)
    began = time.monotonic()
    asking = [asyncio.create_task(asked.joins(socket, on.session)) for socket in on.joiners]
    for node in on.nodes:
        asking.append(asyncio.create_task(asked.requests(node, on.session, "POST", "/book")))
        asking.append(asyncio.create_task(asked.requests(node, on.session, "GET", "")))
    going = asyncio.create_task(go(asked, on.leavers, on.session, FROZEN * 0.6))
    await asyncio.sleep(FROZEN / 2)
    asked.took["ping"] += await ping_all(on.stayers)
    await asyncio.sleep(began + FROZEN - time.monotonic())
    asked.thawed = True
    async with halted(place.second):
        await asyncio.to_thread(server.thaw)
        await asyncio.sleep(SLOW_SECONDS)
    async with asyncio.timeout(2 * PATIENCE):
        went = await going
        await asyncio.gather(*asking)
    return went


async def until_written(on: Scene, went: dict[str, datetime], asked: Asked) -> None:
    """Wait for every leave; each has its time and its reason."""
    since = time.monotonic()
    rows = await until_visits(on.hub, on.session, lambda rows: all(row.left for row in rows if row.user in went))
    written = time.monotonic() - since
    errors = [abs((row.left - went[row.user]).total_seconds()) for row in rows if row.user in went and row.left]
    figures.info(
        "postgresql frozen %.0f s: leaves off by %.2f s at most, all written %.1f s after both nodes went on; %s",
        *(FROZEN, max(errors), written, {what: f"{max(took):.2f} s" for what, took in asked.took.items()}),
    )
    assert len(errors) == len(LEAVERS)
    assert max(errors) <= 1.0
    assert written <= WRITTEN_WITHIN
    assert {row.reason for row in rows if row.user in went} == {"left", "disconnected"}


async def test_while_the_database_stands_still_nobody_is_sent_away_and_every_leave_is_kept_with_its_time(
    place: Place, own_postgres: PostgresServer
) -> None:
    asked, where = Asked(), place.database
    async with scene(place) as on:
        before = leases(where)
        went = await freeze_under(on, place, own_postgres, asked)
        thawed = time.monotonic()
        await until_written(on, went, asked)
        unavailable = {"join": {"unavailable"}, "POST": {"503 unavailable"}, "GET": {"503 unavailable"}}
        assert dict(asked.answers) == unavailable | {"leave": {"ok"}}
        assert max(max(took) for took in asked.took.values()) <= ANSWERED_WITHIN
        assert max(asked.took["ping"]) <= 1.0
        assert not [socket for socket in (*on.stayers, *on.joiners) if socket.closed.done()]
        await until_same(where, on.eyes, PATIENCE)
        kept = set(ask(where, "SELECT id FROM session_bookings WHERE status = 'confirmed'"))
        assert on.booked | set(asked.booked) <= kept
        assert people_counted(where, on.session) + seats_sold_once(where, on.session) == []
        await asyncio.sleep(max(0.0, thawed + LEASE + 2 - time.monotonic()))  # by then whoever was silent is buried
        assert leases(where) == before
        assert {row.user for row in visits(on.hub, on.session) if row.left is None} >= set(STAYERS)


async def test_control_a_reaper_that_does_not_wait_for_calm_buries_a_living_node(
    place: Place, own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "calm", True)  # in this process, and not in the other
    async with running_twice(place, lease_seconds=2 * LEASE):
        await asyncio.sleep(2 * SWEEP_SECONDS)  # they have seen each other
        before = leases(place.database)
        await asyncio.to_thread(own_postgres.freeze)
        # Until the other gave up its connection: a beat that waits in it would be heard first when the server wakes.
        await asyncio.sleep(JOB_SECONDS + LEASE)
        async with halted(place.second):
            await asyncio.to_thread(own_postgres.thaw)
            await asyncio.sleep(2 * LEASE - 1)  # less than a lease: it lives
        after = leases(place.database)
    assert [state for _, state in before] == ["alive", "alive"]
    assert "dead" in [state for _, state in after]
