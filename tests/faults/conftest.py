"""Fixtures of the fault tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REDIS_DATABASES
from tests.faults.nodes import Nodes
from tests.servers import RedisServer


@pytest.fixture
def nodes(fresh_postgres: str, redis_server: RedisServer, tmp_path: Path) -> Nodes:
    """A place for processes on one database and one bus; none is started yet."""
    return Nodes(fresh_postgres, redis_server.url(next(REDIS_DATABASES)), tmp_path)
