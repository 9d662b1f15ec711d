"""A real database and a real ledger without doors, and a clock that the test moves."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from hub.domain import booking, presence, sessions
from hub.domain.events import SessionChanged
from hub.domain.model import Booking, Session, Visit
from hub.domain.people import Actor
from hub.ledger import Ledger
from hub.store import care, writes
from hub.store.database import Database
from hub.store.postgresql import WRITERS
from hub.store.sqlite import SqliteDatabase
from tests.domain.factories import DOORS, HOLD, OWNER, STARTS, a_session, a_student
from tests.tables import Where, ask, tables

T = TypeVar("T")
PATIENCE = 10.0
BUSY_SECONDS = 0.2
NODE = "n-1"


class Clock:
    """The time, which passes only when it is told to."""

    def __init__(self, now: datetime = STARTS) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> datetime:
        """Let some time pass; the new time."""
        self.now += timedelta(seconds=seconds)
        return self.now


class RealClock(Clock):
    """The real time, for a database that has a clock of its own."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class House:
    """A ledger on an open database, and what it announced."""

    where: Where
    database: Database
    clock: Clock
    elapsed: float = 0.0
    announced: list[SessionChanged] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, self._hear, self.clock)

    def _hear(self, change: SessionChanged) -> None:
        self.announced.append(change)
        self.news.set()

    async def create(self, **values: Any) -> Session:
        """A new session of OWNER that is active, so that people may join; what was announced is forgotten."""
        values = {"sealed_url": None, "sealed_password": None} | values
        session = await self.ledger.create(a_session(**values), OWNER.person, lambda _: None)
        await self.act(session.id, partial(sessions.start, actor=OWNER))
        self.forget()
        return session

    def forget(self) -> None:
        """What was announced so far does not count."""
        self.announced.clear()
        self.news.clear()

    async def act(self, session_id: int, rule: Callable[[Any, datetime], T], **more: Any) -> T:
        """The ledger's `act`, under a time-out."""
        async with asyncio.timeout(PATIENCE):
            return await self.ledger.act(session_id, rule, **more)

    async def together(
        self, session_id: int, rules: Sequence[Callable[[Any, datetime], Any]], **more: Any
    ) -> list[Any]:
        """Many calls that arrive at once, so in one group; what each got, a value or its exception."""
        async with asyncio.timeout(PATIENCE):
            calls = (self.ledger.act(session_id, rule, **more) for rule in rules)
            return await asyncio.gather(*calls, return_exceptions=True)

    def booking(self, user_id: str) -> Callable[[Any, datetime], Booking]:
        """The rule that books a seat for a student."""
        return partial(booking.book, actor=a_student(user_id), booking_id=uuid.uuid4().hex, hold=HOLD)

    def joining(self, actor: Actor, visit_id: str, node_id: str = NODE) -> Callable[[Any, datetime], Visit]:
        """The rule that lets a connection in."""
        return partial(
            presence.join, actor=actor, visit_id=visit_id, connection_id=f"c-{visit_id}", node_id=node_id, doors=DOORS
        )

    async def book(self, session_id: int, *user_ids: str) -> None:
        """Seats for these students."""
        for user_id in user_ids:
            await self.act(session_id, self.booking(user_id), about=[user_id])

    async def join(self, session_id: int, user_id: str, visit_id: str, node_id: str = NODE) -> Visit:
        """A visit of a student who holds a seat."""
        actor = replace(a_student(user_id), until=self.clock() + timedelta(hours=1))
        rule = self.joining(actor, visit_id, node_id)
        return await self.act(session_id, rule, about=[user_id], lease=node_id)

    async def node(self, node_id: str) -> None:
        """A lease that begins now."""
        await self.database.transact(partial(writes.add_node, node_id=node_id, now=self.clock()))

    async def bury(self, node_id: str) -> bool:
        """Take a lease away, as a reaper would that has just looked."""
        (found,) = [
            lease
            for lease in await self.database.read(partial(care.leases, now=self.clock()))
            if lease.node_id == node_id
        ]
        return await self.database.transact(partial(writes.bury_node, node_id=node_id, seen_at=found.last_beat))

    def monotonic(self) -> float:
        """Seconds that were let pass."""
        return self.elapsed

    def pass_by(self, seconds: float) -> None:
        """Let some time pass. A server's clock can't be moved: there what is stored becomes older, but for leases."""
        self.elapsed += seconds
        if not self.database.shared:
            self.clock.pass_by(seconds)
            return
        with tables(self.where) as stored:
            query = (
                "SELECT table_name, column_name FROM information_schema.columns WHERE data_type LIKE 'timestamp%'"
                " AND table_schema = 'public' AND table_name NOT IN ('nodes', 'session_participants')"
            )
            stored.execute("BEGIN")
            columns: dict[str, list[str]] = {}
            for table, column in stored.execute(query).fetchall():
                columns.setdefault(table, []).append(f"{column} = {column} - interval '{seconds} seconds'")
            for table, changes in columns.items():
                stored.execute(f"UPDATE {table} SET {', '.join(changes)}")
            stored.execute("COMMIT")

    def ask(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query."""
        return ask(self.where, query, *values)

    def session(self, session_id: int, columns: str) -> Any:
        """Some columns of a session's row."""
        return self.ask(f"SELECT {columns} FROM live_sessions WHERE id = ?", session_id)[0]

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep all who write busy meanwhile, so that all that comes must wait."""
        entered, release = threading.Semaphore(0), threading.Event()
        writers = WRITERS if self.database.shared else 1

        def wait(connection: Connection) -> bool:
            entered.release()
            return release.wait(PATIENCE)

        waiting = [asyncio.create_task(self.database.transact(wait)) for _ in range(writers)]
        for _ in waiting:
            assert await asyncio.to_thread(entered.acquire, timeout=PATIENCE)
        try:
            yield
        finally:
            release.set()
            assert all(await asyncio.gather(*waiting))


@asynccontextmanager
async def house_at(folder: Path) -> AsyncIterator[House]:
    """A house on SQLite with its ledger running, and a lease NODE."""
    path = folder / "hub.db"
    async with house_on(SqliteDatabase(f"sqlite:///{path}", busy_seconds=BUSY_SECONDS), path) as house:
        yield house


@asynccontextmanager
async def house_on(database: Database, where: Where, clock: Clock | None = None) -> AsyncIterator[House]:
    """A house on `database`, found by other programs at `where`, with its ledger running, and a lease NODE."""
    await database.open()
    house = House(where, database, clock or Clock())
    committing = asyncio.create_task(house.ledger.run())
    try:
        await house.node(NODE)
        yield house
    finally:
        committing.cancel()
        with suppress(asyncio.CancelledError):
            await committing
        await database.close()
