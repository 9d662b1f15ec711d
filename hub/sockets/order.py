"""What one connection asked for and the database must answer: one after the other, beside the receiving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hub.errand import CURRENT, Errand
from hub.errors import HubError, Internal, RateLimited

log = logging.getLogger("hub.sockets")

BACKLOG = 32
"""Messages of one connection that may wait for the database."""


class InOrder:
    """Runs work in the order it was added, in a task that lives only while there is some."""

    __slots__ = ("_connection", "_work", "_worker")

    def __init__(self, connection: str) -> None:
        """`connection` is its id, for the log."""
        self._connection = connection
        self._work: list[tuple[Callable[[], Awaitable[None]], Callable[[HubError], None]]] = []
        self._worker: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._worker is None

    def add(self, work: Callable[[], Awaitable[None]], refuse: Callable[[HubError], None]) -> bool:
        """Run `work` after what was added before; `refuse` is told what it raises. Too much is refused: False."""
        if len(self._work) >= BACKLOG:
            refuse(RateLimited("Too many messages wait: read the answers first."))
            return False
        self._work.append((work, refuse))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run())
        return True

    def stop(self) -> None:
        """Forget what has not begun; what has begun ends by itself."""
        self._work.clear()

    async def _run(self) -> None:
        CURRENT.set(Errand(self._connection))  # in the context of this task alone
        try:
            while self._work:
                work, refuse = self._work.pop(0)
                try:
                    await work()
                except HubError as refusal:
                    refuse(refusal)
                except Exception:
                    log.exception("a message broke")
                    refuse(Internal())
        finally:
            self._worker = None
