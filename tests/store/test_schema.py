"""The migrations make exactly the tables that the code speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, create_mock_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from hub.store import history, schema
from hub.store.tables import metadata


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Connection]:
    """A database that every migration was applied to, one after the other."""
    engine = create_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    with engine.connect() as connection:
        with connection.begin():
            history.apply(connection)
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.rollback()
        yield connection
    engine.dispose()


def _definitions(connection: Connection) -> dict[str, str]:
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    return {name: " ".join(sql.split()) for name, sql in connection.exec_driver_sql(query)}


def _constraints(definitions: dict[str, str]) -> dict[str, list[str]]:
    return {name: sorted(sql.replace("(", ",").split(",")) for name, sql in definitions.items()}


def test_migrating_leaves_nothing_that_the_tables_would_still_change(migrated: Connection) -> None:
    assert compare_metadata(MigrationContext.configure(migrated), metadata) == []


def test_migrated_tables_are_the_declared_ones_of_a_new_file_to_the_letter(
    migrated: Connection, tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.connect() as new:
        schema.upgrade(new)

        assert _constraints(_definitions(migrated)) == _constraints(_definitions(new))
        assert len(_definitions(new)) > len(metadata.tables)
        assert schema.current(migrated) == schema.current(new) == schema.head()
    engine.dispose()


def test_a_file_of_an_older_version_is_migrated(migrated: Connection) -> None:
    newest = _definitions(migrated)
    migrated.exec_driver_sql("DROP TABLE attendance_totals")
    migrated.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
    migrated.commit()

    schema.upgrade(migrated)

    assert _constraints(_definitions(migrated)) == _constraints(newest)
    assert schema.current(migrated) == schema.head()


def test_the_revisions_are_those_that_alembic_finds() -> None:
    found = [script.revision for script in ScriptDirectory(str(schema.MIGRATIONS.parent)).walk_revisions()]
    assert schema.head() == found[0]
    assert all(schema.knows(revision) for revision in found)
    assert not schema.knows("9999")


def test_the_partial_indexes_are_so_on_postgresql_too() -> None:
    said: list[str] = []
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own, without annotations
    engine = create_mock_engine("postgresql://", lambda one, *_: said.append(str(one.compile(dialect=dialect))))
    metadata.create_all(engine, checkfirst=False)
    partial = {one.split(" INDEX ")[1].split()[0] for one in said if " INDEX " in one and " WHERE " in one}
    assert partial == {index.name for table in metadata.tables.values() for index in table.indexes if index.info}
    assert "uq_session_bookings_one_live_booking" in partial


def test_migrating_again_changes_nothing(migrated: Connection) -> None:
    before = _definitions(migrated)
    migrated.rollback()

    schema.upgrade(migrated)

    assert _definitions(migrated) == before
    assert schema.current(migrated) == schema.head()


USER = "INSERT INTO users (id, name, role) VALUES ('u', 'U', 'student')"
SESSION = (
    "INSERT INTO live_sessions (id, title, description, instructor, expert_id, starts_at, duration_minutes, timezone,"
    " roster_visibility, status, created_at, max_participants, confirmed, live, peak_live) VALUES"
    " (1, 't', '', 'i', 'u', '2030-01-01', 60, 'UTC', 'host', 'active', '2029-01-01', 2, {confirmed}, {live}, {peak})"
)
NODE = "INSERT INTO nodes (id, started_at, last_beat) VALUES ('n', '2029-01-01', '2029-01-01')"
BOOKING = (
    "INSERT INTO session_bookings (id, session_id, user_id, status, created_at, confirmed_at, expires_at)"
    " VALUES ('{id}', 1, 'u', '{status}', '2029-01-01', {confirmed_at}, NULL)"
)
VISIT = (
    "INSERT INTO session_participants (id, session_id, user_id, connection_id, node_id, joined_at,"
    " present_since, left_at, reason)"
    " VALUES ('{id}', 1, '{user}', 'c', 'n', '2029-01-02', '2029-01-02', {left}, {reason})"
)
FINE = SESSION.format(confirmed=0, live=0, peak=0)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (SESSION.format(confirmed=3, live=0, peak=0), "never_a_seat_too_many"),
        (SESSION.format(confirmed=0, live=2, peak=1), "ck_live_sessions_live"),
        (SESSION.format(confirmed=-1, live=0, peak=0), "never_a_seat_too_many"),
    ],
)
def test_the_database_itself_refuses_sums_that_can_not_be(migrated: Connection, broken: str, name: str) -> None:
    migrated.execute(text(USER))

    with pytest.raises(IntegrityError, match=name):
        migrated.exec_driver_sql(broken)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (BOOKING.format(id="b2", status="confirmed", confirmed_at="'2029-01-01'"), "UNIQUE"),
        (BOOKING.format(id="b2", status="pending", confirmed_at="NULL"), "a_hold_ends"),
        (BOOKING.format(id="b2", status="bought", confirmed_at="NULL"), "status"),
        (VISIT.format(id="v2", user="u", left="NULL", reason="'left'"), "left_with_a_reason"),
        (VISIT.format(id="v2", user="u", left="'2029-01-01'", reason="'left'"), "never_negative"),
        (VISIT.format(id="v2", user="u", left="NULL", reason="NULL"), "UNIQUE"),
        (VISIT.format(id="v2", user="nobody", left="'2029-01-03'", reason="'left'"), "FOREIGN KEY"),
    ],
)
def test_the_database_itself_refuses_rows_that_can_not_be(migrated: Connection, broken: str, name: str) -> None:
    for statement in (
        USER,
        FINE,
        NODE,
        BOOKING.format(id="b1", status="confirmed", confirmed_at="'2029-01-01'"),
        VISIT.format(id="v1", user="u", left="NULL", reason="NULL"),
    ):
        migrated.exec_driver_sql(statement)

    with pytest.raises(IntegrityError, match=name):
        migrated.exec_driver_sql(broken)
