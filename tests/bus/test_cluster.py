"""Cluster: a shard that freezes, a slot that moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from hub.bus import CATALOG
from hub.bus.redis import RedisBus
from hub.bus.redis.servers import SLOTS, Layout, alone
from hub.redisurl import Address
from tests.bus.listening import NEVER, Process, a_change, two, until
from tests.groups import ClusterServers
from tests.processes import free_port
from tests.servers import RedisServer

SEEN_WITHIN = 8.0
SESSIONS = range(1, 31)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServers]:
    """Three primaries, for one test after the other: each leaves them well, wherever the slots are."""
    with ClusterServers() as servers:
        yield servers


async def all_flow(here: Process, there: Process, revision: int) -> None:
    for session in SESSIONS:
        here.bus.publish(a_change(session, revision))
    for session in SESSIONS:
        await there.until(revision, session=session)


def shards_of(bus: RedisBus) -> dict[int, list[int]]:
    """The sessions by the port of their shard."""
    found: dict[int, list[int]] = {}
    for session in SESSIONS:
        address = bus._layout.owner(bus._channel(session))
        assert address is not None
        found.setdefault(address.port, []).append(session)
    return found


async def test_a_cluster_spreads_sessions_and_every_process_hears_them(cluster: ClusterServers) -> None:
    async with two(cluster.url) as (here, there, _, bus):
        await there.bus.follow([*SESSIONS, CATALOG])
        gaps = there.gaps
        await all_flow(here, there, 1)
        there.bus.unfollow([1])
        here.bus.publish(a_change(1, 2))
        here.bus.publish(a_change(2, 2))
        await there.until(2, session=2)
        await asyncio.sleep(NEVER)

        assert there.revisions(1) == [1]
        assert bus._layout.sharded
        assert len(shards_of(bus)) == 3
        assert there.gaps == gaps
        for node in cluster.nodes:
            assert await asyncio.to_thread(node.ask, "PUBSUB SHARDCHANNELS", "hub:1:0:beat:*")


async def test_a_frozen_shard_is_noticed_and_does_not_hold_the_others(cluster: ClusterServers) -> None:
    async with two(cluster.url) as (here, there, sending, bus):
        await there.bus.follow(SESSIONS)
        await all_flow(here, there, 1)
        gaps, shards = there.gaps, shards_of(bus)

        await asyncio.to_thread(cluster.freeze, 0)
        for session in SESSIONS:
            here.bus.publish(a_change(session, 2))
        for port, sessions in shards.items():
            if port != cluster.nodes[0].port:
                for session in sessions:
                    await there.until(2, session=session, patience=1.0)
        assert not [session for session in shards[cluster.nodes[0].port] if 2 in there.revisions(session)]
        await until(lambda: not bus.healthy, "the frozen shard", 6.0)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(cluster.thaw, 0)
        await asyncio.to_thread(cluster.await_ok)

        await until(lambda: there.gaps > gaps and bus.healthy and sending.healthy, "health", SEEN_WITHIN)
        await all_flow(here, there, 3)


async def test_a_slot_that_moves_is_followed_to_its_new_shard(cluster: ClusterServers) -> None:
    async with two(cluster.url) as (here, there, sending, bus):
        await there.bus.follow(SESSIONS)
        await all_flow(here, there, 1)
        gaps = there.gaps
        session = shards_of(bus)[cluster.nodes[0].port][0]

        await asyncio.to_thread(move, cluster, f"hub:1:0:session:{session}")

        await until(lambda: session in shards_of(bus)[cluster.nodes[1].port], "the new layout", SEEN_WITHIN)
        await until(lambda: session in shards_of(sending)[cluster.nodes[1].port], "the new layout", SEEN_WITHIN)
        await until(lambda: there.gaps > gaps and bus.healthy and sending.healthy, "health", SEEN_WITHIN)
        await all_flow(here, there, 2)


def move(cluster: ClusterServers, channel: str) -> None:
    """Give the channel's slot, which holds no keys, from the first node to the second."""
    slot = cluster.nodes[0].ask("CLUSTER KEYSLOT", channel)
    target = cluster.nodes[1].ask("CLUSTER MYID")
    for node in (cluster.nodes[1], cluster.nodes[0], cluster.nodes[2]):
        node.ask("CLUSTER SETSLOT", slot, "NODE", target)


async def test_a_cluster_without_sharded_channels_works_too() -> None:
    words = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--rename-command", "SPUBLISH", "")
    with RedisServer(*words) as server:
        await asyncio.to_thread(server.ask, "CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
        async with two(f"redis+cluster://{server.host}:{server.port}") as (here, there, _, bus):
            await there.bus.follow(SESSIONS)
            await all_flow(here, there, 1)
            assert not bus._layout.sharded


A, B = Address("a", 1), Address("b", 2)


def test_a_layout_knows_who_takes_a_channel() -> None:
    # The slots of these are 12182 and 5061 (CLUSTER KEYSLOT foo, bar).
    layout = Layout({A: ((0, 5_000), (10_000, 16_383)), B: ((5_001, 9_999),)}, sharded=True)
    assert layout.complete
    assert (layout.owner(b"foo"), layout.owner(b"bar")) == (A, B)

    hole = Layout({A: ((10_000, 16_383),)}, sharded=True)
    assert not hole.complete
    assert (hole.owner(b"foo"), hole.owner(b"bar")) == (A, None)

    assert alone(A).owner(b"anything") == A
    assert not Layout({}).complete
    assert Layout({}).owner(b"foo") is None
