"""PostgreSQL: many processes, a few connections each, and no wait without an end.

The server's own time-outs are set on every connection. A server that is frozen keeps none of them, so a job over its
deadline has its connection cut from here. What may pass by itself (a deadlock, a lost connection) is tried again,
whole; and when the connection goes after COMMIT was sent, the new one is asked what became of that transaction.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, NullPool, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from hub.errors import Unavailable, Undecided
from hub.store.database import AWAY, Database, Locked, NotMigrated, Unusable, border, tell_refusal
from hub.store.migrating import migrate, state_of
from hub.store.threads import ConnectionThreads, Limits
from hub.values import shown

T = TypeVar("T")
log = logging.getLogger("hub.store")

WRITERS = 3
"""Connections that write: one for the groups of the ledger, the others so that nothing waits for those."""
READERS = 4
POOL_SECONDS = 1.0
"""How long a job waits for one of them."""
CONNECT_SECONDS = 2
"""The least that libpq knows."""
LOCK_SECONDS = 2.0
STATEMENT_SECONDS = 3.0
JOB_SECONDS = 4.0
"""After which a connection is cut: the server did not even keep its own time-outs."""
PATIENCE_SECONDS = 4.0
"""For how long a transaction is begun again, or asked for."""

AGAIN = frozenset({"40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05", "25P03"})
"""Serialization failure, deadlock, too many connections, a server that goes or comes, and one that ended a connection
for being idle (PostgreSQL, appendix A)."""
LOCKED = frozenset({"55P03", "57014"})
"""The lock's time-out, or the statement's: who waits for a row behind another waiter waits for two locks in a row,
each as long as LOCK_SECONDS, and so for longer than STATEMENT_SECONDS."""

CURRENT = text("SELECT pg_current_xact_id_if_assigned()::text")
STATUS = text("SELECT pg_xact_status(CAST(:xid AS xid8))")


class _Again(Unavailable):
    """Nothing was changed, and another try may do."""


class _Lost(Unavailable):
    """The connection went after COMMIT was sent."""

    def __init__(self, xid: str | None = None, result: Any = None) -> None:
        super().__init__()
        self.xid = xid
        self.result = result


class PostgresDatabase(Database):
    """A server, for any number of processes. Its tables are brought up to date by `hub migrate`."""

    shared = True

    def __init__(self, url: str) -> None:
        self.url = url
        self._url = dialed(url)
        self._engine = create_engine(self._url, poolclass=NullPool, hide_parameters=True)
        event.listen(self._engine, "do_connect", self._dial)
        self._lines: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._writers: ConnectionThreads | None = None
        self._readers: ConnectionThreads | None = None
        self._lost = False

    def claim(self) -> None:
        """Any number of processes may use it."""

    async def open(self) -> None:
        """Begin; the server is dialed when there is work, and whenever it was lost."""
        limits = Limits(POOL_SECONDS, JOB_SECONDS, self._cut)
        writer, reader = partial(self._connect, writes=True), partial(self._connect, writes=False)
        self._writers = ConnectionThreads("hub-writer", WRITERS, writer, limits)
        self._readers = ConnectionThreads("hub-reader", READERS, reader, limits)

    async def migrate(self) -> str:
        """Bring the tables up to date; the revision reached. Raises Unusable."""
        try:
            return await asyncio.to_thread(migrate, self._engine)
        except (SQLAlchemyError, NotMigrated) as error:
            why = str(error.orig).strip() if isinstance(error, DBAPIError) else error
            raise Unusable(f"the database {shown(self.url)} can't be used: {why}") from error

    async def close(self) -> None:
        """Finish what is under way and hang up."""
        for threads in (self._readers, self._writers):
            if threads is not None:
                await threads.close()
        self._engine.dispose()
        with self._lock:
            for line in self._lines.values():
                line.close()
            self._lines.clear()

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one write transaction, again if need be; raises `Unavailable`, `Locked` if others hold it.

        Then nothing was done, unless the message says that this is not known.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        for attempt in range(100):
            try:
                result = await self._write(partial(_attempt, work))
                self._lost = False
                return result
            except _Lost as lost:
                log.warning("the database was lost in a commit")
                if await self._was_committed(lost.xid, until):
                    return lost.result  # type: ignore[no-any-return]  # what `work` returned, carried by an exception
            except _Again as refusal:
                self._give_up(refusal, until)
            self.retries += 1
            await _pause(attempt)
        raise AssertionError("a hundred pauses are longer than any patience")

    def _give_up(self, refusal: Unavailable, until: float) -> None:
        # Whoever was told a moment ago that nobody is there rings once, not for four seconds.
        if self._lost or time.monotonic() > until:
            self._lost = True
            gone = Unavailable(refusal.message)
            gone.reason = refusal.reason
            raise gone from refusal

    async def _was_committed(self, xid: str | None, until: float) -> bool:
        """What became of a transaction whose COMMIT was sent; raises Unavailable when nobody can tell in time."""
        if xid is None:  # it had changed nothing
            return False
        for attempt in range(100):
            with suppress(Unavailable):
                status = await self._write(partial(_status, xid))
                if status in ("committed", "aborted"):
                    return status == "committed"
            if time.monotonic() > until:
                break
            await _pause(attempt)
        self._lost = True
        raise Undecided()

    async def scrub(self) -> None:
        """Old rows are the server's to clear away."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read-only connection; each statement sees the newest commit. May raise `Unavailable`."""

        def job(connection: Connection) -> T:
            with border(), _passing():
                return work(connection)

        assert self._readers is not None
        until = time.monotonic() + PATIENCE_SECONDS
        for attempt in range(100):
            try:
                result = await self._readers.run(job)
                self._lost = False
                return result
            except Locked as slow:
                raise Unavailable("The database takes too long to answer this right now.") from slow
            except _Again as refusal:
                self._give_up(refusal, until)
            # After a loss that is over, each of these connections learns of it only by being used.
            if attempt >= READERS:
                await _pause(attempt - READERS)
        raise AssertionError("a hundred pauses are longer than any patience")

    async def _write(self, job: Callable[[Connection], T]) -> T:
        assert self._writers is not None
        return await self._writers.run(job)

    def _connect(self, *, writes: bool) -> Connection:
        engine = self._engine if writes else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        settings = {
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            "lock_timeout": f"{LOCK_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{JOB_SECONDS}s",
            "default_transaction_read_only": "off" if writes else "on",
        }
        with border(), _passing():
            connection = engine.connect()
            # By SQL and not in the start-up packet, where poolers refuse them.
            calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
            connection.exec_driver_sql(f"SELECT {calls}")
            connection.commit()
        return connection

    def _dial(self, dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        connection: Any = dialect.connect(*arguments, **options)
        # A number of our own for the same socket: one that the driver closed could be another socket's by now.
        line = socket.socket(fileno=os.dup(connection.pgconn.socket))
        with self._lock:
            old, self._lines[threading.get_ident()] = self._lines.get(threading.get_ident()), line
            if old is not None:
                old.close()
        return connection

    def _cut(self, thread: int) -> None:
        log.error("the database does not answer: the connection is cut")
        with self._lock, suppress(OSError, KeyError):
            self._lines[thread].shutdown(socket.SHUT_RDWR)


def dialed(url: str) -> URL:
    """The URL with what every connection needs, where it does not say otherwise."""
    parts = make_url(url).set(drivername="postgresql+psycopg")
    defaults = {
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": "live-session-hub",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "10000",
    }
    return parts.update_query_dict({name: value for name, value in defaults.items() if name not in parts.query})


class _passing:
    """Inside: what may pass by itself raises `_Again`, a lock that is held `Locked`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DBAPIError):
            if state_of(error) in LOCKED:
                raise Locked() from error
            if may_pass(error):
                tell_refusal("the database asks for another try", error)
                raise _Again.because(AWAY, error.orig) from error


def may_pass(error: DBAPIError) -> bool:
    """Whether another try may do: a deadlock, a server that restarts, a connection that was lost."""
    state = state_of(error)
    if error.connection_invalidated:
        return True
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state in AGAIN or state.startswith("08")


def _attempt(work: Callable[[Connection], T], connection: Connection) -> T:
    committing = False
    xid: str | None = None
    result: Any = None
    with border(), _passing():
        try:
            with connection.begin():
                result = work(connection)
                xid = connection.execute(CURRENT).scalar_one()
                committing = True
        except DBAPIError as error:
            if committing and may_pass(error):
                raise _Lost(xid, result) from error
            raise
    return result  # type: ignore[no-any-return]  # what `work` returned


def _status(xid: str, connection: Connection) -> str | None:
    try:
        with border(), _passing(), connection.begin():
            status: str | None = connection.execute(STATUS, {"xid": xid}).scalar_one()
            return status
    except DataError:
        return "aborted"  # a number of the future: a standby took over that has never heard of it


async def _pause(attempt: int) -> None:
    await asyncio.sleep(min(0.5, 0.01 * 2**attempt) * random.uniform(0.5, 1.5))
