"""One Redis that dies, freezes, cuts connections or is too slow: each gap is told, and then the newest flows again."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from hub.bus import wire
from hub.bus.redis import RedisBus, link, sender
from hub.domain.events import Present
from hub.domain.people import Role
from tests.bus.listening import NEVER, Process, a_change, at, two, until
from tests.domain.factories import NOW
from tests.servers import RedisServer

SEEN_WITHIN = 6.0
"""Seconds within which an outage is noticed, and after its end everything flows."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of one's own, to be hurt."""
    with RedisServer(own=True) as server:
        yield server


async def flows(here: Process, there: Process, revision: int) -> None:
    here.bus.publish(a_change(revision=revision))
    await there.until(revision)


async def well(process: Process) -> None:
    bus = process.bus
    assert isinstance(bus, RedisBus)
    await until(lambda: bus.healthy, "health", SEEN_WITHIN)


async def flows_again(here: Process, there: Process, gaps: int, revision: int) -> None:
    await until(lambda: there.gaps > gaps, "word of the gap", SEEN_WITHIN)
    await well(here)
    await flows(here, there, revision)


async def test_while_nothing_happens_no_gap_is_told(server: RedisServer) -> None:
    async with two(server.url()) as (here, there, _, bus):
        await there.bus.follow([1])
        gaps, beats = there.gaps, server.ask("INFO", "commandstats")["cmdstat_publish"]["calls"]
        await asyncio.sleep(2 * link.BEAT_SECONDS)
        await flows(here, there, 1)

        assert there.gaps == gaps
        assert server.ask("INFO", "commandstats")["cmdstat_publish"]["calls"] > beats + 2
        assert 0 < bus.lag < 1


