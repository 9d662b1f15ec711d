"""Bringing the tables up to date, from migrations inside the package."""

from __future__ import annotations

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "hub:migrations")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> str:
    """Apply every migration not yet applied; answers the revision reached.

    On SQLite in one transaction, for which others wait. On PostgreSQL each in its own, so that its locks are held for
    no longer than it takes: `hub.store.migrating` sees to it that nobody else does the same.
    """
    if connection.dialect.name == "sqlite":
        with connection.begin():
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            command.upgrade(_config(connection), "head")
    else:
        command.upgrade(_config(connection), "head")
    return head()


@cache
def head() -> str:
    """The newest revision this version of the hub knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


@cache
def knows(revision: str) -> bool:
    """Whether this version of the hub has that migration."""
    return any(script.revision == revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def current(connection: Connection) -> str | None:
    """The revision the database is at; None where there are no tables yet."""
    return MigrationContext.configure(connection).get_current_revision()


def behind(connection: Connection) -> str | None:
    """What is missing of the tables, as a sentence; None when this version can work with them.

    A revision that this version does not know is newer: the next version migrates beside the running one.
    """
    at = current(connection)
    if at == head() or (at is not None and not knows(at)):
        return None
    return f"the tables are at {at or 'none yet'}, this version needs {head()}: run `hub migrate`"
