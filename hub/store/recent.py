"""What a reading connection remembers, and how it knows that this still holds.

A session's row can't change without its revision, so a row read once serves until the revision differs; a count holds
until SQLite's `data_version` says that something was committed. Lists are asked far more often than they change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any

from sqlalchemy import Connection

from hub.domain.model import Session

KEPT = 5_000

Read = Callable[[Collection[int]], Mapping[int, tuple[Session, int]]]


class Recent:
    """The memory of one connection; it ends with it."""

    def __init__(self) -> None:
        self._sessions: dict[int, Session] = {}
        self._counts: dict[Hashable, int] = {}
        self._version: int | None = None

    @classmethod
    def of(cls, connection: Connection) -> Recent:
        """The memory of `connection`."""
        memory = connection.info.get("recent")
        if memory is None:
            memory = connection.info["recent"] = cls()
        return memory

    def sessions(self, found: Mapping[int, tuple[int, int]], read: Read) -> dict[int, tuple[Session, int]]:
        """The sessions of these ids, found at this (revision, seats), each with its seats; nobody may change them.

        `read` reads those that are not remembered, with their seats: they may have moved on since they were found.
        """
        stale = [
            session_id
            for session_id, (revision, _) in found.items()
            if session_id not in self._sessions or self._sessions[session_id].revision != revision
        ]
        fresh = read(stale) if stale else {}
        if len(self._sessions) + len(fresh) > KEPT:
            self._sessions = {session_id: self._sessions[session_id] for session_id in found if session_id not in fresh}
        self._sessions.update((session_id, session) for session_id, (session, _) in fresh.items())
        return {
            session_id: fresh.get(session_id) or (self._sessions[session_id], seats)
            for session_id, (_, seats) in found.items()
        }

    def count(self, connection: Connection, question: Hashable, ask: Callable[[], int]) -> int:
        """What `ask` answers to `question`; on SQLite asked again only after a commit. PostgreSQL tells of none."""
        if connection.dialect.name != "sqlite":
            return ask()
        cursor: Any = connection.connection.driver_connection
        (version,) = cursor.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self._counts) > KEPT:
            self._counts.clear()
            self._version = version
        if question not in self._counts:
            self._counts[question] = ask()
        return self._counts[question]
