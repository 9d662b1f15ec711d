"""What many processes need of each other: when the listing last changed, and when a socket dropped."""

import sqlalchemy as sa

from hub.migrations import beside

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that may be empty, so that the version before goes on working beside this one."""
    beside.add_column("live_sessions", sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))
    beside.add_column("session_participants", sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True))
    beside.create_index("ix_live_sessions_edited", "live_sessions", ["edited_at"])
