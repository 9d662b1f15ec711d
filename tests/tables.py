"""What is stored, seen as another program sees it: plain drivers, no code of the hub. For SQLite and PostgreSQL alike.

A database is named by the path of its file, or by its postgresql:// URL. Queries are written with `?`; instants come as
SQLite keeps them, as text in UTC, on both.

To connect to PostgreSQL takes its server forty times as long as a question: `rows` and `change` leave their connection
for the next one, if they were told by `keep` that somebody will `forget` it.
"""

from __future__ import annotations

import select
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg

Where = Path | str
PATIENCE = 10.0
TABLES = ("live_sessions", "session_bookings", "session_participants", "session_payments", "users", "attendance_totals")
"""All but the leases, which beat."""


class Cursor(Protocol):
    """What an execution answers."""

    def fetchall(self) -> list[Any]:
        """All rows."""

    def fetchone(self) -> Any:
        """The next row."""


class Tables(Protocol):
    """A connection in autocommit: BEGIN and ROLLBACK are statements."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""


Connection = psycopg.Connection[tuple[Any, ...]]
_KEPT: dict[str, list[Connection]] = {}
"""By URL those that nobody uses just now."""


class _Postgres:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""
        if values:
            query = query.replace("%", "%%").replace("?", "%s")
        return self._connection.execute(query.encode(), values or None)


def url_of(where: Where) -> str:
    """What HUB_DATABASE_URL is for it."""
    return f"sqlite:///{where}" if isinstance(where, Path) else where


@contextmanager
def tables(where: Where) -> Iterator[Tables]:
    """A connection of another program."""
    if isinstance(where, Path):
        with closing(sqlite3.connect(where, isolation_level=None, timeout=PATIENCE)) as file:
            yield file
    else:
        with _connect(where) as server:
            yield _Postgres(server)


def keep(url: str) -> None:
    """Keep connections to this database from now on, until `forget`."""
    _KEPT.setdefault(url, [])


def forget(url: str) -> None:
    """End what was kept, and keep no more: for a database that is dropped or copied, or a server that stands still."""
    for connection in _KEPT.pop(url, []):
        connection.close()


@contextmanager
def _kept(where: Where) -> Iterator[Tables]:
    """A connection for one statement, whatever was done on it before: that leaves no transaction and no setting."""
    idle = _KEPT.get(where) if isinstance(where, str) else None
    if idle is None or isinstance(where, Path):
        with tables(where) as own:
            yield own
        return
    with ExitStack() as stack:  # what fails, or whose database was forgotten meanwhile, is closed
        connection = stack.enter_context(_usable(idle) or _connect(where))
        yield _Postgres(connection)
        if _KEPT.get(where) is idle:
            stack.pop_all()
            idle.append(connection)


def _connect(url: str) -> Connection:
    # A plan that is kept does not outlive a change of its table.
    once: dict[str, Any] = {"options": "-c timezone=UTC", "prepare_threshold": None}
    return psycopg.connect(url, autocommit=True, connect_timeout=int(PATIENCE), **once)


def _usable(idle: list[Connection]) -> Connection | None:
    """One that was not ended: there the server's last word, or the end, would lie unread."""
    while idle:
        connection = idle.pop()
        unread = select.poll()
        unread.register(connection, select.POLLIN)
        if not unread.poll(0):
            return connection
        connection.close()
    return None


@contextmanager
def locked(where: Where) -> Iterator[None]:
    """Hold a lock on every session meanwhile, as a forgotten console does."""
    with tables(where) as other:
        other.execute("BEGIN IMMEDIATE" if isinstance(where, Path) else "BEGIN")
        if not isinstance(where, Path):
            other.execute("SELECT id FROM live_sessions FOR UPDATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def rows(where: Where, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with _kept(where) as connection:
        return [tuple(map(_plain, row)) for row in connection.execute(query, values).fetchall()]


def ask(where: Where, query: str, *values: Any) -> list[Any]:
    """The rows of a query; of one column, its values."""
    found = rows(where, query, *values)
    return [row[0] for row in found] if found and len(found[0]) == 1 else found


def change(where: Where, statement: str, *values: Any) -> None:
    """Change something behind the hub's back."""
    with _kept(where) as connection:
        connection.execute(statement, values)


def dump(where: Where) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in order."""
    return {table: rows(where, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


def holding(path: Path, octets: bytes) -> list[str]:
    """Which of a database's files, its log among them, hold this anywhere."""
    return [one.name for one in path.parent.glob(f"{path.name}*") if octets in one.read_bytes()]


def _plain(value: Any) -> Any:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value


def instant(text: str) -> datetime:
    """A stored instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
