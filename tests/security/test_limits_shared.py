"""A9: one limit for all processes, told through Redis as a hint: never waited for, never believed unsigned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
import redis.asyncio

from hub.bus import Hear, wire
from hub.bus.memory import MemoryBus
from hub.bus.redis import RedisBus
from hub.spending import KEY_BYTES, SHARE, Spending
from tests.bus.listening import at, until
from tests.conftest import a_hub
from tests.groups import ClusterServers
from tests.running import API, EXPERT, Running
from tests.servers import RedisServer

LIMIT = 200
SECRET = b"s" * 32
NUMBERS = count(1000)


# Two hubs.


@pytest.fixture(params=["two"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """Two processes that share a limit."""
    async with a_hub(request, tmp_path, rate_limit=LIMIT) as hub:
        yield hub


async def granted(hub: Running, asked: int) -> tuple[int, float]:
    """Of as many requests of one person, half of them to each process at once: how many it got, and in what time."""
    began = monotonic()

    async def ask(port: int) -> int:
        async with hub.http(**EXPERT) as http:
            got = [(await http.get(f"http://127.0.0.1:{port}{API}")).status_code for _ in range(asked // 2)]
        assert set(got) <= {200, 429}
        return got.count(200)

    return sum(await asyncio.gather(*map(ask, hub.ports))), monotonic() - began


async def test_A9_the_limit_holds_on_two_nodes_within_a_tenth(both: Running) -> None:
    got, seconds = await granted(both, 3 * LIMIT)
    due = LIMIT + seconds * LIMIT / 60
    assert 0.9 * LIMIT <= got <= 1.1 * due


async def test_A9_without_word_of_each_other_two_nodes_would_give_twice_as_much(both: Running) -> None:
    assert both.hub is not None
    bus = both.hub.bus
    assert isinstance(bus, RedisBus)
    bus._hear.clear()
    bus.whisper = lambda note: None  # type: ignore[method-assign]  # the protection that is switched off
    got, _ = await granted(both, 3 * LIMIT)
    assert got >= 1.9 * LIMIT


# Two buckets at a bus.


class Loud(MemoryBus):
    """A bus that keeps what is whispered, and tells it to whoever it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[bytes] = []
        self.hears: list[Hear] = []

    def whisper(self, note: bytes) -> None:
        """Keep it."""
        self.notes.append(note)

    def overhear(self, hear: Hear) -> None:
        """Keep who hears."""
        self.hears.append(hear)


def left(spending: Spending, who: str = "amina") -> int:
    """What is left after one more was taken."""
    return spending.take("person", who).left


