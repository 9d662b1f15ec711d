"""Who is inside a session's room, and the roster that they may see: whole at first, then who came and went."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from hub import news, views
from hub.domain.events import SessionChanged
from hub.domain.roster import Roster
from hub.errors import Unavailable
from hub.frames import Frame
from hub.rooms.listening import Listener, Source

log = logging.getLogger("hub.rooms")

RETRY_SECONDS = 1.0
SOON_SECONDS = 0.1
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Insiders:
    """Hosts and participants of one session. What concerns nobody who may see it costs nothing."""

    def __init__(
        self, session_id: int, source: Source, spawn: Spawn, open_to: Callable[[bool], bool], interval: float
    ) -> None:
        """`open_to` answers whether the roster is open, at this moment, to the host (True) or a participant (False).

        Who comes waits `interval` seconds for the roster at most, or SOON_SECONDS if that is less.
        """
        self._id = session_id
        self._source = source
        self._spawn = spawn
        self._open_to = open_to
        self._hosts: set[Listener] = set()
        self._inside: dict[Listener, bool] = {}
        self._waiting: set[Listener] = set()
        self._soon = min(interval, SOON_SECONDS)
        self._timer: asyncio.TimerHandle | None = None
        self._roster: Roster | None = None
        self._load: asyncio.Task[None] | None = None
        self._load_again = False
        self._encoded: tuple[int, Frame] | None = None
        self._while_loading: list[SessionChanged] = []

    def __bool__(self) -> bool:
        return bool(self._inside)

    def __contains__(self, listener: Listener) -> bool:
        return listener in self._inside

    @property
    def listeners(self) -> Iterable[Listener]:
        """Everyone inside."""
        return self._inside.keys()

    @property
    def hole(self) -> bool:
        """Whether an announcement before one that was heard is missing."""
        return self._roster is not None and self._roster.hole

    def add(self, listener: Listener, *, host: bool) -> None:
        """Let `listener` in."""
        self._inside[listener] = host
        (self._hosts.add if host else self._hosts.discard)(listener)

    def discard(self, listener: Listener) -> None:
        """Let `listener` out."""
        self._inside.pop(listener, None)
        self._hosts.discard(listener)
        self._waiting.discard(listener)

    def show(self, listener: Listener) -> bool:
        """Send the roster to `listener` if it may see it; False if it may not.

        While there is news that others have not been told yet, it waits for the `tell` that brings them, soon: at a
        rush of joins, telling all for the sake of each who comes would cost the square of their number.
        """
        if not self._may_see(listener):
            return False
        if self._roster is None:
            self.load()
        elif self._roster.pending:
            self._waiting.add(listener)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._soon, self.tell)
        else:
            self._deliver(listener)
        return True

    def hear(self, change: SessionChanged) -> bool:
        """Take an announcement; whether the roster has moved."""
        if self._load is not None:
            self._while_loading.append(change)
        elif self._roster is not None:
            return self._roster.hear(change)
        return False

    def tell(self) -> None:
        """Who came and went to those who have the roster, the roster to those who wait for it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._roster is None:
            return
        change = self._roster.news()
        waiting, self._waiting = self._waiting, set()
        if change is not None:
            message = news.PresenceMessage(
                session=self._id,
                revision=change.revision,
                previous=change.previous,
                joined=[views.present(someone) for someone in change.joined],
                left=[views.GoneView(id=user_id) for user_id in change.left],
            )
            frame, key = Frame.of(message), ("roster", self._id)
            for listener in self._entitled():
                if listener not in waiting:
                    listener.deliver(key, frame, self._newest)
        for listener in waiting:
            self._deliver(listener)

    def load(self) -> None:
        """Read the roster for those who may see it; again, if that is being done: it may have begun too early."""
        if self._load is None:
            self._roster = None
            self._load = self._spawn(self._read())
        else:
            self._load_again = True

    def mend(self) -> None:
        """What led to the roster may have been missed: read it again, if anybody was shown it."""
        if self._roster is not None or self._load is not None:
            self.load()

    def _may_see(self, listener: Listener) -> bool:
        host = self._inside.get(listener)
        return host is not None and self._open_to(host)

    def _entitled(self) -> list[Listener]:
        if self._open_to(False):
            return list(self._inside)
        return list(self._hosts) if self._hosts and self._open_to(True) else []

    def _deliver(self, listener: Listener) -> None:
        frame = self._newest(listener)
        if frame is not None:
            listener.deliver(("roster", self._id), frame, self._newest)

    def _newest(self, listener: Listener) -> Frame | None:
        if self._roster is None or not self._may_see(listener):
            return None
        if self._encoded is None or self._encoded[0] != self._roster.revision:
            people = [views.present(someone) for someone in self._roster.people()]
            message = news.RosterMessage(session=self._id, revision=self._roster.revision, participants=people)
            self._encoded = (self._roster.revision, Frame.of(message))
        return self._encoded[1]

    async def _read(self) -> None:
        """Read, apply what was heard meanwhile, tell all who may see it; while it can't be read, try again."""
        try:
            while self._roster is None and any(map(self._may_see, self._inside)):
                try:
                    self._roster = await self._now()
                except Unavailable:
                    log.warning("the roster of session %s can't be read now", self._id)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._while_loading.clear()
            self._load = None
        self._encoded = None
        self._waiting.clear()
        for listener in list(self._inside):
            self._deliver(listener)

    async def _now(self) -> Roster | None:
        """The roster; None when what was heard while it was read does not follow on it, or may have been missed."""
        # What was heard before is in what is read now.
        self._while_loading.clear()
        self._load_again = False
        roster = Roster(*await self._source.roster(self._id))
        for change in self._while_loading:
            roster.hear(change)
        if roster.hole or self._load_again:
            return None
        roster.news()
        return roster
