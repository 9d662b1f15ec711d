"""The migrations inside the package, applied by Alembic."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from hub.store.database import NotMigrated


def apply(connection: Connection) -> None:
    """Apply every migration not yet applied; raises NotMigrated with what Alembic says against it."""
    config = Config()
    config.set_main_option("script_location", "hub:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NotMigrated(str(error)) from error