async def test_A9_what_is_spent_is_told_as_soon_as_it_is_a_twentieth() -> None:
    bus = Loud()
    here, there = Spending(LIMIT, bus, SECRET), Spending(LIMIT, Loud(), SECRET)
    for _ in range(LIMIT // SHARE - 1):
        here.take("person", "amina")
    assert not bus.notes
    here.take("person", "amina")
    (note,) = bus.notes
    there.hear(b"here", note)
    assert left(there) == LIMIT - LIMIT // SHARE - 1
    assert left(there, "omar") == LIMIT - 1


async def test_A9_what_is_less_is_told_a_moment_later_and_once() -> None:
    bus = Loud()
    here = Spending(LIMIT, bus, SECRET)
    here.take("person", "amina")
    here.take("address", "192.0.2.1")
    assert not bus.notes
    await until(lambda: len(bus.notes) == 1, "the note")
    here.take("person", "amina")
    await until(lambda: len(bus.notes) == 2, "the next one")
    there = Spending(LIMIT, Loud(), SECRET)
    for note in bus.notes:
        there.hear(b"here", note)
    assert left(there) == LIMIT - 3
    assert there.take("address", "192.0.2.1").left == LIMIT - 2


async def test_A9_what_is_refused_is_not_told() -> None:
    bus = Loud()
    here = Spending(1, bus, SECRET)
    for _ in range(5):
        here.take("person", "amina")
    assert len(bus.notes) == 1


async def test_A9_a_note_that_was_heard_counts_once_and_what_is_no_note_never() -> None:
    bus = Loud()
    here, there = Spending(LIMIT, bus, SECRET), Spending(LIMIT, Loud(), SECRET)
    for _ in range(2):
        here.take("person", "amina")
        here.tell()
    first, second = bus.notes
    for note in (first, first, second, second, first, b"", b"\0" * 7, second + b"\0", second[:-1]):
        there.hear(b"here", note)
    assert left(there) == LIMIT - 3
    there.hear(b"another", first)
    assert left(there) == LIMIT - 5


async def test_A9_what_comes_late_takes_nothing_whatever_the_clocks_show() -> None:
    bus, now = Loud(), [1000.0]
    here = Spending(LIMIT, bus, SECRET, clock=lambda: now[0])
    there = Spending(LIMIT, Loud(), SECRET, clock=lambda: now[0] * 1.0001 - 900)

    people = map(str, count())

    def counts(after: float) -> bool:
        """Whether a request here counts there, so many seconds after it was told."""
        who = next(people)
        here.take("person", who)
        here.tell()
        now[0] += after
        there.hear(b"here", bus.notes.pop())
        return left(there, who) == LIMIT - 2

    assert [counts(0.01), counts(1.5), counts(60), counts(0.01)] == [True, True, False, True]
    now[0] += 24 * 3600  # the clocks are nine seconds further apart
    assert [counts(0.01), counts(3600), counts(0.01)] == [True, False, True]


async def test_A9_who_it_was_is_in_no_note() -> None:
    bus = Loud()
    here = Spending(LIMIT, bus, SECRET)
    other = Spending(LIMIT, Loud(), b"t" * 32)
    here.take("person", "amina")
    here.tell()
    assert b"amina" not in bus.notes[0]
    assert len(bus.notes[0]) == 8 + KEY_BYTES + 4
    other.hear(b"here", bus.notes[0])
    assert left(other) == LIMIT - 1, "a hash without a key could be tried for every person"


# Two buckets at Redis.


@asynccontextmanager
async def two(url: str) -> AsyncIterator[tuple[Spending, Spending, RedisBus, RedisBus]]:
    one, other = RedisBus(url, SECRET), RedisBus(url, SECRET)
    here, there = Spending(LIMIT, one, SECRET), Spending(LIMIT, other, SECRET)
    async with at(one), at(other):
        await until(lambda: one.healthy and other.healthy, "both buses' health")
        yield here, there, one, other


async def spends(here: Spending, there: Spending, who: str) -> None:
    """What is taken here is missing there."""
    for _ in range(LIMIT // 2):
        here.take("person", who)
    await until(_less(there, who), "word of what was spent")


def _less(there: Spending, who: str) -> Callable[[], bool]:
    key = there._key("person", who)
    return lambda: key in there._rate._buckets and there._rate._buckets[key].left < LIMIT * 0.6


async def test_A9_through_one_server(redis_server: RedisServer) -> None:
    async with two(redis_server.url(next(NUMBERS))) as (here, there, _, _):
        await spends(here, there, "amina")
        await spends(there, here, "omar")


async def test_A9_through_a_cluster() -> None:
    servers = ClusterServers()
    await asyncio.to_thread(servers.__enter__)
    try:
        async with two(servers.url) as (here, there, _, _):
            await spends(here, there, "amina")
            await spends(there, here, "omar")
    finally:
        await asyncio.to_thread(servers.__exit__, None, None, None)


async def test_A9_what_is_not_signed_takes_nothing_from_anyone(redis_server: RedisServer) -> None:
    number = next(NUMBERS)
    async with two(redis_server.url(number)) as (_, there, _, bus):
        channel, bucket = b"hub:1:%d:notes" % number, there._key("person", "amina")
        spent = (1).to_bytes(8, "little") + bucket + (LIMIT).to_bytes(4, "little")
        async with redis.asyncio.from_url(redis_server.url()) as stranger:
            for forged in (b"o" * 16 + spent, wire.sign(b"t" * 32, channel, b"o" * 16 + spent)):
                refused = bus.figures.undecodable
                await stranger.publish(channel, forged)
                await until(lambda: bus.figures.undecodable > refused, "its refusal")  # noqa: B023  it is awaited here
            assert left(there) == LIMIT - 1
            await stranger.publish(channel, wire.sign(SECRET, channel, b"o" * 16 + spent))
        await until(lambda: there._rate._buckets[bucket].left < LIMIT / 2, "what is signed")


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A Redis of one's own, to be hurt."""
    with RedisServer(own=True) as server:
        yield server


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_A9_while_redis_is_away_each_process_goes_on_by_itself_and_nothing_is_told_late(
    own: RedisServer, how: str
) -> None:
    async with two(own.url()) as (here, there, one, other):
        await spends(here, there, "amina")
        await asyncio.to_thread(getattr(own, how))
        await until(lambda: not any(link.up for bus in (one, other) for link in bus._links.values()), "the outage")
        began = monotonic()
        granted = sum(not here.take("person", "omar").wait for _ in range(3 * LIMIT))
        assert monotonic() - began < 1, "something was waited for"
        assert LIMIT <= granted <= 1.1 * LIMIT
        await asyncio.to_thread(own.restart if how == "kill" else own.thaw)
        await until(lambda: one.healthy and other.healthy, "health")
        await spends(here, there, "jane")
        assert left(there, "omar") >= LIMIT * 0.9 - 1, "what was spent meanwhile was told after all"


async def test_A9_nothing_is_kept_in_redis(own: RedisServer) -> None:
    async with two(own.url()) as (here, there, _, _):
        await spends(here, there, "amina")
        assert own.ask("DBSIZE") == 0