async def test_a_server_that_was_killed_and_restarted(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with two(server.url()) as (here, there, _, bus):
        await there.bus.follow([1])
        await flows(here, there, 1)
        gaps = there.gaps

        await asyncio.to_thread(server.kill)
        await until(lambda: not bus.healthy, "the outage", SEEN_WITHIN)
        here.bus.publish(a_change(revision=2))
        async with asyncio.timeout(0.5):
            await there.bus.follow([2])
        assert here.revisions() == [1, 2]
        assert there.gaps == gaps
        await asyncio.sleep(2 * NEVER)
        await asyncio.to_thread(server.restart)

        await flows_again(here, there, gaps, 3)
        here.bus.publish(a_change(2))
        await there.until(1, session=2)
        assert bus.figures.reconnects == 1
    told = [record.message for record in caplog.records if "hearing of Redis" in record.message]
    assert len(told) == 4, told  # two processes, once when it goes and once when it is back


async def test_a_server_that_froze_is_noticed_and_left(server: RedisServer) -> None:
    async with two(server.url()) as (here, there, sending, bus):
        await there.bus.follow([1])
        gaps = there.gaps
        await asyncio.to_thread(server.freeze)
        began = time.monotonic()
        while time.monotonic() < began + 4.5:
            here.bus.publish(a_change(revision=1 + len(here.heard)))
            await asyncio.sleep(0.05)
        assert not bus.healthy
        assert not next(iter(bus._links.values())).up
        assert sending.figures.dropped
        assert there.gaps == gaps

        await asyncio.to_thread(server.thaw)

        await flows_again(here, there, gaps, 1_000)


async def test_control_without_the_watch_a_freeze_is_not_noticed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PATIENCE_SECONDS", 60.0)
    async with two(server.url()) as (_, there, _, bus):
        gaps = there.gaps
        await asyncio.to_thread(server.freeze)
        await asyncio.sleep(4.5)
        up = next(iter(bus._links.values())).up
        await asyncio.to_thread(server.thaw)
        await asyncio.sleep(NEVER)

        assert up
        assert there.gaps == gaps


async def test_a_frozen_server_keeps_nobody_waiting_at_the_end(server: RedisServer) -> None:
    async with at(RedisBus(server.url())) as process:
        await well(process)
        await asyncio.to_thread(server.freeze)
        process.bus.publish(a_change())
        ends = time.monotonic()
    assert time.monotonic() - ends < 1.5


async def test_a_late_word_of_following_is_a_gap(server: RedisServer) -> None:
    async with two(server.url()) as (here, there, _, bus):
        gaps = there.gaps
        await asyncio.to_thread(server.freeze)
        began = time.monotonic()
        await there.bus.follow([1])
        assert 0.9 < time.monotonic() - began < 1.5
        assert not bus.healthy
        await asyncio.to_thread(server.thaw)

        await flows_again(here, there, gaps, 1)

        assert bus.figures.reconnects == 0


async def test_a_process_that_stood_still_does_not_leave_its_server(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(link, "PATIENCE_SECONDS", 0.3)
    async with two(server.url()) as (here, there, _, bus):
        await there.bus.follow([1])
        gaps = there.gaps
        stand_still(1.0)
        await asyncio.sleep(NEVER)
        await flows(here, there, 1)

        assert bus.figures.reconnects == 0
        assert there.gaps == gaps


def stand_still(seconds: float) -> None:
    """What a process does that is halted, or computes without a pause."""
    time.sleep(seconds)


async def test_killed_connections_under_load_leave_nothing_unknown(server: RedisServer) -> None:
    """A gap is told when everything is heard again: who then reads the truth, and takes what comes, knows all."""
    async with two(server.url()) as (here, there, _, bus):
        truth: set[int] = set()
        known: set[int] = set()
        bus.subscribe(lambda change, _: known.add(change.state.session), lambda: known.update(truth))
        await there.bus.follow(range(1, 1_001))
        for session in range(1, 1_001):
            truth.add(session)
            here.bus.publish(a_change(session))
            if session % 50 == 0:
                await asyncio.to_thread(server.ask, "CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.002)
        await well(there)
        await there.bus.follow([9_999])
        here.bus.publish(a_change(9_999))
        await there.until(1, session=9_999)

        assert known >= truth
        heard = {change.state.session for change, _ in there.heard}
        assert not heard >= truth, "control: without word of the gaps nothing would have been lost"
        assert bus.figures.reconnects >= 3


def burst(server: RedisServer, revision: int) -> None:
    """20 MB at once for the followers of session 1, who can't read meanwhile: this blocks the loop."""
    padding = Present("s-1", "x" * 4_000, Role.STUDENT, NOW)
    change = replace(a_change(revision=revision), joined=(padding,))
    packed = wire.pack(os.urandom(wire.ORIGIN_BYTES), change, wire.frame_of(change))
    payload = wire.sign(b"", b"hub:1:0:session:1", packed)
    with redis.Redis.from_url(server.url()) as client, client.pipeline(transaction=False) as pipeline:
        for _ in range(5_000):
            pipeline.publish("hub:1:0:session:1", payload)
        pipeline.execute()


async def test_a_reader_that_is_cut_off_for_being_slow() -> None:
    with RedisServer("--client-output-buffer-limit", "pubsub", "1mb", "1mb", "1", own=True) as server:
        async with two(server.url()) as (here, there, _, _):
            await there.bus.follow([1])
            gaps = there.gaps

            burst(server, 1)

            await flows_again(here, there, gaps, 2)
            assert len(there.heard) < 5_000


async def test_control_a_reader_within_the_limit_is_not_cut_off(server: RedisServer) -> None:
    async with two(server.url()) as (_, there, _, bus):
        await there.bus.follow([1])
        gaps = there.gaps
        burst(server, 1)
        await until(lambda: len(there.heard) == 5_000, "all of them")

        assert there.gaps == gaps
        assert bus.figures.delivered == 5_000


async def test_what_can_not_be_read_is_counted_told_once_and_passed_over(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with two(server.url()) as (here, there, _, bus):
        await there.bus.follow([1])
        for _ in range(100):
            server.ask("PUBLISH", "hub:1:0:session:1", "nonsense")
        await flows(here, there, 1)

        assert bus.figures.undecodable == 100
        assert there.revisions() == [1]
    assert len([record for record in caplog.records if "can't be read" in record.message]) == 1


async def test_a_receiver_that_breaks_does_not_end_the_hearing(server: RedisServer) -> None:
    async with two(server.url()) as (here, there, _, bus):
        bus.subscribe(lambda change, _: [][change.state.revision], lambda: None)
        await there.bus.follow([1])
        await flows(here, there, 1)
        await flows(here, there, 2)

        assert there.revisions() == [1, 2]


def test_the_queue_is_bounded_and_keeps_the_newest() -> None:
    bus = RedisBus("redis://127.0.0.1:1")
    for revision in range(sender.QUEUE_LIMIT + 50):
        bus.publish(a_change(revision=revision))

    waiting = [
        wire.unpack(wire.verified([b""], channel, payload))[0].state.revision
        for channel, payload in next(iter(bus._links.values())).sender.take_all()
    ]
    assert bus.figures.dropped == 50
    assert waiting == list(range(50, sender.QUEUE_LIMIT + 50))


async def test_a_bus_that_is_stopped_in_the_moment_its_connection_ends_does_stop(server: RedisServer) -> None:
    for steps in range(30):
        async with at(RedisBus(server.url())) as process:
            await well(process)
            server.ask("CLIENT", "KILL", "TYPE", "pubsub")
            for _ in range(steps % 10):
                await asyncio.sleep(0)
