"""Fixtures that every floor of tests may use."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from hub.store.postgresql import PostgresDatabase
from tests.browser import chromium
from tests.house import House, house_at, house_on
from tests.running import PATIENCE, Place, Running, running, running_twice
from tests.second import Second
from tests.servers import PostgresServer, RedisServer
from tests.tables import Where

REDIS_DATABASES = count()


def pytest_collection_finish() -> None:
    """What was imported stays: to look through it for garbage again and again took a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests; each makes databases of its own."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for all tests; the number of a database keeps their channels apart."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> str:
    """A database with tables and nothing in them, from which others are made."""
    url = postgres_server.database()
    with ThreadPoolExecutor(1) as thread:  # whoever asks first may be in a loop already
        thread.submit(asyncio.run, PostgresDatabase(url).migrate()).result(PATIENCE)
    return url


@pytest.fixture
def fresh_postgres(postgres_server: PostgresServer, migrated_postgres: str) -> Iterator[str]:
    """The URL of a database with empty tables."""
    url = postgres_server.database(migrated_postgres)
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """A database that no hub uses."""
    if request.param == "sqlite":
        return tmp_path / "hub.db"
    url: str = request.getfixturevalue("fresh_postgres")
    return url


@pytest.fixture(scope="session")
def second() -> Iterator[Second]:
    """A second process for hubs."""
    with Second() as process:
        yield process


def a_hub(request: pytest.FixtureRequest, folder: Path, **changes: Any) -> AbstractAsyncContextManager[Running]:
    """One hub on SQLite, or two processes on PostgreSQL and Redis; or `plain`, one whose /ws goes through ASGI."""
    if request.param != "two":
        return running(folder, serving_as={"direct": request.param == "one"}, **changes)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.database(request.getfixturevalue("migrated_postgres"))
    request.addfinalizer(lambda: server.drop(url))
    redis: RedisServer = request.getfixturevalue("redis_server")
    place = Place(url, redis.url(next(REDIS_DATABASES)), request.getfixturevalue("second"))
    return running_twice(place, **changes)


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Running]:
    """A hub on SQLite that listens in this process, with limits off and a grace of 0.2 s."""
    async with running(tmp_path) as listening:
        yield listening


@pytest.fixture(params=["one", "two"])
async def hub(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """A hub that listens: alone on SQLite, or two processes on PostgreSQL and Redis; else as `alone`."""
    async with a_hub(request, tmp_path) as listening:
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["one", "two"])
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """The same, one for all tests of a module, which run in its loop; each test makes its own sessions."""
    async with a_hub(request, tmp_path_factory.mktemp("shared")) as listening:
        yield listening


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests, as its start takes as long as a test; they run in the session's loop."""
    async with chromium() as started:
        yield started


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
    """A ledger on each of the stores: one contract."""
    opened = request.getfixturevalue(request.param)
    assert isinstance(opened, House)
    return opened
