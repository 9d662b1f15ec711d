"""Where the socket itself is looked at, a hub is also one whose /ws any other ASGI server would serve so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import a_hub
from tests.running import Running

DRIVERS = ["one", "plain", "two"]


@pytest.fixture(params=DRIVERS)
async def hub(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """As elsewhere, with each driver."""
    async with a_hub(request, tmp_path) as listening:
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DRIVERS)
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """As elsewhere, with each driver."""
    async with a_hub(request, tmp_path_factory.mktemp("shared")) as listening:
        yield listening
