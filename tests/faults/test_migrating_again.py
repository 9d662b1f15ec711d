"""`hub migrate` of the next release with nobody at work: broken off, twice at once, and done again."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.store import schema
from hub.store.sqlite import SqliteDatabase
from tests.faults.releases import ADDITIVE, NEXT, PAUSES, REVISION, Release, end_all, ended
from tests.running import PATIENCE
from tests.tables import Where, ask, tables, url_of


@pytest.fixture(autouse=True)
async def _nothing_left() -> AsyncIterator[None]:
    yield
    await end_all()


@pytest.fixture(scope="module")
def pausing(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """One whose migration waits half-way for the end of its standard input."""
    return Release.make(tmp_path_factory.mktemp("release") / "next", PAUSES)


@pytest.fixture(params=["sqlite", "postgresql"])
async def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """A database of this release."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("fresh_postgres"))
    path = tmp_path / "hub.db"
    await SqliteDatabase(url_of(path)).migrate()
    return path


def columns(where: Where) -> set[str]:
    """Those of the planted ones that are there."""
    found = set()
    for table, column in (("live_sessions", "mood"), ("session_bookings", "note")):
        query = f"SELECT name FROM pragma_table_info('{table}')"
        if not isinstance(where, Path):
            query = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
        found |= {column} & set(ask(where, query))
    return found


async def half_done(migrating: Process) -> None:
    """Wait until it stands between two changes."""
    assert migrating.stdout is not None
    async with asyncio.timeout(2 * PATIENCE):
        assert await migrating.stdout.readline() == b"half done\n"


async def test_a_migration_that_is_killed_half_way_left_nothing_and_may_be_done_again(
    pausing: Release, where: Where
) -> None:
    migrating = await pausing.begin(where, "migrate")
    await half_done(migrating)
    migrating.kill()
    async with asyncio.timeout(PATIENCE):
        await migrating.wait()
    assert (columns(where), ask(where, REVISION)) == (set(), [schema.head()])
    again = await pausing.run(where, "migrate")
    assert again.code == 0, again.said
    assert (columns(where), ask(where, REVISION)) == ({"mood", "note"}, [NEXT])


async def test_of_two_that_migrate_at_once_one_does_it_and_the_other_waits_or_is_sent_away(
    pausing: Release, where: Where
) -> None:
    first = await pausing.begin(where, "migrate")
    await half_done(first)
    second = await pausing.begin(where, "migrate")
    if isinstance(where, Path):
        assert (await ended(second)).code == 2
        assert (await ended(first)).code == 0
    else:
        assert second.stdout is not None
        async with asyncio.timeout(2 * PATIENCE):
            assert b"another `hub migrate` is at work" in await second.stdout.readline()
        assert [(await ended(one)).code for one in (first, second)] == [0, 0]
    assert (columns(where), ask(where, REVISION)) == ({"mood", "note"}, [NEXT])


async def test_an_index_that_was_broken_off_is_built_anew(tmp_path: Path, fresh_postgres: str) -> None:
    release = Release.make(tmp_path / "next", ADDITIVE)
    state = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_session_bookings_mood')"
    with tables(fresh_postgres) as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1 FROM users")  # a snapshot: an index that is built waits for it to go
        migrating = await release.begin(fresh_postgres, "migrate")
        async with asyncio.timeout(2 * PATIENCE):
            while ask(fresh_postgres, state) != [False]:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.02)
        migrating.kill()
        ask(fresh_postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%'")
        await migrating.wait()
        other.execute("ROLLBACK")
    assert (ask(fresh_postgres, state), ask(fresh_postgres, REVISION)) == ([False], [schema.head()])
    again = await release.run(fresh_postgres, "migrate")
    assert again.code == 0, again.said
    assert (ask(fresh_postgres, state), ask(fresh_postgres, REVISION)) == ([True], [NEXT])
