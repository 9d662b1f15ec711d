"""One session's listeners, and what they are told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

from hub import news
from hub.domain.events import PublicState, RosterRule, SessionChanged
from hub.domain.hearing import Heard
from hub.domain.model import Status
from hub.domain.roster import may_see_roster
from hub.errors import Unavailable
from hub.frames import Frame
from hub.rooms.insiders import RETRY_SECONDS, Insiders
from hub.rooms.listening import Listener, Snapshot, Source

log = logging.getLogger("hub.rooms")

HOLE_SECONDS = 0.25
"""How long a revision may come late before it counts as lost: those of several processes overtake each other."""


class House(Protocol):
    """What a room needs of all rooms."""

    source: Source
    interval: float
    roster_limit: int

    def close(self, room: Room) -> None:
        """Forget a room that nobody listens to."""

    async def check_visits(self, session_id: int) -> None:
        """Tell those whose visits of this session were ended unheard. May raise Unavailable."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside the rooms, kept until it ends."""


class Room:
    """One session's listeners. Participants may see the roster as its rule says; watchers never do."""

    def __init__(self, rooms: House, session_id: int) -> None:
        self._rooms = rooms
        self.id = session_id
        self.state: PublicState | None = None
        self.rule: RosterRule | None = None
        self.openers = 0
        self._watchers: set[Listener] = set()
        self._insiders = Insiders(session_id, rooms.source, rooms.spawn, self._roster_is_open, rooms.interval)
        self._heard = Heard(0)
        self._mending: asyncio.TimerHandle | None = None
        self._checking: asyncio.Task[None] | None = None
        self._check_again = False
        self._frame = Frame(b"")
        self._encoded = 0
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._told = 0
        self._told_status: Status | None = None

    @property
    def frame(self) -> Frame:
        """The newest state as a `session` message, encoded once for all."""
        if self.state is not None and self._encoded != self.state.revision:
            self._frame = Frame.of(news.session_message(self.state))
            self._encoded = self.state.revision
        return self._frame

    @property
    def watchers(self) -> int:
        """How many watch it, inside or not."""
        return len(self._watchers)

    @property
    def empty(self) -> bool:
        """Whether nobody listens, or is about to."""
        return not (self._watchers or self._insiders or self.openers)

    def learn(self, snapshot: Snapshot, wrong: int | None = None) -> bool:
        """Take a state that was read; False when what was heard is as new. What led to it may have been missed.

        `wrong` is a revision that was shown and is not stored: what was read then takes its place, though it is older.
        """
        state, rule = snapshot
        known = self.state
        if known is not None and state.revision <= known.revision != wrong:
            return False
        self.state, self.rule = state, rule
        if known is None:
            self._told_status = state.status
        else:
            self._mend_now()
            self._tell_soon(known)
        if known is not None and known.revision > state.revision:
            self._heard = Heard(state.revision)
        self._heard.know(state.revision)
        return True

    def watch(self, listener: Listener) -> None:
        """Tell `listener` the state now and from now on."""
        self._watchers.add(listener)
        self._deliver_state(listener)

    def enter(self, listener: Listener, *, host: bool, show_state: bool = True) -> None:
        """Tell `listener`, the `host` or a participant, the state and, while it may see it, the roster."""
        self._insiders.add(listener, host=host)
        if show_state:
            self._deliver_state(listener)
        self.show_roster(listener)

    def unwatch(self, listener: Listener) -> None:
        """Stop watching."""
        self._watchers.discard(listener)
        if self.empty:
            self._rooms.close(self)

    def exit(self, listener: Listener) -> None:
        """Stop being inside."""
        self._insiders.discard(listener)
        if self.empty:
            self._rooms.close(self)

    def show_roster(self, listener: Listener) -> bool:
        """Send the roster to `listener`, soon, if it may see it; False if it may not."""
        return self._insiders.show(listener)

    def receive(self, change: SessionChanged, frame: bytes | None = None) -> None:
        """Take an announcement, `frame` being its state ready to be sent; an old state is dropped."""
        known, state = self.state, change.state
        if known is None:
            self._heard.know(state.revision)
        self._heard.hear(state.revision)
        people_moved = self._insiders.hear(change)
        if known is None or state.revision > known.revision:
            self.state, self.rule = state, change.rule
            if frame is not None:
                self._frame, self._encoded = Frame(frame), state.revision
            self._tell_soon(known)
        elif people_moved:
            self._tell_soon(known)
        if self._behind and self._mending is None:
            self._mending = asyncio.get_running_loop().call_later(HOLE_SECONDS, self._mend)

    @property
    def _behind(self) -> bool:
        return self._heard.hole or self._insiders.hole

    def _mend(self) -> None:
        """What should have come by now is lost: read what it would have said."""
        self._mending = None
        if self.state is not None and self._behind:
            self._heard.know(self.state.revision)
            self._mend_now()

    def _mend_now(self) -> None:
        """Read the roster and who was put out, again if that is being done: it may have begun too early."""
        if self._mending is not None:
            self._mending.cancel()
            self._mending = None
        self._insiders.mend()
        self._check_again = True
        if self._checking is None:
            self._checking = self._rooms.spawn(self._check_visits())

    async def _check_visits(self) -> None:
        try:
            while self._check_again and not self.empty:
                self._check_again = False
                try:
                    await self._rooms.check_visits(self.id)
                except Unavailable:
                    self._check_again = True
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._checking = None

    def _tell_soon(self, before: PublicState | None) -> None:
        """Now, if the status changed since `before`; else when the interval since the last time is over."""
        if before is None or self.state is None or before.status is not self.state.status:
            self._tell()
        elif self._timer is None:
            wait = self._told_at + self._rooms.interval - asyncio.get_running_loop().time()
            if wait <= 0:
                self._tell()
            else:
                self._timer = asyncio.get_running_loop().call_later(wait, self._tell)

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.state is None:
            return
        self._told_at = asyncio.get_running_loop().time()
        if self._told != self.state.revision:
            self._told = self.state.revision
            self._tell_state(self.state.status)
        self._insiders.tell()

    def _tell_state(self, status: Status) -> None:
        frame, key = self.frame, ("session", self.id)
        if status is self._told_status:
            for listener in self._everyone():
                listener.deliver(key, frame, self._state_frame)
            return
        self._told_status = status
        for listener in self._everyone():
            # Due to whoever was here when it was told: an end puts participants out right after it.
            listener.deliver(key, frame, lambda _: frame, lasting=True)

    def _everyone(self) -> Iterable[Listener]:
        """A copy: who is told may go."""
        return self._watchers.union(self._insiders.listeners)

    def _deliver_state(self, listener: Listener) -> None:
        if self.state is not None:
            listener.deliver(("session", self.id), self.frame, self._state_frame)

    def _state_frame(self, listener: Listener) -> Frame | None:
        return self.frame if listener in self._watchers or listener in self._insiders else None

    def _roster_is_open(self, host: bool) -> bool:
        if self.rule is None or self.state is None:
            return False
        return may_see_roster(self.rule, host=host, live=self.state.live, limit=self._rooms.roster_limit)
