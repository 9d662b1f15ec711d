"""What only a server can do to those who use it: lock, refuse, freeze, die, and come back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from sqlalchemy import Connection, text

from hub.errors import Unavailable
from hub.store import migrating, postgresql, schema
from hub.store.database import Locked, Unusable
from hub.store.postgresql import READERS, WRITERS, PostgresDatabase
from tests.house import House
from tests.servers import PostgresServer
from tests.tables import ask, change, tables

PATIENCE = 20.0
SETTING = "SELECT current_setting(:name)"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresDatabase]:
    """A database in use."""
    database = PostgresDatabase(url)
    await database.open()
    try:
        async with asyncio.timeout(PATIENCE):
            yield database
    finally:
        await database.close()


@pytest.fixture
async def database(fresh_postgres: str) -> AsyncIterator[PostgresDatabase]:
    """A database with empty tables, in use."""
    async with opened(fresh_postgres) as used:
        yield used


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that may be frozen and killed."""
    with PostgresServer(own=True) as server:
        yield server


def remember(connection: Connection, name: str) -> None:
    """One row more."""
    connection.execute(text("INSERT INTO users (id, name, role) VALUES (:name, :name, 'student')"), {"name": name})


async def test_no_statement_lock_or_idle_transaction_waits_without_an_end(database: PostgresDatabase) -> None:
    def limits(connection: Connection) -> list[str]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return [connection.execute(text(SETTING), {"name": name}).scalar_one() for name in names]

    assert await database.read(limits) == ["3s", "2s", "4s"]
    assert await database.transact(limits) == ["3s", "2s", "4s"]


async def test_a_reader_can_not_write(database: PostgresDatabase) -> None:
    with pytest.raises(Unavailable):
        await database.read(partial(remember, name="ann"))
    await database.transact(partial(remember, name="ann"))


@pytest.mark.parametrize(("kind", "connections"), [("read", READERS), ("transact", WRITERS)])
async def test_whoever_finds_no_free_connection_is_refused_after_a_second_and_not_later(
    database: PostgresDatabase, kind: str, connections: int
) -> None:
    run = getattr(database, kind)
    gate = threading.Event()
    busy = [asyncio.create_task(run(lambda connection: gate.wait(PATIENCE))) for _ in range(connections)]
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="too much to do"):
        await run(schema.current)
    assert postgresql.POOL_SECONDS <= time.monotonic() - began < postgresql.POOL_SECONDS + 1
    gate.set()
    assert await asyncio.gather(*busy) == [True] * connections
    assert await run(schema.current) == schema.head()


async def embrace(database: PostgresDatabase) -> tuple[object, object]:
    """Two changes that must deadlock when both are tried once; what became of them."""
    for name in ("ann", "ben"):
        await database.transact(partial(remember, name=name))
    met = threading.Barrier(2, timeout=PATIENCE)

    def both(connection: Connection, first: str, second: str, tries: list[int]) -> str:
        tries.append(1)
        rename = text("UPDATE users SET name = name || '!' WHERE id = :id")
        connection.execute(rename, {"id": first})
        if len(tries) == 1:
            met.wait()
        connection.execute(rename, {"id": second})
        return "done"

    one, other = await asyncio.gather(
        database.transact(partial(both, first="ann", second="ben", tries=[])),
        database.transact(partial(both, first="ben", second="ann", tries=[])),
        return_exceptions=True,
    )
    return one, other


async def test_a_deadlock_is_tried_again_and_both_are_done(database: PostgresDatabase) -> None:
    assert await embrace(database) == ("done", "done")
    assert database.retries >= 1
    assert ask(database.url, "SELECT name FROM users ORDER BY id") == ["ann!!", "ben!!"]


async def test_control_without_another_try_a_deadlock_is_an_error(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "AGAIN", frozenset())
    assert sorted(type(outcome).__name__ for outcome in await embrace(database)) == ["Unavailable", "str"]
    assert ask(database.url, "SELECT name FROM users ORDER BY id") == ["ann!", "ben!"]


async def test_a_connection_that_the_server_ended_is_replaced_and_nobody_hears_of_it(
    database: PostgresDatabase,
) -> None:
    me = text("SELECT pg_backend_pid()")
    for number in range(5):
        pid = await database.transact(lambda connection: connection.execute(me).scalar_one())
        with tables(database.url) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name <> ''")
        await database.transact(partial(remember, name=f"s-{number}"))
        assert await database.read(lambda connection: connection.execute(me).scalar_one()) != pid
    assert ask(database.url, "SELECT count(*) FROM users") == [5]


async def test_a_connection_that_the_server_ended_for_being_idle_is_replaced_too(fresh_postgres: str) -> None:
    name = fresh_postgres.rpartition("/")[2]
    change(fresh_postgres, f"ALTER DATABASE {name} SET idle_session_timeout = '50ms'")
    async with opened(fresh_postgres) as database:
        for number in range(3):
            await database.transact(partial(remember, name=f"s-{number}"))
            await database.read(schema.current)
            await until_nobody_is_connected(fresh_postgres)
    assert ask(fresh_postgres, "SELECT count(*) FROM users") == [3]


