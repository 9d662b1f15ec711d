"""Which database a URL means."""

from __future__ import annotations

from hub.store.database import Database
from hub.store.postgresql import PostgresDatabase
from hub.store.sqlite import SqliteDatabase


def database_at(url: str) -> Database:
    """The database at `sqlite:///FILE` or `postgresql://…`, not open yet."""
    return SqliteDatabase(url) if url.startswith("sqlite:") else PostgresDatabase(url)
