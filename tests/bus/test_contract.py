"""What every bus promises, on memory and on Redis."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import msgspec
import pytest

from hub.bus import CATALOG, Bus
from hub.bus.memory import MemoryBus
from hub.bus.redis import RedisBus
from hub.domain.events import SessionChanged, born
from hub.errors import Unavailable
from tests.bus.listening import NEVER, PATIENCE, Process, a_change, at, until
from tests.domain.factories import a_session
from tests.processes import free_port
from tests.servers import RedisServer

Make = Callable[[], Bus]
NAMESPACES = itertools.count(1 + os.getpid() % 1000 * 1000)
"""A new one for each test: they share a server, and pub/sub is global on it."""


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    """Buses of one kind; all that a test makes reach each other, save on memory, which is one process."""
    if request.param == "memory":
        return MemoryBus
    server: RedisServer = request.getfixturevalue("redis_server")
    url = server.url(next(NAMESPACES))
    return lambda: RedisBus(url)


@pytest.fixture
def many(redis_server: RedisServer) -> Make:
    """Buses of the kind that knows several processes: memory is one."""
    url = redis_server.url(next(NAMESPACES))
    return lambda: RedisBus(url)


@pytest.fixture
async def enter() -> AsyncIterator[Callable[[Bus], object]]:
    """Starts a bus for this test and waits until it answers."""
    async with AsyncExitStack() as stack:

        async def start(bus: Bus) -> Process:
            process = await stack.enter_async_context(at(bus))
            await until_it_answers(bus)
            return process

        yield start


async def until_it_answers(bus: Bus) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await bus.answers()
            except Unavailable:
                await asyncio.sleep(0.005)


Enter = Callable[[Bus], "asyncio.Future[Process]"]


async def test_a_change_is_delivered_here_at_once(make: Make, enter: Enter) -> None:
    process = await enter(make())

    process.bus.publish(a_change())

    assert [change for change, _ in process.heard] == [a_change()]


async def test_a_change_is_delivered_here_once(make: Make, enter: Enter) -> None:
    process = await enter(make())
    await process.bus.follow([1, CATALOG])
    process.bus.publish(born(a_session()))
    process.bus.publish(a_change(revision=2))

    await asyncio.sleep(NEVER)

    assert process.revisions() == [1, 2]


async def test_another_process_hears_what_it_follows_and_nothing_else(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())
    await there.bus.follow([2, 3])

    for session in (1, 2, 3):
        here.bus.publish(a_change(session))
    await there.until(1, session=3)

    assert [change for change, _ in there.heard] == [a_change(2), a_change(3)]


async def test_both_processes_get_the_same_message_and_it_is_the_state(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())
    await there.bus.follow([1])

    here.bus.publish(a_change(revision=7))
    await there.until(7)

    assert here.heard == there.heard
    (_, frame) = there.heard[0]
    assert frame is not None
    assert msgspec.json.decode(frame)["revision"] == 7


async def test_each_publisher_is_heard_in_its_order(many: Make, enter: Enter) -> None:
    first, second, there = await enter(many()), await enter(many()), await enter(many())
    await there.bus.follow([1, 2])
    expected = list(range(1, 501))

    for revision in expected:
        first.bus.publish(a_change(1, revision))
        second.bus.publish(a_change(2, revision))
        if revision % 50 == 0:
            await asyncio.sleep(0)
    await there.until(500, session=1)
    await there.until(500, session=2)

    assert there.revisions(1) == expected
    assert there.revisions(2) == expected


async def test_a_follower_of_the_catalog_hears_what_changes_it_and_nothing_else(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())
    await there.bus.follow([CATALOG])
    new = born(a_session())

    here.bus.publish(a_change(revision=2))
    here.bus.publish(new)
    await there.until(1)

    assert [change for change, _ in there.heard] == [new]


async def test_who_follows_a_session_and_the_catalog_hears_the_listing_once(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())
    await there.bus.follow([CATALOG, 1])
    new = born(a_session())

    here.bus.publish(new)
    await until(lambda: len(there.heard) == 2, "the change on both topics")

    heard: list[SessionChanged] = [change for change, _ in there.heard]
    assert sorted(heard, key=lambda change: change.listing is None) == [new, replace(new, listing=None)]


async def test_what_is_not_followed_any_more_is_not_heard(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())
    await there.bus.follow([1, 2])
    here.bus.publish(a_change(1, 1))
    await there.until(1)

    there.bus.unfollow([1])
    here.bus.publish(a_change(1, 2))
    here.bus.publish(a_change(2, 9))
    await there.until(9, session=2)

    assert there.revisions(1) == [1]


async def test_the_last_wish_wins_however_fast_they_come(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())
    wishes = []
    for session in range(1, 51):
        wishes.append(asyncio.create_task(there.bus.follow([session])))
        await asyncio.sleep(0)
        there.bus.unfollow([session])
        if session % 2:
            wishes.append(asyncio.create_task(there.bus.follow([session])))
            await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*wishes)

    for session in range(1, 51):
        here.bus.publish(a_change(session))
    await there.until(1, session=49)
    await asyncio.sleep(NEVER)

    assert [change.state.session for change, _ in there.heard] == list(range(1, 51, 2))


async def followed_and_told(here: Process, there: Process, sessions: range, *, wait: bool) -> None:
    """Follow each session and publish it the moment that `follow` returned, or not waiting for that."""
    follows = []
    for session in sessions:
        following = asyncio.create_task(there.bus.follow([session]))
        follows.append(following)
        await (following if wait else asyncio.sleep(0))
        here.bus.publish(a_change(session))
    await asyncio.gather(*follows)
    await there.bus.follow([9_999])
    here.bus.publish(a_change(9_999))
    await there.until(1, session=9_999)


async def test_nothing_is_missed_that_is_published_after_follow_returned(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())
    gaps = there.gaps

    await followed_and_told(here, there, range(1, 401), wait=True)

    heard = [change.state.session for change, _ in there.heard]
    assert heard == [*range(1, 401), 9_999]
    assert there.gaps == gaps


async def test_control_who_does_not_wait_for_follow_misses_some(many: Make, enter: Enter) -> None:
    here, there = await enter(many()), await enter(many())

    await followed_and_told(here, there, range(1, 401), wait=False)

    assert len(there.heard) < 401


async def test_publishing_does_not_wait_and_is_heard_here_while_the_server_is_away() -> None:
    bus = RedisBus(f"redis://127.0.0.1:{free_port()}")
    async with at(bus) as process:
        async with asyncio.timeout(0.5):
            await bus.follow([1])
        bus.publish(a_change())
        with pytest.raises(Unavailable, match="Redis does not answer"):
            await bus.answers()
        await until(lambda: bus.figures.dropped == 1, "the drop")

    assert process.revisions() == [1]


async def test_what_waits_is_sent_before_the_end(many: Make, enter: Enter) -> None:
    there = await enter(many())
    await there.bus.follow([1])
    async with at(many()) as here:
        await until_it_answers(here.bus)
        for revision in range(1, 101):
            here.bus.publish(a_change(1, revision))

    await there.until(100)
    assert there.revisions() == list(range(1, 101))


async def test_hubs_with_other_numbers_do_not_hear_each_other(redis_server: RedisServer, enter: Enter) -> None:
    here, stranger, there = [await enter(RedisBus(redis_server.url(number))) for number in (7, 8, 7)]
    for process in (stranger, there):
        await process.bus.follow([1])

    here.bus.publish(a_change())
    await there.until(1)
    await asyncio.sleep(NEVER)

    assert stranger.heard == []


async def test_hubs_with_another_key_are_heard_and_not_believed(redis_server: RedisServer, enter: Enter) -> None:
    url = redis_server.url(9)
    here, stranger, there = [await enter(RedisBus(url, key)) for key in (b"ours", b"theirs", b"ours")]
    for process in (stranger, there):
        await process.bus.follow([1])

    here.bus.publish(a_change())
    await there.until(1)
    await asyncio.sleep(NEVER)

    assert stranger.heard == []
    assert isinstance(stranger.bus, RedisBus)
    assert stranger.bus.figures.undecodable == 1