async def until_nobody_is_connected(url: str) -> None:
    """Wait until the server has ended every connection of a hub."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name <> ''"
    async with asyncio.timeout(PATIENCE):
        while ask(url, query):  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.02)


async def test_a_transaction_that_this_server_never_heard_of_was_not_committed(database: PostgresDatabase) -> None:
    """A standby took over, without the last transactions."""
    assert not await database._was_committed("4294967290", time.monotonic() + PATIENCE)


async def test_a_migration_waits_for_the_tables_in_turns_and_keeps_nobody_from_them(
    fresh_postgres: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(migrating, "TURN_SECONDS", 0.05)
    monkeypatch.setattr(migrating, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(migrating, "TRIES", 4)
    change(fresh_postgres, "ALTER TABLE live_sessions DROP COLUMN sealed_url")
    change(fresh_postgres, "DROP TABLE attendance_totals")
    change(fresh_postgres, "UPDATE alembic_version SET version_num = '0002'")
    with tables(fresh_postgres) as dump:
        dump.execute("BEGIN")
        dump.execute("SELECT * FROM live_sessions")
        with pytest.raises(Unusable, match="keeps the tables locked"):
            await PostgresDatabase(fresh_postgres).migrate()
        assert caplog.text.count("somebody uses the tables") == 3
        assert ask(fresh_postgres, "SELECT count(*) FROM live_sessions") == [0]
        dump.execute("COMMIT")
    assert await PostgresDatabase(fresh_postgres).migrate() == schema.head()


async def test_a_session_that_somebody_holds_is_unavailable_and_keeps_no_other_one(server: House) -> None:
    held, free = await server.create(max_participants=None), await server.create(max_participants=None)
    with tables(server.where) as other:
        other.execute("BEGIN")
        other.execute("SELECT id FROM live_sessions WHERE id = ? FOR UPDATE", [held.id])
        outcomes = await asyncio.gather(
            server.act(held.id, server.booking("s-1"), about=["s-1"]),
            server.act(free.id, server.booking("s-1"), about=["s-1"]),
            server.act(free.id, server.booking("s-2"), about=["s-2"]),
            return_exceptions=True,
        )
        other.execute("ROLLBACK")
    assert isinstance(outcomes[0], Unavailable)
    assert outcomes[0].message == Locked().message
    assert [getattr(outcome, "user_id", outcome) for outcome in outcomes[1:]] == ["s-1", "s-2"]
    await server.book(held.id, "s-1")


async def test_a_frozen_server_is_given_up_in_seconds_and_used_again_when_it_wakes(
    own_server: PostgresServer,
) -> None:
    url = own_server.database()
    await PostgresDatabase(url).migrate()
    async with opened(url) as database:
        await database.transact(partial(remember, name="ann"))
        met = threading.Barrier(WRITERS, timeout=PATIENCE)
        await asyncio.gather(*(database.transact(lambda connection: met.wait()) for _ in range(WRITERS)))
        own_server.freeze()
        began = time.monotonic()
        outcomes = await asyncio.gather(
            database.transact(partial(remember, name="ben")),
            database.read(schema.current),
            return_exceptions=True,
        )
        assert [isinstance(outcome, Unavailable) for outcome in outcomes] == [True, True]
        assert time.monotonic() - began < 2 * postgresql.JOB_SECONDS + postgresql.POOL_SECONDS + 1
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await database.transact(partial(remember, name="ben"))
        assert time.monotonic() - began < postgresql.CONNECT_SECONDS + 1, "each connection cost a deadline of its own"
        own_server.thaw()
        await database.transact(partial(remember, name="cyd"))
        assert {"ann", "cyd"} <= set(ask(url, "SELECT id FROM users"))


async def test_a_server_that_is_away_for_a_moment_is_waited_for_and_nobody_hears_of_it(
    own_server: PostgresServer,
) -> None:
    url = own_server.database()
    await PostgresDatabase(url).migrate()
    async with opened(url) as database:
        await database.transact(partial(remember, name="ann"))
        own_server.kill()
        change = asyncio.create_task(database.transact(partial(remember, name="ben")))
        await asyncio.to_thread(own_server.restart)
        await change
        assert ask(url, "SELECT id FROM users ORDER BY id") == ["ann", "ben"]


async def test_tables_that_are_not_there_are_told_with_the_command_that_makes_them(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.database()
    async with opened(url) as database:
        assert await database.read(schema.behind) == (
            f"the tables are at none yet, this version needs {schema.head()}: run `hub migrate`"
        )
        await PostgresDatabase(url).migrate()
        assert await database.read(schema.behind) is None
        with tables(url) as other:
            other.execute("UPDATE alembic_version SET version_num = '0001'")
        assert "0001" in str(await database.read(schema.behind))
        with tables(url) as other:
            other.execute("UPDATE alembic_version SET version_num = '9999'")
        assert await database.read(schema.behind) is None, "a newer version's tables serve the one before"


async def test_two_who_migrate_at_once_do_it_once(postgres_server: PostgresServer) -> None:
    url = postgres_server.database()
    async with asyncio.timeout(PATIENCE):
        reached = await asyncio.gather(*(PostgresDatabase(url).migrate() for _ in range(4)))
    assert reached == [schema.head()] * 4
