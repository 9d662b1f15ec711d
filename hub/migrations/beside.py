"""What a migration does to tables that hubs are working with: nobody waits for it, and half done it is done again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column, which must be nullable or have a constant default: then no row is written.

    Where the index of the same migration was broken off, it is there already.
    """
    op.add_column(table, column, if_not_exists=_on_postgresql() or None)


def create_index(name: str, table: str, columns: Sequence[str], **more: Any) -> None:
    """Build an index, on PostgreSQL while others write to the table: it commits what its migration did before.

    So it comes last, and whatever stands before it must be one to do again. A build that was broken off leaves an index
    that is of no use: it is taken away first.
    """
    if not _on_postgresql():
        op.create_index(name, table, columns, **more)
        return
    with op.get_context().autocommit_block():
        # It waits for transactions under way, and keeps nobody from the table meanwhile.
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **more)


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
