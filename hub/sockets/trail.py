"""What the log is told of one socket: who it is, what it did, and how and why it ended."""

from __future__ import annotations

import time

from hub.audit import OK, Audit
from hub.domain.people import Actor
from hub.errand import CURRENT
from hub.errors import HubError
from hub.sockets.closing import RESTART

GONE = 1006
"""No close came: the connection was lost (RFC 6455 §7.1.5)."""
ORDINARY = frozenset({1000, 1001, 1005, GONE})
"""Closes that nobody did wrong: done, gone to another page, without a code, lost."""


class Trail:
    """One socket's. Those of watchers who never said who they are come and go unmentioned, unless reads are wanted."""

    __slots__ = ("_audit", "_began", "actor", "address", "connection", "messages")

    def __init__(self, audit: Audit, connection: str) -> None:
        self.connection = connection
        self.address = ""
        self.actor: Actor | None = None
        self.messages = 0
        self._audit = audit
        self._began = time.monotonic()

    def opened(self, address: str) -> None:
        """The handshake is done, with this peer."""
        self.address = address
        if self._audit.reads:
            self._audit.tell_some("open", OK, None, address, connection=self.connection)

    def is_now(self, actor: Actor) -> None:
        """A token was accepted: the first one, or a renewal."""
        self.actor = actor
        if self._audit.changes:
            self._audit.tell_some("auth", OK, actor, self.address, connection=self.connection)

    def did(self, action: str, session_id: int, revealed: str | None = None) -> None:
        """A change was made: `join` or `leave`; `revealed` is what secret was shown by it. Nothing else bounds these
        lines, so it is not for what left all as it was."""
        if self._audit.changes:
            done = CURRENT.get()
            where = {"connection": self.connection, "session": session_id}
            if done is not None and done.session == session_id:
                where |= {"revision": done.revision, "group": done.group}
            self._audit.tell(action, OK, self.actor, self.address, **where, revealed=revealed)

    def refused(self, action: str, refusal: HubError, session_id: int | None = None) -> None:
        """What was asked was refused."""
        where = {"connection": self.connection, "session": session_id, "reason": refusal.reason}
        self._audit.tell_some(action, refusal.code, self.actor, self.address, **where)

    def closed(self, code: int, reason: str | None) -> None:
        """It is over, by this close code; `reason` is ours, where we ended it."""
        ordinary = code == RESTART.code or (code in ORDINARY and reason is None)
        if ordinary and not (self._audit.reads or (self.actor is not None and self._audit.changes)):
            return
        about = {
            "connection": self.connection,
            "code": code,
            "reason": reason,
            "seconds": round(time.monotonic() - self._began, 1),
            "messages": self.messages,
        }
        self._audit.tell_some("close", OK if ordinary else f"closed_{code}", self.actor, self.address, **about)
