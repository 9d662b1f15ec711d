"""Bringing the tables up to date, from migrations inside the package."""

from __future__ import annotations

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
    """Apply every migration not yet applied, in one transaction; answers the revision reached."""
    with connection.begin():
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(_config(connection), "head")
    return head()


def head() -> str:
    """The newest revision this version of the hub knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def knows(revision: str) -> bool:
    """Whether this version of the hub has that migration."""
    return any(script.revision == revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def current(connection: Connection) -> str | None:
    """The revision the database is at; None where there are no tables yet."""
    return MigrationContext.configure(connection).get_current_revision()
