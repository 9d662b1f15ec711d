"""Sentinel: a master that is replaced, by one that died or while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from hub.bus.redis import RedisBus
from tests.bus.listening import a_change, two, until
from tests.groups import NAME, SentinelServers
from tests.servers import HOST, ask

SEEN_WITHIN = 8.0


@pytest.fixture
def sentinels() -> Iterator[SentinelServers]:
    """A primary, a replica and three sentinels."""
    with SentinelServers() as servers:
        yield servers


async def test_a_failover_behind_sentinel(sentinels: SentinelServers) -> None:
    async with two(sentinels.url) as (here, there, sending, bus):
        await there.bus.follow([1])
        here.bus.publish(a_change(revision=1))
        await there.until(1)
        gaps = there.gaps

        await sentinels.failover()

        await until(lambda: there.gaps > gaps and bus.healthy and sending.healthy, "the new master", SEEN_WITHIN)
        here.bus.publish(a_change(revision=2))
        await there.until(2)
        assert ports(bus) == [sentinels.primary.port]


async def test_a_master_that_was_replaced_while_it_lives_is_left(sentinels: SentinelServers) -> None:
    """Its connections stay up, so nothing fails: only asking the sentinels again tells."""
    async with two(sentinels.url) as (here, there, sending, bus):
        await there.bus.follow([1])
        gaps, new = there.gaps, sentinels.replica.port
        await asyncio.to_thread(promote, sentinels)
        assert bus.healthy

        await until(lambda: ports(bus) == ports(sending) == [new], "the new master", SEEN_WITHIN)
        await until(lambda: there.gaps > gaps and bus.healthy and sending.healthy, "health", SEEN_WITHIN)
        here.bus.publish(a_change(revision=2))
        await there.until(2)
        assert bus.figures.reconnects == 0


def ports(bus: RedisBus) -> list[int]:
    """Of the servers it is linked to."""
    return [address.port for address in bus._links]


def promote(sentinels: SentinelServers) -> None:
    """Let the sentinels name the replica, which now is a primary of its own; the old one lives on as it was."""
    sentinels.replica.ask("REPLICAOF NO ONE")
    for port in sentinels.sentinels:
        ask(f"redis://{HOST}:{port}", "SENTINEL REMOVE", NAME)
        ask(f"redis://{HOST}:{port}", "SENTINEL MONITOR", NAME, HOST, sentinels.replica.port, 2)
