"""What the audit log said, as its lines say it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hub.logs import JsonLines
from tests.running import PATIENCE


class Told(logging.Handler):
    """The lines of one logger, and those below it, since it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(json.loads(self.format(record)))

    def of(self, action: str, **members: Any) -> list[dict[str, Any]]:
        """Those of this action that have these members."""
        return [
            line
            for line in self.lines
            if line.get("action") == action and all(line.get(name) == value for name, value in members.items())
        ]

    async def one(self, action: str, **members: Any) -> dict[str, Any]:
        """The only line of this action that has these members, once it is there: sockets end after their clients."""
        async with asyncio.timeout(PATIENCE):
            while not (found := self.of(action, **members)):  # noqa: ASYNC110  a log has nothing to wait for
                await asyncio.sleep(0.01)
        assert len(found) == 1, found
        return found[0]


@contextmanager
def listening(logger: str = "hub.audit") -> Iterator[Told]:
    """Hear all that is told meanwhile."""
    told, log = Told(), logging.getLogger(logger)
    before = log.level
    log.addHandler(told)
    log.setLevel(logging.INFO)
    try:
        yield told
    finally:
        log.setLevel(before)
        log.removeHandler(told)
