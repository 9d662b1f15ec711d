"""SQLite: one process, one writer, a few readers.

WAL, so readers never wait for the writer; one writer connection, which alone checkpoints (the WAL-reset fault of
SQLite before 3.51.3 needs two); every write transaction is BEGIN IMMEDIATE, since a read lock can't be upgraded under
`busy_timeout`; synchronous=FULL, so what was acknowledged outlives a power cut.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import IO, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hub.errors import Unavailable
from hub.store import schema
from hub.store.database import AlreadyRunning, Database, NotMigrated, Unusable, border
from hub.store.threads import ConnectionThreads

T = TypeVar("T")

READERS = 2
BUSY_SECONDS = 5.0
"""How long a statement waits for a lock that another program holds on the file."""


class SqliteDatabase(Database):
    """A file, for one process. Opening it brings its tables up to date."""

    shared = False

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """`url` is `sqlite:///FILE`; `busy_seconds` is the patience with a file that another program has locked."""
        self.path = make_url(url).database or ""
        # No pool: each thread keeps its own connection, and one that failed must not come back to another thread, a
        # reader's `query_only` least of all to the writer.
        # Errors are logged, and parameters may be meeting addresses: they stay out of what an error says.
        self._engine = create_engine(
            f"sqlite:///{self.path}",
            connect_args={"timeout": busy_seconds},
            poolclass=NullPool,
            hide_parameters=True,
        )
        self._lock: IO[str] | None = None
        self._writer: ConnectionThreads | None = None
        self._readers: ConnectionThreads | None = None

    def claim(self) -> None:
        """Lock the file for this process; raises AlreadyRunning. Once is enough: `open` does it if nobody did."""
        self._lock = self._lock or _only_process(self.path)

    async def open(self) -> None:
        """Lock the file for this process, bring its tables up to date, open the connections; raises Unusable."""
        try:
            self.claim()
            event.listen(self._engine, "connect", _prepare)
            self._writer = ConnectionThreads("hub-writer", 1, lambda: _writer(self._engine))
            self._readers = ConnectionThreads("hub-reader", READERS, lambda: _reader(self._engine))
            await self._writer.run(schema.upgrade)
        except (OSError, SQLAlchemyError, NotMigrated, Unavailable) as error:
            await self.close()
            cause = error.__cause__ if isinstance(error, Unavailable) else error
            why = cause.orig if isinstance(cause, DBAPIError) else cause
            raise Unusable(f"the database {self.path} can't be used: {why}") from error

    async def migrate(self) -> str:
        """Bring the tables up to date; the revision reached. Only while not open. Raises Unusable."""
        await self.open()
        await self.close()
        return schema.head()

    async def close(self) -> None:
        """Finish what is under way and let go of the file."""
        for threads in (self._readers, self._writer):
            if threads is not None:
                await threads.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one write transaction, in order with all others; raises `Unavailable` with nothing done."""

        def job(connection: Connection) -> T:
            with border(), connection.begin():
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return work(connection)

        assert self._writer is not None
        return await self._writer.run(job)

    async def scrub(self) -> None:
        """Write the file anew, without what its free pages held; the log goes when the file is closed."""

        def job(connection: Connection) -> None:
            with border():
                connection.exec_driver_sql("VACUUM")
                connection.rollback()

        assert self._writer is not None
        await self._writer.run(job)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read-only connection; each statement sees the newest commit. May raise `Unavailable`."""

        def job(connection: Connection) -> T:
            with border():
                return work(connection)

        assert self._readers is not None
        return await self._readers.run(job)


def _only_process(path: str) -> IO[str]:
    # Of the file itself: by another name, as a link to it, it is the same database.
    lock = open(f"{os.path.realpath(path)}.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise AlreadyRunning(AlreadyRunning.__doc__) from None
    return lock


def _prepare(dbapi_connection: object, record: object) -> None:
    # The driver must begin nothing by itself: its implicit BEGIN is deferred, and loses updates.
    dbapi_connection.isolation_level = None  # type: ignore[attr-defined]  # sqlite3.Connection, typed object by SQLAlchemy


def _connect(engine: Engine, *pragmas: str) -> Connection:
    with border():
        connection = engine.connect()
        for pragma in pragmas:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        connection.rollback()
        return connection


def _writer(engine: Engine) -> Connection:
    return _connect(
        engine,
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
    )


def _reader(engine: Engine) -> Connection:
    return _connect(
        engine.execution_options(isolation_level="AUTOCOMMIT"),
        "query_only=ON",
        "wal_autocheckpoint=0",
        "trusted_schema=OFF",
    )
