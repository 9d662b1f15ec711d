"""A hub in the process that `Second` has: beside the test and killed by nobody, it need not be started for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.running import Running, settings_for
from tests.second import Second
from tests.tables import Where


@asynccontextmanager
async def beside(second: Second, where: Where, **changes: Any) -> AsyncIterator[Running]:
    """One on this database; `changes` are its settings, as in `settings_for`."""
    port = await second.start(settings_for(where, **changes))
    try:
        yield Running((port,), where)
    finally:
        await second.stop(port)
