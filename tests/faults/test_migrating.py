"""`hub migrate` of the next release beside this one that works, and people who book meanwhile."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx2
import pytest

from hub.store import schema
from tests.faults.beside import beside
from tests.faults.releases import ADDITIVE, NEXT, REVISION, SERVE, Ended, Release, begin, end_all, ended
from tests.running import PATIENCE, Running, free_port, kill, spawn, token
from tests.second import Second
from tests.storm import Line
from tests.tables import Where, ask, tables

LINES = 4
PACE_SECONDS = 0.02
"""Between two of a line: without it they would only take the core from the migration."""
HELD_SECONDS = 2.5
"""How much longer another program reads the tables that a migration waits for: more than a hub waits for one."""
WAITS = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"


@pytest.fixture(autouse=True)
async def _nothing_left() -> AsyncIterator[None]:
    yield
    await end_all()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """One that adds to every table."""
    return Release.make(tmp_path_factory.mktemp("release") / "next", ADDITIVE)


@dataclass
class Bookings:
    """What people who book were answered."""

    answers: Counter[str] = field(default_factory=Counter)
    over: bool = False

    async def go_on(self, hub: Running, session: int, first: int) -> None:
        """Book and look, another person each time, until it is over."""
        async with Line.to(hub.port) as line:
            for number in count(first, LINES):
                if self.over:
                    return
                for method, path in (("POST", "/book"), ("GET", "")):
                    answer = await line.ask(method, f"/{session}{path}", token(f"s-{number}"))
                    self.answers[answer.what] += 1
                    await asyncio.sleep(PACE_SECONDS)

    async def some_more(self) -> None:
        """Wait until there are a few more, on every line."""
        wanted = self.answers.total() + 4 * LINES
        async with asyncio.timeout(PATIENCE):
            while self.answers.total() < wanted:  # noqa: ASYNC110  a few milliseconds
                await asyncio.sleep(0.01)


@asynccontextmanager
async def booking(hub: Running) -> AsyncIterator[Bookings]:
    """People book all the time."""
    bookings, session = Bookings(), (await hub.create(maxParticipants=None))["id"]
    tasks = [asyncio.create_task(bookings.go_on(hub, session, first)) for first in range(LINES)]
    try:
        await bookings.some_more()
        yield bookings
        await bookings.some_more()
    finally:
        bookings.over = True
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*tasks)


@contextmanager
def read_by_another(where: Where) -> Iterator[None]:
    """As by a backup under way, meanwhile."""
    with tables(where) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM live_sessions")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


async def migrated_while_read(hub: Running, release: Release) -> tuple[Bookings, Ended]:
    """What people were answered while a release waited for tables that are read, and then changed them."""
    async with booking(hub) as bookings:
        with read_by_another(hub.where):
            migrating = await release.begin(hub.where, "migrate")
            async with asyncio.timeout(3 * PATIENCE):
                while not ask(hub.where, WAITS)[0]:  # noqa: ASYNC110  nobody is told
                    await asyncio.sleep(0.01)
            await asyncio.sleep(HELD_SECONDS)  # the fault itself
        told = await ended(migrating)
    return bookings, told


async def until_ready(hub: Running, status: int, words: str) -> None:
    """Wait until it answers this to who asks whether it is ready."""
    async with asyncio.timeout(3 * PATIENCE), hub.http() as http:
        while True:
            with suppress(httpx2.TransportError):
                answer = await http.get("/readyz")
                if (answer.status_code, words in answer.text) == (status, True):
                    return
            await asyncio.sleep(0.05)


async def test_this_release_serves_while_the_next_one_migrates_and_after_and_the_next_one_waits_for_it(
    release: Release, fresh_postgres: str, second: Second
) -> None:
    port = free_port()
    early = await release.begin(fresh_postgres, "serve", port=port)
    async with beside(second, fresh_postgres) as hub:
        after = Running((port,), hub.where)
        needed = f"the tables are at {schema.head()}, this version needs {NEXT}: run `hub migrate`"
        await until_ready(after, 503, needed)
        bookings, migrated = await migrated_while_read(hub, release)
        await until_ready(after, 200, "")
        await until_ready(hub, 200, "")
        assert (migrated.code, "is up to date" in migrated.said) == (0, True), migrated.said
        assert "somebody uses the tables: trying again" in migrated.said
        assert set(bookings.answers) == {"201", "200"}
        await after.book((await hub.create())["id"], "ann")
        again = await ended(await begin(hub.where, "migrate"))
        assert again.code == 0, again.said
        assert f"at {NEXT}, which is newer than this version" in again.said
        assert ask(hub.where, REVISION) == [NEXT]
    early.send_signal(signal.SIGTERM)
    told = await ended(early)
    assert f"not ready: {needed}" in told.said


async def test_people_would_notice_a_migration_that_waits_for_tables_in_one_go(
    tmp_path: Path, fresh_postgres: str, second: Second
) -> None:
    """The control: without the short turns."""
    release = Release.make(tmp_path / "next", ADDITIVE, turn=30)
    async with beside(second, fresh_postgres) as hub:
        bookings, migrated = await migrated_while_read(hub, release)
    assert migrated.code == 0
    assert bookings.answers["503 unavailable"] > 0


async def test_a_file_is_migrated_by_the_next_release_s_start_and_by_nobody_while_this_one_has_it(
    tmp_path: Path, release: Release, second: Second
) -> None:
    async with beside(second, tmp_path / "hub.db") as hub:
        async with booking(hub) as bookings:
            refused = await release.run(hub.where, "migrate")
        assert (refused.code, refused.said.count("\n")) == (2, 1)
        assert "Another hub process is using this SQLite file" in refused.said
        assert set(bookings.answers) == {"201", "200"}
        assert ask(hub.where, REVISION) == [schema.head()]
    after = await spawn(tmp_path, free_port(), hub.where, SERVE, **release.environment)
    try:
        (kept,) = ask(hub.where, "SELECT count(*) FROM session_bookings")
        assert kept == bookings.answers["201"]
        assert ask(hub.where, REVISION) == [NEXT]
        await after.book((await after.create())["id"], "ann")
    finally:
        await kill(after)
