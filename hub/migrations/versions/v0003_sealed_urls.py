"""Meeting addresses are sealed, beside the column that held them in the clear."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be empty: the version before shows no address there, and what it writes stays readable.

    Nothing is sealed here, where no key is known: `hub reseal` does it.
    """
    op.add_column("live_sessions", sa.Column("sealed_url", sa.Text(), nullable=True))
