"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_beat", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="alive", nullable=False),
        sa.CheckConstraint("state IN ('alive', 'draining', 'dead')", name=op.f("ck_nodes_state")),
        sa.CheckConstraint("last_beat >= started_at", name=op.f("ck_nodes_beat_after_start")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.CheckConstraint("role IN ('expert', 'student')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "live_sessions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("instructor", sa.String(length=255), nullable=False),
        sa.Column("expert_id", sa.String(length=255), nullable=False),
        sa.Column("course_id", sa.String(length=255), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("max_participants", sa.Integer(), nullable=True),
        sa.Column("price_amount", sa.Integer(), nullable=True),
        sa.Column("price_currency", sa.String(length=3), nullable=True),
        sa.Column("meeting_url", sa.Text(), nullable=True),
        sa.Column("sealed_password", sa.Text(), nullable=True),
        sa.Column("roster_visibility", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("live", sa.Integer(), server_default="0", nullable=False),
        sa.Column("peak_live", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "roster_visibility IN ('participants', 'host')", name=op.f("ck_live_sessions_roster_visibility")
        ),
        sa.CheckConstraint(
            "status IN ('scheduled', 'active', 'ended', 'cancelled')", name=op.f("ck_live_sessions_status")
        ),
        sa.CheckConstraint(
            "(price_amount IS NULL) = (price_currency IS NULL)", name=op.f("ck_live_sessions_price_whole")
        ),
        sa.CheckConstraint(
            "confirmed >= 0 AND (max_participants IS NULL OR confirmed <= max_participants)",
            name=op.f("ck_live_sessions_never_a_seat_too_many"),
        ),
        sa.CheckConstraint("duration_minutes BETWEEN 1 AND 1440", name=op.f("ck_live_sessions_duration")),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= started_at", name=op.f("ck_live_sessions_ends_after_start")
        ),
        sa.CheckConstraint("live >= 0 AND peak_live >= live", name=op.f("ck_live_sessions_live")),
        sa.CheckConstraint("max_participants IS NULL OR max_participants >= 1", name=op.f("ck_live_sessions_capacity")),
        sa.CheckConstraint("price_amount IS NULL OR price_amount > 0", name=op.f("ck_live_sessions_price_positive")),
        sa.CheckConstraint("version >= 1 AND revision >= version", name=op.f("ck_live_sessions_revision")),
        sa.ForeignKeyConstraint(["expert_id"], ["users.id"], name=op.f("fk_live_sessions_expert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_live_sessions")),
    )
    op.create_index("ix_live_sessions_course", "live_sessions", ["course_id", "starts_at", "id"], unique=False)
    op.create_index("ix_live_sessions_created", "live_sessions", ["created_at", "id"], unique=False)
    op.create_index("ix_live_sessions_expert", "live_sessions", ["expert_id", "starts_at", "id"], unique=False)
    op.create_index("ix_live_sessions_live", "live_sessions", ["live", "id"], unique=False)
    op.create_index("ix_live_sessions_starts", "live_sessions", ["starts_at", "id"], unique=False)
    op.create_index("ix_live_sessions_status_starts", "live_sessions", ["status", "starts_at", "id"], unique=False)
    op.create_table(
        "session_bookings",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("price_amount", sa.Integer(), nullable=True),
        sa.Column("price_currency", sa.String(length=3), nullable=True),
        sa.CheckConstraint(
            "(status = 'cancelled') = (cancelled_at IS NOT NULL)", name=op.f("ck_session_bookings_cancelled_at")
        ),
        sa.CheckConstraint(
            "status <> 'confirmed' OR confirmed_at IS NOT NULL", name=op.f("ck_session_bookings_confirmed_at")
        ),
        sa.CheckConstraint(
            "status <> 'pending' OR expires_at IS NOT NULL", name=op.f("ck_session_bookings_a_hold_ends")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'cancelled', 'expired')", name=op.f("ck_session_bookings_status")
        ),
        sa.CheckConstraint(
            "(price_amount IS NULL) = (price_currency IS NULL)", name=op.f("ck_session_bookings_price_whole")
        ),
        sa.ForeignKeyConstraint(["session_id"], ["live_sessions.id"], name=op.f("fk_session_bookings_session_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_session_bookings_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_bookings")),
    )
    op.create_index(
        "ix_session_bookings_holds",
        "session_bookings",
        ["session_id", "expires_at"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_session_bookings_lapsing",
        "session_bookings",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_session_bookings_session", "session_bookings", ["session_id", "created_at", "id"], unique=False)
    op.create_index("ix_session_bookings_user", "session_bookings", ["user_id", "created_at", "id"], unique=False)
    op.create_index(
        "uq_session_bookings_one_live_booking",
        "session_bookings",
        ["session_id", "user_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('pending', 'confirmed')"),
        postgresql_where=sa.text("status IN ('pending', 'confirmed')"),
    )
    op.create_table(
        "session_participants",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("connection_id", sa.String(length=64), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("present_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.CheckConstraint(
            "reason IS NULL OR reason IN "
            "('left', 'disconnected', 'token_expired', 'cancelled', 'session_ended', 'node_lost')",
            name=op.f("ck_session_participants_reason"),
        ),
        sa.CheckConstraint(
            "(left_at IS NULL) = (reason IS NULL)", name=op.f("ck_session_participants_left_with_a_reason")
        ),
        sa.CheckConstraint(
            "left_at IS NULL OR left_at >= joined_at", name=op.f("ck_session_participants_never_negative")
        ),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_session_participants_node_id")),
        sa.ForeignKeyConstraint(["session_id"], ["live_sessions.id"], name=op.f("fk_session_participants_session_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_session_participants_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_participants")),
    )
    op.create_index(
        "ix_session_participants_open",
        "session_participants",
        ["session_id", "user_id"],
        unique=False,
        sqlite_where=sa.text("left_at IS NULL"),
        postgresql_where=sa.text("left_at IS NULL"),
    )
    op.create_index(
        "ix_session_participants_open_node",
        "session_participants",
        ["node_id"],
        unique=False,
        sqlite_where=sa.text("left_at IS NULL"),
        postgresql_where=sa.text("left_at IS NULL"),
    )
    op.create_index(
        "ix_session_participants_session", "session_participants", ["session_id", "user_id", "joined_at"], unique=False
    )
    op.create_index(
        "uq_session_participants_one_open_visit",
        "session_participants",
        ["session_id", "connection_id"],
        unique=True,
        sqlite_where=sa.text("left_at IS NULL"),
        postgresql_where=sa.text("left_at IS NULL"),
    )
    op.create_table(
        "session_payments",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("booking_id", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["session_bookings.id"], name=op.f("fk_session_payments_booking_id")),
        sa.ForeignKeyConstraint(["session_id"], ["live_sessions.id"], name=op.f("fk_session_payments_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_payments")),
    )
    op.create_index("ix_session_payments_booking", "session_payments", ["booking_id"], unique=False)
