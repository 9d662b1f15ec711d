"""The tables, with every promise the database itself can keep: keys, checks and the partial unique index."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    event,
    func,
    literal,
    text,
)

# A query finds a partial index only when its condition is written the same way, so both say it with these.
LIVE_BOOKING = text("status IN ('pending', 'confirmed')")
PENDING_BOOKING = text("status = 'pending'")
OPEN_VISIT = text("left_at IS NULL")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime in and out; SQLite keeps no zone, so it is taken off and put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive datetimes: they are somebody's local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime can't be stored")
        return value.astimezone(UTC) if dialect.name != "sqlite" else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Answer UTC whatever the database's session zone is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def clock(connection: Connection, now: datetime) -> ColumnElement[datetime]:
    """The time by which leases are judged: where many processes work, the database's own, else `now`."""
    if connection.dialect.name == "sqlite":
        return literal(now, Instant)
    return func.transaction_timestamp(type_=Instant)


def _partial(name: str, *columns: str, where: TextClause, unique: bool = False) -> Index:
    """An index of those rows alone. PostgreSQL's word for it is added there: it would bring that dialect everywhere.

    Only where all tables are created at once (`metadata.create_all`), which is the one way they are.
    """
    return Index(name, *columns, unique=unique, sqlite_where=where, info={"postgresql_where": where})


@event.listens_for(metadata, "before_create")
def _on_postgresql(target: MetaData, connection: Connection, **_: object) -> None:
    if connection.dialect.name == "postgresql":
        for table in target.tables.values():
            for index in table.indexes:
                index.dialect_kwargs.update(index.info)


def _one_of(column: str, *values: str) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


users = Table(
    "users",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    CheckConstraint(_one_of("role", "expert", "student"), name="role"),
    sqlite_with_rowid=False,
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("last_beat", Instant, nullable=False),
    Column("state", String(16), nullable=False, server_default="alive"),
    CheckConstraint(_one_of("state", "alive", "draining", "dead"), name="state"),
    CheckConstraint("last_beat >= started_at", name="beat_after_start"),
)

