"""A hub in the process that `Second` has: beside the test and killed by nobody, it need not be started for one test."""

from __future__ import annotations

import os
import signal
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


@asynccontextmanager
async def halted(second: Second) -> AsyncIterator[None]:
    """That process stands still meanwhile, and every hub in it."""
    os.kill(second.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(second.pid, signal.SIGCONT)
