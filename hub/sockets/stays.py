"""What one connection is present in: visits that it begins and ends, that others end, and that end with the socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from hub import views
from hub.domain.model import LeaveReason
from hub.domain.people import Actor
from hub.errors import NotActive, NotBooked, RateLimited, Unavailable, Undecided
from hub.presence import Stay
from hub.rooms.listening import Listener
from hub.sockets.lobby import Lobby

CANCELLED = "Your seat, or the whole session, was cancelled: you have left it."
ENDED = "The session ended while you joined it."


class Holder(Listener, Protocol):
    """The connection whose visits these are."""

    id: str

    @property
    def over(self) -> bool:
        """Whether the socket is gone, or going."""


class Stays:
    """The visits of one connection."""

    __slots__ = ("_asked", "_gone", "_holder", "_joining", "_left", "_lobby", "_open", "_shown")

    def __init__(self, lobby: Lobby, holder: Holder, left: Callable[[int], None]) -> None:
        """`left` is told each session that the connection is no longer present in."""
        self._lobby = lobby
        self._holder = holder
        self._left = left
        self._open: dict[int, Stay] = {}
        self._joining: dict[int, LeaveReason | None] = {}
        self._asked: dict[Stay, datetime] = {}
        self._shown: dict[Stay, bool] = {}
        self._gone: datetime | None = None

    def __contains__(self, session_id: int) -> bool:
        return session_id in self._open

    async def join(self, actor: Actor, session_id: int) -> tuple[Stay, views.Meeting] | None:
        """Be present; None when the socket went meanwhile. Raises what the rule refuses with."""
        stay = self._open.get(session_id)
        # Joining twice on one connection answers what the first time did.
        meeting = await (
            self._begin(actor, session_id) if stay is None else self._lobby.presence.join(stay, actor, self._holder.id)
        )
        stay = self._open.get(session_id)
        if self._holder.over:
            return None
        if stay is None:
            raise NotActive(ENDED)
        return stay, meeting

    def is_news(self, stay: Stay, shown: bool) -> bool:
        """Whether a join that was answered is the first of its visit, or the first that a meeting was `shown` to."""
        before = self._shown.get(stay)
        if before is None or shown > before:
            self._shown[stay] = shown
            return True
        return False

    async def _begin(self, actor: Actor, session_id: int) -> views.Meeting:
        """Registered before it is recorded, so that its end can't be missed."""
        if self._lobby.visits is not None:
            wait = self._lobby.visits.take(actor.id, time.monotonic()).wait
            if wait:
                raise RateLimited("You join too often: wait a minute.", retry_after=wait)
        stay = self._open[session_id] = self._lobby.presence.stay(session_id, actor.id)
        self._lobby.present.enter(actor.id)
        self._lobby.rooms.register_visit(stay.visit_id, session_id, self._holder)
        self._joining[session_id] = None
        try:
            meeting = await self._lobby.presence.join(stay, actor, self._holder.id)
        except BaseException as error:
            self._forget(stay)
            if isinstance(error, Undecided):
                # It may be stored, under a lease that lives: nobody else would ever end it.
                self._lobby.presence.leave_surely(stay, LeaveReason.DISCONNECTED, self._lobby.clock())
            raise
        finally:
            ended = self._joining.pop(session_id, None)
        if self._holder.over:
            self._drop(stay, self._gone or self._lobby.clock())
        elif ended is LeaveReason.CANCELLED:
            raise NotBooked(CANCELLED)
        elif ended is not None:
            raise NotActive(ENDED)
        return meeting

    def asked_to_leave(self, session_id: int) -> None:
        """The client said that it leaves: so it does as of now, though the socket may be gone before `leave` is."""
        stay = self._open.get(session_id)
        if stay is not None:
            self._asked.setdefault(stay, self._lobby.clock())

    async def leave(self, session_id: int) -> bool:
        """Be present no longer, as of when that was asked; whether it was."""
        stay = self._open.get(session_id)
        if stay is None:
            return False
        at = self._asked.get(stay) or self._lobby.clock()
        try:
            await self._lobby.presence.leave(stay, LeaveReason.LEFT, at)
        except Unavailable:
            self._lobby.presence.leave_surely(stay, LeaveReason.LEFT, at)
        self._forget(stay)
        return True

    def closed_by_others(self, session_id: int, reason: LeaveReason) -> bool:
        """Someone else ended the visit; whether the client is to be told, because it had joined."""
        stay = self._open.get(session_id)
        if stay is None:
            return False
        self._forget(stay)
        if session_id in self._joining:
            self._joining[session_id] = reason
            return False
        return True

    def end(self, reason: LeaveReason, at: datetime) -> None:
        """Leave everything as of `at`."""
        for stay in list(self._open.values()):
            self._forget(stay)
            self._lobby.presence.leave_surely(stay, reason, at)

    def drop(self, at: datetime) -> None:
        """The socket went at `at` without a word; a join under way says so again once it is recorded."""
        self._gone = at
        for stay in list(self._open.values()):
            self._drop(stay, at)

    def _drop(self, stay: Stay, at: datetime) -> None:
        asked = self._asked.get(stay)
        self._forget(stay)
        if asked is not None:
            self._lobby.presence.leave_surely(stay, LeaveReason.LEFT, asked)
        elif self._lobby.draining:
            self._lobby.presence.park(stay, at)
        else:
            self._lobby.presence.drop(stay, at)

    def _forget(self, stay: Stay) -> None:
        """It is no longer this connection's: rooms need not tell of it."""
        if stay.session_id not in self._joining:  # else a leave that was asked for is still to be recorded
            self._asked.pop(stay, None)
        self._shown.pop(stay, None)
        self._lobby.rooms.forget_visit(stay.visit_id, stay.session_id)
        if self._open.get(stay.session_id) is stay:
            del self._open[stay.session_id]
            self._lobby.present.exit(stay.user_id)
        self._left(stay.session_id)
