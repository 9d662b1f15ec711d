"""What is left of visits that are no longer kept."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table that the version before knows nothing of: only `hub prune` of this one fills it."""
    op.create_table(
        "attendance_totals",
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("first_joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_left_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_attendance_totals_seconds")),
        sa.CheckConstraint("last_left_at >= first_joined_at", name=op.f("ck_attendance_totals_never_negative")),
        sa.ForeignKeyConstraint(["session_id"], ["live_sessions.id"], name=op.f("fk_attendance_totals_session_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_attendance_totals_user_id")),
        sa.PrimaryKeyConstraint("session_id", "user_id", name=op.f("pk_attendance_totals")),
    )
    op.create_index("ix_attendance_totals_user", "attendance_totals", ["user_id"], unique=False)
