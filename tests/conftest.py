"""Fixtures that every floor of tests may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.running import Running, running


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """A hub that listens, with limits off and a grace of 0.2 s."""
    async with running(tmp_path) as listening:
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """The same, one for all tests of a module, which run in its loop; each test makes its own sessions."""
    async with running(tmp_path_factory.mktemp("shared")) as listening:
        yield listening
