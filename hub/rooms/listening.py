"""Who is told by rooms, and where rooms hear and read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from datetime import datetime
from typing import Protocol

from hub.domain.events import Present, PublicState, RosterRule
from hub.domain.model import LeaveReason, Session
from hub.frames import Frame

Snapshot = tuple[PublicState, RosterRule]
Newest = Callable[["Listener"], Frame | None]
"""What a listener may see at the moment it is asked; None for nothing (any more)."""


class Listener(Protocol):
    """Someone who is told."""

    def deliver(self, key: Hashable, frame: Frame, newest: Newest, lasting: bool = False) -> None:
        """Take `frame` now; or, when that is not possible, give `newest` oneself once for each `key` when it is.

        What is `lasting` is not replaced by what comes later under the same key: both are due, in their order.
        """

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        """A visit this listener registered was ended by someone else."""


class Interest(Protocol):
    """Where rooms say what they want to hear of: sessions by id."""

    async def follow(self, topics: Iterable[int]) -> None:
        """Hear of these; nothing that is announced after this returned is missed, unless the bus is away."""

    def unfollow(self, topics: Iterable[int]) -> None:
        """Hear of these no more."""


class Source(Protocol):
    """Where rooms read what they have not heard. Each may raise Unavailable."""

    def now(self) -> datetime:
        """The time."""

    async def states(self, session_ids: Iterable[int]) -> dict[int, Snapshot]:
        """The newest public states; unknown sessions are left out."""

    async def revisions(self, session_ids: Iterable[int]) -> dict[int, int]:
        """The newest revisions alone."""

    async def roster(self, session_id: int) -> tuple[int, list[Present]]:
        """Everyone present, and the revision at which that is so."""

    async def ended_visits(self, visit_ids: Collection[str]) -> dict[str, LeaveReason]:
        """Those of these visits that are over, and why."""

    async def edited_since(self, since: datetime) -> list[tuple[Session, int]]:
        """The sessions created, edited, started, ended or cancelled after `since`, each with the seats taken."""
