"""A hub for the tests of a file, and room for windows on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.page.windows import Windows, windows
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
