"""Fixtures that every floor of tests may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import Running, running


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """A hub that listens, with limits off and a grace of 0.2 s."""
    async with running(tmp_path) as listening:
        yield listening
