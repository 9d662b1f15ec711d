"""Bringing the tables up to date, from migrations inside the package."""

from __future__ import annotations

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": f"SELECT pg_advisory_xact_lock({0x68_75_62})"}
"""What makes whoever else migrates wait until this one is done."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "hub:migrations")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> str:
    """Apply every migration not yet applied, in one transaction; answers the revision reached."""
    with connection.begin():
        connection.exec_driver_sql(ALONE[connection.dialect.name])
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
