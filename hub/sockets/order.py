"""What one connection asked for and the database must answer: one after the other, beside the receiving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hub.errors import HubError, Internal, RateLimited
from hub.sockets.messages import MessageId

log = logging.getLogger("hub.sockets")

BACKLOG = 32
"""Messages of one connection that may wait for the database."""


class InOrder:
    """Runs work in the order it was added, in a task that lives only while there is some."""

    __slots__ = ("_refuse", "_work", "_worker")

    def __init__(self, refuse: Callable[[HubError, MessageId], None]) -> None:
        """`refuse` is told what work raised, with the id of the message that asked for it."""
        self._refuse = refuse
        self._work: list[tuple[Callable[[], Awaitable[None]], MessageId]] = []
        self._worker: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._worker is None

    def add(self, work: Callable[[], Awaitable[None]], message_id: MessageId) -> bool:
        """Run `work` after what was added before; too much is refused, which answers False."""
        if len(self._work) >= BACKLOG:
            self._refuse(RateLimited("Too many messages wait: read the answers first."), message_id)
            return False
        self._work.append((work, message_id))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run())
        return True

    def stop(self) -> None:
        """Forget what has not begun; what has begun ends by itself."""
        self._work.clear()

    async def _run(self) -> None:
        try:
            while self._work:
                work, message_id = self._work.pop(0)
                try:
                    await work()
                except HubError as refusal:
                    self._refuse(refusal, message_id)
                except Exception:
                    log.exception("a message broke")
                    self._refuse(Internal(), message_id)
        finally:
            self._worker = None
