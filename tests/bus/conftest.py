"""A server for the tests of the bus; those that hurt it start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis that nobody freezes or kills."""
    with RedisServer() as server:
        yield server
