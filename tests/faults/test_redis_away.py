"""Redis goes, stands still, or hangs up: nobody is shown anything untrue, it only takes some seconds to get around."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from hub.rooms import Comparing
from tests.faults.load import Busy, Load, loaded
from tests.faults.truth import Eye, Truth, differences, longest, until_same, untrue
from tests.running import PATIENCE, Place, Running, running_twice
from tests.second import Second
from tests.servers import RedisServer
from tests.storm import people_counted, seats_sold_once

figures = logging.getLogger("figures")

LONG = os.environ.get("HUB_TEST_LONG") == "1"
TRUE_WITHIN = 6.0
HERE_WITHIN = 1.0
QUIET_BEFORE = 2.0
"""Seconds before the fault's end from which some sessions change no more: what is lost of them is not told again, since
a sender keeps what it could not send for about a second at most."""


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A server that may be frozen and killed."""
    with RedisServer(own=True) as server:
        yield server


@pytest.fixture
def place(fresh_postgres: str, own_redis: RedisServer, second: Second) -> Place:
    """Where both nodes meet."""
    return Place(fresh_postgres, own_redis.url(), second)


async def killed(redis: RedisServer, seconds: float) -> None:
    """It is not there for so long."""
    await asyncio.to_thread(redis.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(redis.restart)


async def frozen(redis: RedisServer, seconds: float) -> None:
    """It does not answer for so long, and then it answers all that it was asked meanwhile."""
    await asyncio.to_thread(redis.freeze)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(redis.thaw)


async def hung_up(redis: RedisServer, seconds: float) -> None:
    """Whoever listens to it is cut off every second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(1)
        await asyncio.to_thread(redis.ask, "CLIENT", "KILL", "TYPE", "pubsub")


Fault = Callable[[RedisServer, float], Awaitable[None]]


@dataclass
class Scene:
    """Two nodes under load, and who looks on."""

    hub: Running
    busy: Busy
    load: Load
    truth: Truth
    eyes: tuple[Eye, Eye]


@asynccontextmanager
async def scene(place: Place) -> AsyncIterator[Scene]:
    """Everything runs, and is shown truly."""
    async with running_twice(place, count_interval_ms=100) as hub:
        nodes = [Running((port,), hub.where) for port in hub.ports]
        busy = await Busy.make(hub)
        async with (
            Eye.at(nodes[0], busy.all) as here,
            Eye.at(nodes[1], busy.all) as there,
            Truth.of(place.database) as truth,
            loaded(nodes, busy) as load,
        ):
            await asyncio.sleep(1)  # of the load before the fault
            yield Scene(hub, busy, load, truth, (here, there))


async def suffer(on: Scene, fault: Fault, redis: RedisServer, seconds: float) -> None:
    """The fault; some sessions change to its very end and beyond, the others till just before it."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_run(fault(redis, seconds)))
        await asyncio.sleep(seconds - QUIET_BEFORE)
        on.load.quiet.set()
    await asyncio.sleep(1)  # of the load after the fault


async def _run(work: Awaitable[None]) -> None:
    await work


async def until_ready(hub: Running) -> None:
    """Wait until both nodes hear by Redis again: the comparing alone would hide one that stays deaf (there was one)."""
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        for port in hub.ports:
            http = await stack.enter_async_context(Running((port,), hub.where).http())
            while True:
                if (await http.get("/readyz")).status_code == 200:
                    break
                await asyncio.sleep(0.1)


def delays(on: Scene) -> dict[str, float]:
    """How old the oldest change got before it was shown: where it was made, at the other node, and in the catalogs."""
    stored, eyes, busy = on.truth, on.eyes, on.busy
    return {
        "here": max(longest(stored.revisions, eyes[node].revisions, busy.through(node)) for node in (0, 1)),
        "there": max(longest(stored.revisions, eye.revisions, busy.all) for eye in eyes),
        "catalog": max(longest(stored.versions, eye.versions, stored.versions) for eye in eyes),
    }


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(killed, 60.0 if LONG else 6.5), (frozen, 30.0 if LONG else 6.5), (hung_up, 60.0 if LONG else 3.0)],
    ids=["killed", "frozen", "hung up"],
)
async def test_while_redis_is_away_everyone_is_shown_the_truth_within_seconds_and_in_the_end_nothing_differs(
    place: Place, own_redis: RedisServer, fault: Fault, seconds: float
) -> None:
    async with scene(place) as on:
        began = time.monotonic()
        await suffer(on, fault, own_redis, seconds)
        await on.load.end()
        rate = sum(on.load.done.values()) / (time.monotonic() - began + 1)
        took = await until_same(place.database, on.eyes, TRUE_WITHIN)
        await until_ready(on.hub)
        found = delays(on)
        figures.info(
            "redis %s %.0f s, %.0f changes/s: shown here after %.2f s, there %.2f s, listed %.2f s; all %.2f s after",
            *(fault.__name__, seconds, rate, found["here"], found["there"], found["catalog"], took),
        )
        assert found["here"] <= HERE_WITHIN
        assert found["there"] <= TRUE_WITHIN
        assert found["catalog"] <= TRUE_WITHIN
        assert untrue(on.truth, on.eyes) == []
        for session in on.busy.all:
            assert people_counted(place.database, session) + seats_sold_once(place.database, session) == []
        assert rate > 30, "there was no load to speak of"


async def test_control_without_the_comparing_of_revisions_what_was_lost_is_never_shown(
    place: Place, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_away(comparing: Comparing) -> None:
        pass

    monkeypatch.setattr(Comparing, "compare", look_away)  # in this process, and not in the other
    async with scene(place) as on:
        await suffer(on, killed, own_redis, 3.5)
        await on.load.end()
        await until_same(place.database, [on.eyes[1]], TRUE_WITHIN)
        with pytest.raises(AssertionError, match="shown"):
            await until_same(place.database, [on.eyes[0]], 1.0)
        assert differences(place.database, on.eyes[0])
        assert delays(on)["catalog"] == float("inf")
