"""One contract, the stores as parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House, house_at

STORES = {"sqlite": house_at}


@pytest.fixture(params=STORES)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A ledger on each of the stores."""
    async with STORES[request.param](tmp_path) as opened:
        yield opened
