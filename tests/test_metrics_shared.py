"""The figures of what only many processes have: the bus between them, and a server that is spoken to again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.bus.redis import RedisBus, link
from tests.bus.listening import a_change, until
from tests.conftest import REDIS_DATABASES
from tests.processes import free_port
from tests.running import Client, Place, Running, running_twice
from tests.scrape import Moved, comes, moves, scrape
from tests.second import Second
from tests.servers import RedisServer
from tests.tables import change

OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}"


@pytest.fixture
def number() -> int:
    """Of a Redis database that no other test uses."""
    return next(REDIS_DATABASES)


@pytest.fixture
async def two(fresh_postgres: str, redis_server: RedisServer, second: Second, number: int) -> AsyncIterator[Running]:
    """Two processes; the figures are the first one's."""
    async with running_twice(Place(fresh_postgres, redis_server.url(number), second)) as hub:
        yield hub


def at(hub: Running, index: int) -> Running:
    """One of two processes alone."""
    return Running((hub.ports[index],), hub.where, hub.hub)


async def test_what_goes_and_comes_between_two_processes(two: Running, redis_server: RedisServer, number: int) -> None:
    session = (await two.create())["id"]
    async with Client.at(at(two, 0)) as watcher:
        await watcher.ask(type="watch", sessions=[session])
        here = Moved("hub_bus_published_total"), Moved("hub_bus_lag_seconds_count")
        async with moves(two, *here):
            await at(two, 0).book(session, "ann")
        async with moves(two, Moved("hub_bus_delivered_total")):
            await at(two, 1).book(session, "bob")
        async with moves(two, Moved("hub_bus_refused_total")):
            redis_server.ask("PUBLISH", f"hub:1:{number}:session:{session}", "nonsense")
        async with moves(two, Moved("hub_bus_reconnects_total")):
            redis_server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await comes(two, lambda now: now.of("hub_bus_up") == 1)


async def test_the_way_of_an_announcement_is_measured_where_the_process_follows_it_itself(
    redis_server: RedisServer, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "BEAT_SECONDS", 600.0)  # beats are measured too, and would be in the way here
    bus = RedisBus(redis_server.url(number))
    running = asyncio.create_task(bus.run())

    def measured() -> int:
        return sum(bus.figures.delays.counts)

    try:
        await until(lambda: bus.healthy, "Redis")
        await bus.follow([1])
        before = measured()
        bus.publish(a_change(session=2))
        for revision in (1, 2, 3):
            bus.publish(a_change(session=1, revision=revision))
            await until(lambda: measured() == before + revision, f"revision {revision}")  # noqa: B023  awaited here
        assert 0 < bus.figures.delays.total
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_without_redis_what_is_dropped_is_counted_and_the_process_is_not_ready(
    fresh_postgres: str, second: Second
) -> None:
    away = f"redis://127.0.0.1:{free_port()}"
    async with running_twice(Place(fresh_postgres, away, second)) as hub:
        async with moves(hub, Moved("hub_bus_dropped_total")):
            await at(hub, 0).create()
        now = await scrape(hub.ports[0])
        assert (now.of("hub_bus_up"), now.of("hub_ready")) == (0, 0)


async def test_a_transaction_that_is_begun_again(two: Running) -> None:
    session = (await two.create())["id"]
    async with moves(two, Moved("hub_database_retries_total")):
        change(two.where, CUT)
        await at(two, 0).book(session, "ann")
