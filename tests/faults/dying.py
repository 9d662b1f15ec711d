"""`hub`, with a background task that dies on SIGUSR1: `python -m tests.faults.dying TASK serve`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from hub import cli
from hub.app import Hub, build
from hub.commands import single
from hub.settings import Settings

TASKS = ("bus", "ledger", "lease", "reaper", "comparing", "lag", "readiness")


def mortal(run: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], Coroutine[Any, Any, None]]:
    """The same until the signal."""

    async def run_until_told() -> None:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
        async with asyncio.TaskGroup() as group:
            group.create_task(run())
            await told.wait()
            raise ZeroDivisionError("as a bug would")

    return run_until_told


def built(settings: Settings, **more: Any) -> Hub:
    """A hub with a mortal task."""
    hub = build(settings, **more)
    part: Any = getattr(hub, TASK)
    part.run = mortal(part.run)
    return hub


if __name__ == "__main__":
    TASK = sys.argv.pop(1)
    single.build = built  # type: ignore[attr-defined]  # a name that it only imports, and calls
    cli.main()
