"""A real database and a real ledger without doors, a clock that the test moves, and the tables by stdlib sqlite3."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
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
from hub.store import writes
from hub.store.database import Database
from tests.domain.factories import DOORS, HOLD, OWNER, STARTS, a_session, a_student

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


@contextmanager
def tables(path: Path) -> Iterator[sqlite3.Connection]:
    """The database as another program sees it: stdlib sqlite3, no code of ours."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)) as connection:
        yield connection


def ask(path: Path, query: str, *values: Any) -> list[Any]:
    """The rows of a query; of one column, its values."""
    with tables(path) as connection:
        rows = connection.execute(query, values).fetchall()
    return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows


def instant(text: str) -> datetime:
    """A stored instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class House:
    """A ledger on an open database, and what it announced."""

    path: Path
    database: Database
    clock: Clock
    announced: list[SessionChanged] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, self._hear, self.clock)

    def _hear(self, change: SessionChanged) -> None:
        self.announced.append(change)
        self.news.set()

    async def create(self, **values: Any) -> Session:
        """A new session of OWNER that is active, so that people may join; what was announced is forgotten."""
        values = {"sealed_password": None} | values
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
        rule = self.joining(a_student(user_id), visit_id, node_id)
        return await self.act(session_id, rule, about=[user_id], lease=node_id)

    async def node(self, node_id: str) -> None:
        """A lease that begins now."""
        await self.database.transact(partial(writes.add_node, node_id=node_id, now=self.clock()))

    def ask(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query."""
        return ask(self.path, query, *values)

    def session(self, session_id: int, columns: str) -> Any:
        """Some columns of a session's row."""
        return self.ask(f"SELECT {columns} FROM live_sessions WHERE id = ?", session_id)[0]

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the writer busy meanwhile, so that all that comes must wait."""
        entered, release = threading.Event(), threading.Event()

        def wait(connection: Connection) -> bool:
            entered.set()
            return release.wait(PATIENCE)

        waiting = asyncio.create_task(self.database.transact(wait))
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        try:
            yield
        finally:
            release.set()
            assert await waiting


@asynccontextmanager
async def house_at(folder: Path) -> AsyncIterator[House]:
    """A house on SQLite with its ledger running, and a lease NODE."""
    path = folder / "hub.db"
    database = Database(f"sqlite:///{path}", busy_seconds=BUSY_SECONDS)
    await database.open()
    house = House(path, database, Clock())
    committing = asyncio.create_task(house.ledger.run())
    try:
        await house.node(NODE)
        yield house
    finally:
        committing.cancel()
        with suppress(asyncio.CancelledError):
            await committing
        await database.close()
