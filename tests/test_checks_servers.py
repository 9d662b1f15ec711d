"""`hub check` against PostgreSQL and Redis as they really are: away, silent, closed, behind, or set up badly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from hub import checks
from hub.bus.redis.condition import Condition as RedisCondition
from hub.checks import bus, database
from hub.checks.finding import (
    BUS,
    DATABASE,
    MEETINGS,
)
from hub.settings import Settings
from hub.store.condition import Server
from hub.store.postgresql import PostgresDatabase
from tests.issuer import issuing
from tests.looking import COMPLAINTS, about, look
from tests.processes import free_port
from tests.proxy import Proxy
from tests.servers import PostgresServer, RedisServer
from tests.tables import change

# PostgreSQL.


@pytest.fixture(scope="module")
def guarded() -> Iterator[PostgresServer]:
    """A server of our own that asks the user `guarded` for a password."""
    with PostgresServer(own=True) as server:
        url = server.database()
        change(url, "CREATE ROLE guarded LOGIN PASSWORD 's3cret'")
        rules = server.program.log.parent / "data" / "pg_hba.conf"
        rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        change(url, "SELECT pg_reload_conf()")
        yield server


def of_user(url: str, user: str, password: str) -> str:
    """The URL with who signs in."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}").geturl()


async def test_a_password_that_is_wrong_is_told_apart_from_a_server_that_is_away(guarded: PostgresServer) -> None:
    url = guarded.database()
    good = about(await look(of_user(url, "guarded", "s3cret")), DATABASE, "red")
    assert "run `hub migrate`" in good
    wrong = about(await look(of_user(url, "guarded", "s3cretive")), DATABASE, "red")
    assert "correct the user and the password of HUB_DATABASE_URL" in wrong
    none = about(await look(f"{url.rpartition('/')[0]}/nothing"), DATABASE, "red")
    assert "make it (`createdb`, `createuser`), or correct" in none


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("postgresql://hub:s3cret@no-such-host.invalid/hub", "correct the host in HUB_DATABASE_URL"),
        ("postgresql://hub:s3cret@127.0.0.1:{nobody}/hub", "start the server, or correct the host and the port"),
    ],
)
async def test_a_server_that_is_not_there_is_red(url: str, mend: str) -> None:
    assert mend in about(await look(url.format(nobody=free_port())), DATABASE, "red")


async def test_a_port_that_takes_connections_and_says_nothing_is_red_in_time(
    fresh_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(fresh_postgres)
    async with Proxy(parts.port or 5432, parts.hostname or "") as proxy:
        url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()
        assert about(await look(url), DATABASE, "red") == ""
        proxy.stall()
        assert "look at the server, a firewall, a proxy" in about(await look(url), DATABASE, "red")
        monkeypatch.setattr(checks, "LOOK_SECONDS", 0.2)
        late = about(await look(url), DATABASE, "red")
        assert "does not answer within 0.2 s: look at it" in late
        proxy.cut()


async def test_tables_that_are_missing_are_red_and_newer_ones_green(postgres_server: PostgresServer) -> None:
    url = postgres_server.database()
    assert "are at none yet, not" in about(await look(url), DATABASE, "red")
    await PostgresDatabase(url).migrate()
    found = await look(url)
    assert about(found, DATABASE, "red") == ""
    assert "all sealed" in about(found, MEETINGS)
    change(url, "UPDATE alembic_version SET version_num = '9999'")
    assert "which is newer: that is fine" in about(await look(url), DATABASE, "green")


async def test_settings_of_the_server_that_bite_are_found(postgres_server: PostgresServer, fresh_postgres: str) -> None:
    name = urlsplit(fresh_postgres).path[1:]
    change(fresh_postgres, f"ALTER DATABASE {name} SET synchronous_commit = off")
    change(fresh_postgres, f"ALTER DATABASE {name} SET default_transaction_isolation = serializable")
    change(fresh_postgres, f"ALTER DATABASE {name} CONNECTION LIMIT 8")
    found = await look(fresh_postgres)
    said = about(found, DATABASE, "yellow")
    assert "synchronous_commit is off: a crash of the server loses what was acknowledged: set" in said
    assert "default_transaction_isolation is serializable" in said
    assert "takes 8 connections of this user, 1 workers take 7, and one more 7 while they are replaced: allow" in said
    change(fresh_postgres, f"ALTER DATABASE {name} CONNECTION LIMIT 6")
    assert "takes 6 connections of this user, 1 workers take 7: allow 14" in about(
        await look(fresh_postgres), DATABASE, "red"
    )


WELL: dict[str, Any] = {
    "version": "18.1",
    "number": 180_001,
    "standby": False,
    "isolation": "read committed",
    "room": 97,
    "ahead": 0.01,
    "synchronous_commit": "on",
    "fsync": "on",
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "12.4", "number": 120_004}, "red    database: PostgreSQL 12.4 is too old: take 13"),
        ({"standby": True}, "red    database: this server is a standby, and takes no writes: name the primary"),
        ({"fsync": "off"}, "yellow database: fsync is off"),
        ({"ahead": -3.0}, "yellow clock: the database's is 3.0 s behind this machine's: set both by NTP"),
        ({"ahead": 90.0}, "red    clock: the database's is 90.0 s before this machine's"),
        ({}, ""),
    ],
)
def test_a_server_is_judged_by_what_it_says_of_itself(changes: dict[str, Any], said: str) -> None:
    server = Server(**{**WELL, **changes})
    complaints = [str(one) for one in database.server(server, 2) if one.light in COMPLAINTS]
    assert len(complaints) == bool(said)
    assert all(one.startswith(said) for one in complaints)


