"""The database's clock as a process knows it: what its answers leave open together, unless the clock itself was set."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from hub.app import Hub, build
from hub.clock import EPOCH, QUICK_SECONDS, TRIES, Clock, SharedClock, utc_now
from hub.errors import Unavailable
from hub.store import care
from hub.store.postgresql import READERS
from tests.running import PATIENCE, settings_for

LATE = 1_000.0
STANDS_STILL = 0.1


class Server:
    """A database whose clock is `ahead` seconds before a monotonic one of the test's."""

    def __init__(self) -> None:
        self.now = LATE
        self.ahead = 5_000.0
        self.asked = 0

    def seen(self) -> SharedClock:
        """A process's idea of it."""
        return SharedClock(lambda: self.now)

    def look(self, shared: SharedClock, *ways: tuple[float, float]) -> None:
        """Answers that take so many seconds there and back, one after the other, the last one again and again."""
        left = list(ways)

        def ask() -> datetime:
            there, back = left.pop(0) if len(left) > 1 else left[0]
            self.asked += 1
            self.now += there
            told = EPOCH + timedelta(seconds=self.now + self.ahead)
            self.now += back
            return told

        shared.look(ask)

    def off(self, shared: SharedClock) -> float:
        """Seconds by which the process's time is wrong."""
        return (shared() - EPOCH).total_seconds() - (self.now + self.ahead)


@pytest.fixture
def server() -> Server:
    """A database with a clock."""
    return Server()


def test_a_slow_answer_moves_nothing(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.001, 0.001))
    server.now += 4.5
    server.look(shared, (0.3, 0.0))
    assert abs(server.off(shared)) < 0.002


def test_a_quicker_answer_mends_what_a_slow_one_told_first(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.3, 0.0))
    assert abs(server.off(shared)) > 0.1
    server.now += 4.5
    server.look(shared, (0.001, 0.001))
    assert abs(server.off(shared)) < 0.002


def test_answers_that_were_all_slow_tell_the_time_together(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.0, 0.02), (0.03, 0.001))
    assert abs(server.off(shared)) < 0.002


def test_a_slow_answer_is_asked_for_again_at_once_but_not_for_ever(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.3, 0.0), (0.2, 0.0), (QUICK_SECONDS / 2, QUICK_SECONDS / 2))
    assert server.asked == 3
    assert abs(server.off(shared)) <= QUICK_SECONDS
    server.now += 3_600
    server.look(shared, (0.2, 0.0))
    assert server.asked == 3 + TRIES


def test_a_clock_that_was_set_is_followed_at_once(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.001, 0.001))
    server.now, server.ahead = server.now + 4.5, server.ahead + 3_600
    server.look(shared, (0.02, 0.0))
    assert abs(server.off(shared)) < 0.02


def test_a_clock_that_was_set_is_followed_by_an_answer_however_slow_within_half_its_way(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.001, 0.001))
    server.ahead -= 3_600
    server.look(shared, (5.0, 0.0))
    assert abs(server.off(shared)) < 2.6
    server.look(shared, (0.001, 0.001))
    assert abs(server.off(shared)) < 0.002


def test_what_was_seen_long_ago_counts_less_and_less(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.001, 0.001))
    server.now, server.ahead = server.now + 3_600, server.ahead + 0.09
    server.look(shared, (0.1, 0.1))
    assert abs(server.off(shared)) < 0.01


def test_a_clock_that_can_not_look_keeps_its_time(server: Server) -> None:
    shared = server.seen()
    server.look(shared, (0.001, 0.001))

    def away() -> datetime:
        raise Unavailable()

    with pytest.raises(Unavailable):
        shared.look(away)
    assert abs(server.off(shared)) < 0.002


def stand_still(seconds: float) -> None:
    """The loop is busy with something else."""
    time.sleep(seconds)


async def off_after(url: str, look: Callable[[Hub], Coroutine[Any, Any, Clock]]) -> float:
    """By how many seconds the clock that `look` answers is wrong, if the loop is busy again and again meanwhile."""
    hub = build(settings_for(url))
    await hub.database.open()
    try:
        async with asyncio.timeout(2 * PATIENCE):
            all_connected = threading.Barrier(READERS)
            await asyncio.gather(*(hub.database.read(lambda _: all_connected.wait(PATIENCE)) for _ in range(READERS)))
            looking = asyncio.create_task(look(hub))
            while not looking.done():
                await asyncio.sleep(0)
                stand_still(STANDS_STILL)
        return abs((looking.result()() - utc_now()).total_seconds())
    finally:
        await hub.database.close()


async def as_the_hub_does(hub: Hub) -> Clock:
    """The hub's clock, once it has looked."""
    await hub.lease.look()
    return hub.lobby.clock


async def by_way_of_the_loop(hub: Hub) -> Clock:
    """A clock that goes by when the loop asked, and when the loop heard."""
    before = time.monotonic()
    told = await hub.database.read(partial(care.time, now=utc_now()))
    middle = (before + time.monotonic()) / 2
    return lambda: told + timedelta(seconds=time.monotonic() - middle)


async def test_a_loop_that_is_late_for_the_answer_does_not_make_the_clock_wrong(fresh_postgres: str) -> None:
    assert await off_after(fresh_postgres, as_the_hub_does) < STANDS_STILL / 6


async def test_control_a_clock_that_is_told_by_way_of_the_loop_is_wrong_by_half_of_that(fresh_postgres: str) -> None:
    assert await off_after(fresh_postgres, by_way_of_the_loop) > STANDS_STILL / 3
