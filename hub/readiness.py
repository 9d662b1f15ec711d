"""Whether this process wants more work, and why not: asked twice a second at most, and told once for each change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("hub.readiness")

WITHIN_SECONDS = 2.0
KEPT_SECONDS = 0.5
"""How old what the database and the bus answered may be: whoever asks, they are asked twice a second at most."""
LOOK_SECONDS = 1.0
"""Between two looks of its own, so that the log tells also what nobody asks for."""
SILENT = "the database does not answer"
BROKEN = "the look at the database and the bus broke"


class Readiness:
    """What `/readyz` answers from. `look` costs nothing and is asked each time; `check` asks others, and is kept.

    Both say why this process wants no more work, None for nothing.
    """

    def __init__(self, look: Callable[[], str | None], check: Callable[[], Awaitable[str | None]]) -> None:
        self._look = look
        self._check = check
        self._asking = asyncio.Lock()
        self._found: str | None = None
        self._until = 0.0
        self._told: str | None = "not looked at yet"

    @property
    def ready(self) -> bool:
        """As it was at the last look."""
        return self._told is None

    async def reason(self) -> str | None:
        """Why this process wants no more work, None when it does; within two seconds."""
        reason = self._look()
        if reason is None:
            found = await self._kept()
            reason = self._look() or found  # what it saw may have changed meanwhile
        self._tell(reason)
        return reason

    def notice(self) -> None:
        """Tell at once what costs nothing to know: it is about to end."""
        if reason := self._look():
            self._tell(reason)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.reason()
            await asyncio.sleep(LOOK_SECONDS)

    def _tell(self, reason: str | None) -> None:
        if reason == self._told:
            return
        self._told = reason
        if reason is None:
            log.info("ready")
        else:
            log.warning("not ready: %s", reason)

    async def _kept(self) -> str | None:
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() >= self._until:
                self._found = await self._asked()
                self._until = loop.time() + KEPT_SECONDS
            return self._found

    async def _asked(self) -> str | None:
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                return await self._check()
        except TimeoutError:
            return SILENT
        except Exception:  # it must not end the process, nor be told each second
            if self._told != BROKEN:
                log.exception(BROKEN)
            return BROKEN