live_sessions = Table(
    "live_sessions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("title", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("instructor", String(255), nullable=False),
    Column("expert_id", String(255), ForeignKey("users.id"), nullable=False),
    Column("course_id", String(255)),
    Column("starts_at", Instant, nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("max_participants", Integer),
    Column("price_amount", Integer),
    Column("price_currency", String(3)),
    Column("meeting_url", Text),
    Column("sealed_password", Text),
    Column("roster_visibility", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("confirmed", Integer, nullable=False, server_default="0"),
    Column("live", Integer, nullable=False, server_default="0"),
    Column("peak_live", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("edited_at", Instant),
    Column("sealed_url", Text),
    CheckConstraint(_one_of("status", "scheduled", "active", "ended", "cancelled"), name="status"),
    CheckConstraint(_one_of("roster_visibility", "participants", "host"), name="roster_visibility"),
    CheckConstraint("duration_minutes BETWEEN 1 AND 1440", name="duration"),
    CheckConstraint("max_participants IS NULL OR max_participants >= 1", name="capacity"),
    CheckConstraint("(price_amount IS NULL) = (price_currency IS NULL)", name="price_whole"),
    CheckConstraint("price_amount IS NULL OR price_amount > 0", name="price_positive"),
    CheckConstraint(
        "confirmed >= 0 AND (max_participants IS NULL OR confirmed <= max_participants)", name="never_a_seat_too_many"
    ),
    CheckConstraint("live >= 0 AND peak_live >= live", name="live"),
    CheckConstraint("version >= 1 AND revision >= version", name="revision"),
    CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="ends_after_start"),
    Index("ix_live_sessions_status_starts", "status", "starts_at", "id"),
    Index("ix_live_sessions_starts", "starts_at", "id"),
    Index("ix_live_sessions_created", "created_at", "id"),
    Index("ix_live_sessions_edited", "edited_at"),
    Index("ix_live_sessions_live", "live", "id"),
    Index("ix_live_sessions_expert", "expert_id", "starts_at", "id"),
    Index("ix_live_sessions_course", "course_id", "starts_at", "id"),
)

session_bookings = Table(
    "session_bookings",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("session_id", Integer, ForeignKey("live_sessions.id"), nullable=False),
    Column("user_id", String(255), ForeignKey("users.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Column("cancelled_at", Instant),
    Column("expires_at", Instant),
    Column("price_amount", Integer),
    Column("price_currency", String(3)),
    CheckConstraint(_one_of("status", "pending", "confirmed", "cancelled", "expired"), name="status"),
    CheckConstraint("status <> 'pending' OR expires_at IS NOT NULL", name="a_hold_ends"),
    CheckConstraint("(status = 'cancelled') = (cancelled_at IS NOT NULL)", name="cancelled_at"),
    CheckConstraint("status <> 'confirmed' OR confirmed_at IS NOT NULL", name="confirmed_at"),
    CheckConstraint("(price_amount IS NULL) = (price_currency IS NULL)", name="price_whole"),
    _partial("uq_session_bookings_one_live_booking", "session_id", "user_id", unique=True, where=LIVE_BOOKING),
    _partial("ix_session_bookings_holds", "session_id", "expires_at", where=PENDING_BOOKING),
    _partial("ix_session_bookings_lapsing", "expires_at", where=PENDING_BOOKING),
    Index("ix_session_bookings_session", "session_id", "created_at", "id"),
    Index("ix_session_bookings_user", "user_id", "created_at", "id"),
)

session_participants = Table(
    "session_participants",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("session_id", Integer, ForeignKey("live_sessions.id"), nullable=False),
    Column("user_id", String(255), ForeignKey("users.id"), nullable=False),
    Column("connection_id", String(64), nullable=False),
    Column("node_id", String(64), ForeignKey("nodes.id"), nullable=False),
    Column("joined_at", Instant, nullable=False),
    Column("present_since", Instant, nullable=False),
    Column("left_at", Instant),
    Column("reason", String(16)),
    Column("dropped_at", Instant),
    CheckConstraint(
        "reason IS NULL OR "
        + _one_of("reason", "left", "disconnected", "token_expired", "cancelled", "session_ended", "node_lost"),
        name="reason",
    ),
    CheckConstraint("(left_at IS NULL) = (reason IS NULL)", name="left_with_a_reason"),
    CheckConstraint("left_at IS NULL OR left_at >= joined_at", name="never_negative"),
    _partial("uq_session_participants_one_open_visit", "session_id", "connection_id", unique=True, where=OPEN_VISIT),
    _partial("ix_session_participants_open", "session_id", "user_id", where=OPEN_VISIT),
    _partial("ix_session_participants_open_node", "node_id", where=OPEN_VISIT),
    Index("ix_session_participants_session", "session_id", "user_id", "joined_at"),
)

attendance_totals = Table(
    "attendance_totals",
    metadata,
    Column("session_id", Integer, ForeignKey("live_sessions.id"), primary_key=True),
    Column("user_id", String(255), ForeignKey("users.id"), primary_key=True),
    Column("seconds", Double, nullable=False),
    Column("first_joined_at", Instant, nullable=False),
    Column("last_left_at", Instant, nullable=False),
    CheckConstraint("seconds >= 0", name="seconds"),
    CheckConstraint("last_left_at >= first_joined_at", name="never_negative"),
    Index("ix_attendance_totals_user", "user_id"),
)
"""Of visits that are no longer kept: a person's rows of a session are there, or its total is here, never both."""

session_payments = Table(
    "session_payments",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("session_id", Integer, ForeignKey("live_sessions.id"), nullable=False),
    Column("booking_id", String(32), ForeignKey("session_bookings.id"), nullable=False),
    Column("type", String(32), nullable=False),
    Column("amount", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reference", String(255), nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("outcome", String(32), nullable=False),
    Index("ix_session_payments_booking", "booking_id"),
)
