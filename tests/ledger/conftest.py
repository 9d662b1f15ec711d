"""One contract, the stores as parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.store.postgresql import PostgresDatabase
from tests.house import House, house_at, house_on


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[House]:
    """A ledger on SQLite, for what only a file can do."""
    async with house_at(tmp_path) as opened:
        yield opened


@pytest.fixture
async def server(fresh_postgres: str) -> AsyncIterator[House]:
    """A ledger on PostgreSQL, for what only a server can do."""
    async with house_on(PostgresDatabase(fresh_postgres), fresh_postgres) as opened:
        yield opened


@pytest.fixture(params=["file", "server"], ids=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest) -> House:
    """A ledger on each of the stores."""
    opened = request.getfixturevalue(request.param)
    assert isinstance(opened, House)
    return opened
