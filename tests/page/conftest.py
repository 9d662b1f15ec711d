"""A hub for the tests of a file, and room for windows on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.page.windows import Window, Windows, windows
from tests.running import Running, running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub in this process; each test makes its own sessions."""
    async with running(tmp_path_factory.mktemp("page")) as listening:
        yield listening


@pytest_asyncio.fixture(loop_scope="session")
async def room(browser: Browser) -> AsyncIterator[Windows]:
    """Room for windows, which must have had no fault in the end."""
    async with windows(browser) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lending(browser: Browser, hub: Running) -> AsyncIterator[Windows]:
    """Windows that the tests of a file use one after the other, as to open one costs more than most of them do.

    They are closed before the hub is.
    """
    async with windows(browser) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(lending: Windows, hub: Running) -> AsyncIterator[Window]:
    """The window of nobody in particular."""
    async with lending.lent(hub) as window:
        yield window


@pytest_asyncio.fixture(loop_scope="session")
async def expert(lending: Windows, hub: Running) -> AsyncIterator[Window]:
    """The expert's window."""
    async with lending.lent(hub, "e-7", "expert") as window:
        yield window


@pytest_asyncio.fixture(loop_scope="session")
async def ann(lending: Windows, hub: Running) -> AsyncIterator[Window]:
    """A student's window."""
    async with lending.lent(hub, "ann") as window:
        yield window


@pytest_asyncio.fixture(loop_scope="session")
async def ben(lending: Windows, hub: Running) -> AsyncIterator[Window]:
    """Another student's."""
    async with lending.lent(hub, "ben") as window:
        yield window
