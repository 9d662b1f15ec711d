"""The one process of a file, and what an error of the database tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from hub.store.database import AlreadyRunning
from hub.store.sqlite import SqliteDatabase


async def test_a_second_hub_is_refused_by_whatever_name_it_calls_the_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "folder" / "hub.db")
    (tmp_path / "linked").symlink_to(tmp_path / "folder")
    names = [tmp_path / "folder" / "hub.db", tmp_path / "link.db", tmp_path / "linked" / "hub.db"]
    for first in names:
        database = SqliteDatabase(f"sqlite:///{first}")
        await database.open()
        for second in names:
            with pytest.raises(AlreadyRunning):
                SqliteDatabase(f"sqlite:///{second}").claim()
        await database.close()


async def test_an_error_of_the_database_tells_no_values(tmp_path: Path) -> None:
    def insert(connection: Connection) -> None:
        connection.execute(text("INSERT INTO users (id, name) VALUES (:id, :name)"), {"id": "s3cret", "name": "s3cret"})

    database = SqliteDatabase(f"sqlite:///{tmp_path / 'hub.db'}")
    await database.open()
    try:
        with pytest.raises(IntegrityError) as failed:
            await database.transact(insert)
    finally:
        await database.close()
    assert "INSERT INTO users" in str(failed.value)
    assert "s3cret" not in str(failed.value)