# Redis.


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A server of our own, whose settings may be changed."""
    with RedisServer(own=True) as server:
        yield server


async def test_a_redis_says_its_version_and_how_long_a_message_takes(
    fresh_postgres: str, own_redis: RedisServer
) -> None:
    said = about(await look(fresh_postgres, HUB_REDIS_URL=own_redis.url(7)), BUS)
    assert said.startswith(f"green  bus: Redis answers at 127.0.0.1:{own_redis.port} (Valkey ")
    assert said.endswith(" ms")


async def test_a_redis_that_asks_for_a_password_or_gives_few_rights_says_so(
    fresh_postgres: str, own_redis: RedisServer
) -> None:
    own_redis.ask("ACL", "SETUSER", "few", "on", ">s3cret", "+@all", "resetchannels")
    at = f"{own_redis.host}:{own_redis.port}"
    few = about(await look(fresh_postgres, HUB_REDIS_URL=f"redis://few:s3cret@{at}"), BUS, "red")
    assert "give the user its channels" in few
    wrong = about(await look(fresh_postgres, HUB_REDIS_URL=f"redis://few:s3cretive@{at}"), BUS, "red")
    assert "correct the user and the password of HUB_REDIS_URL" in wrong
    with RedisServer(own=True) as closed:
        closed.ask("CONFIG", "SET", "requirepass", "s3cret")
        none = about(await look(fresh_postgres, HUB_REDIS_URL=closed.url()), BUS, "red")
        assert "correct the user and the password" in none
        right = f"redis://:s3cret@{closed.host}:{closed.port}"
        assert about(await look(fresh_postgres, HUB_REDIS_URL=right), BUS, "red") == ""


async def test_a_redis_that_is_away_silent_or_something_else_is_red(
    fresh_postgres: str, own_redis: RedisServer
) -> None:
    away = about(await look(fresh_postgres, HUB_REDIS_URL=f"redis://127.0.0.1:{free_port()}"), BUS, "red")
    assert "start it, or correct the host and the port in HUB_REDIS_URL" in away
    with issuing() as web:
        other = await look(fresh_postgres, HUB_REDIS_URL=f"redis://127.0.0.1:{web.server_port}")
    assert about(other, BUS, "red")
    async with Proxy(own_redis.port, own_redis.host) as proxy:
        proxy.stall()
        silent = about(await look(fresh_postgres, HUB_REDIS_URL=f"redis://127.0.0.1:{proxy.port}"), BUS, "red")
        assert "look at it, and at what stands between" in silent
        proxy.flow()
        proxy.delay = 0.15
        slow = about(await look(fresh_postgres, HUB_REDIS_URL=f"redis://127.0.0.1:{proxy.port}"), BUS, "yellow")
        assert "which is slow" in slow


async def test_limits_of_redis_that_bite_are_found(fresh_postgres: str, own_redis: RedisServer) -> None:
    own_redis.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 100000 0 0")
    own_redis.ask("CONFIG", "SET", "maxclients", 10)
    try:
        found = await look(fresh_postgres, HUB_REDIS_URL=own_redis.url(), HUB_WORKERS="3")
    finally:
        own_redis.ask("CONFIG", "SET", "maxclients", 10_000)
        own_redis.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60")
    assert "behind which 100000 bytes wait" in about(found, BUS, "yellow")
    assert "3 workers take up to 12: raise its `maxclients`" in about(found, BUS, "red")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"role": "slave"}, "is a replica"),
        ({"cluster_enabled": "1"}, "one server of a Cluster: name it by redis+cluster://"),
    ],
)
def test_a_redis_that_is_part_of_something_says_so(facts: dict[str, str], said: str) -> None:
    settings = Settings(database_url="postgresql://db/hub", redis_url="redis://a")
    found = bus.findings(settings, [RedisCondition("a:6379", facts=facts)])
    assert any(said in str(one) for one in found if one.light == "yellow")


async def test_one_process_on_postgresql_without_a_bus_is_told_to_stay_alone(fresh_postgres: str) -> None:
    assert "must be the only process" in about(await look(fresh_postgres), BUS, "yellow")
