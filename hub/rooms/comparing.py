"""The comparing of revisions: what the bus lost is found in the database, some seconds later."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from hub.errors import HubError
from hub.rooms.registry import Rooms

log = logging.getLogger("hub.rooms")

EVERY_SECONDS = 4.0
AT_ONCE = 1_000
"""Sessions compared in one read."""

LATE = timedelta(seconds=30)
"""A change of the list is stamped when it arrives, and seen when it is committed: it is looked for this far back."""


class Comparing:
    """Compares what is shown here with what is stored: every few seconds, and at once when asked to `hurry`."""

    def __init__(self, rooms: Rooms, *, every: float = EVERY_SECONDS) -> None:
        self._rooms = rooms
        self._every = every
        self._asked = asyncio.Event()
        self.healed = 0

    def hurry(self) -> None:
        """Something may have been missed: compare now."""
        self._asked.set()

    async def run(self) -> None:
        """Compare for ever."""
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), self._every)
            except TimeoutError:
                pass
            self._asked.clear()
            try:
                await self.compare()
            except HubError as refusal:
                log.warning("the revisions could not be compared: %s", refusal)

    async def compare(self) -> None:
        """Read what is newer than what is shown, and show it."""
        known = self._rooms.known()
        ids = list(known)
        for first in range(0, len(ids), AT_ONCE):
            stored = await self._rooms.source.revisions(ids[first : first + AT_ONCE])
            # An older one too: what is shown was never stored, or was lost when a standby took over.
            other = [session_id for session_id, revision in stored.items() if revision != known[session_id]]
            await self._learn(other, known)
        since = self._rooms.catalog_since
        if since is not None:
            await self._compare_catalog(since)

    async def _learn(self, session_ids: list[int], known: dict[int, int]) -> None:
        if not session_ids:
            return
        for session_id, snapshot in (await self._rooms.source.states(session_ids)).items():
            room = self._rooms.get(session_id)
            if room is not None and room.learn(snapshot, wrong=known[session_id]):
                self.healed += 1

    async def _compare_catalog(self, since: datetime) -> None:
        source = self._rooms.source
        for session, seats in await source.edited_since(max(since, source.now() - LATE)):
            self._rooms.list(session, seats)
