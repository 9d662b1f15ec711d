"""Where the tables are in their history, and bringing them up to date.

Alembic applies the migrations; it is imported only where there are some to apply, since that takes longer than to look.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, select

from hub.store.tables import metadata

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"
NAME = re.compile(r"v(\w+?)_\w+\.py")
"""Of the file of a migration: it begins with the revision."""
VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32)),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As Alembic makes it."""


def upgrade(connection: Connection) -> str:
    """Apply every migration not yet applied; answers the revision reached. Raises NotMigrated.

    On SQLite in one transaction, for which others wait. On PostgreSQL each in its own, so that its locks are held for
    no longer than it takes: `hub.store.migrating` sees to it that nobody else does the same.
    """
    if connection.dialect.name == "sqlite":
        with connection.begin():
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if _is_empty(connection):
                _make(connection)
            elif current(connection) != head():
                _apply(connection)
    else:
        _apply(connection)
    return head()


def _is_empty(connection: Connection) -> bool:
    return connection.exec_driver_sql("SELECT 1 FROM sqlite_schema LIMIT 1").first() is None


def _make(connection: Connection) -> None:
    """Make the tables as they are declared, which is what the migrations come to, without their library."""
    metadata.create_all(connection, checkfirst=False)
    VERSION.create(connection, checkfirst=False)
    connection.execute(insert(VERSION).values(version_num=head()))


def _apply(connection: Connection) -> None:
    from hub.store import history

    history.apply(connection)


@cache
def _revisions() -> list[str]:
    """Of all migrations, oldest first."""
    names = (NAME.fullmatch(file.name) for file in MIGRATIONS.iterdir())
    return sorted(name[1] for name in names if name)


def head() -> str:
    """The newest revision this version of the hub knows."""
    return _revisions()[-1]


def knows(revision: str) -> bool:
    """Whether this version of the hub has that migration."""
    return revision in _revisions()


def current(connection: Connection) -> str | None:
    """The revision the database is at; None where there are no tables yet."""
    if not connection.dialect.has_table(connection, VERSION.name):
        return None
    return connection.execute(select(VERSION)).scalar_one_or_none()


def behind(connection: Connection) -> str | None:
    """What is missing of the tables, as a sentence; None when this version can work with them.

    A revision that this version does not know is newer: the next version migrates beside the running one.
    """
    at = current(connection)
    if at == head() or (at is not None and not knows(at)):
        return None
    return f"the tables are at {at or 'none yet'}, this version needs {head()}: run `hub migrate`"
