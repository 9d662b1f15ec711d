"""Which database a URL means."""

from __future__ import annotations

from hub.store.database import Database


def database_at(url: str) -> Database:
    """The database at `sqlite:///FILE` or `postgresql://…`, not open yet."""
    if url.startswith("sqlite:"):
        from hub.store.sqlite import SqliteDatabase

        return SqliteDatabase(url)
    from hub.store.postgresql import PostgresDatabase

    return PostgresDatabase(url)
