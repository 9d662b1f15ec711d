"""What a hub has stored, read from its database past all of its code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.running import PATIENCE, Running
from tests.tables import dump, rows

Dump = dict[str, list[tuple[Any, ...]]]


def moment(text: str | None) -> datetime | None:
    """A stored instant."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """A row of `session_participants`."""

    id: str
    user: str
    joined: datetime
    left: datetime | None
    reason: str | None


def visits(running: Running, session_id: int) -> list[Row]:
    """The visits of a session, oldest first."""
    sql = "SELECT id, user_id, joined_at, left_at, reason FROM session_participants WHERE session_id = ?"
    found = []
    for visit_id, user, joined, left, reason in rows(running.where, sql + " ORDER BY joined_at, id", session_id):
        since = moment(joined)
        assert since is not None
        found.append(Row(visit_id, user, since, moment(left), reason))
    return found


async def until_visits(running: Running, session_id: int, fits: Callable[[list[Row]], bool]) -> list[Row]:
    """The visits, as soon as they fit: for changes that nobody is told of."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if fits(found := visits(running, session_id)):
                    return found
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"it never came to be; there is: {visits(running, session_id)}") from None


@dataclass
class Looks:
    """All tables, again and again: each look is what the next is held against, so one dump for each is enough."""

    running: Running
    seen: Dump = field(default_factory=dict)

    def look(self) -> tuple[Dump, Dump]:
        """How all was at the last look, and how it is."""
        before, self.seen = self.seen, dump(self.running.where)
        return before, self.seen
