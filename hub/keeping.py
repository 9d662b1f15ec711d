"""`hub prune` and `hub forget`: old visits become totals, and a person becomes nobody.

Both work in small transactions that each stand alone: beside running hubs on PostgreSQL, which find what changed by
comparing revisions; killed half-way, they go on where they were. On SQLite no hub may run meanwhile: two programs that
write to one file are what the WAL-reset fault needs.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from hub.clock import utc_now
from hub.domain import forgetting
from hub.errors import Unavailable
from hub.store import care, keeping, schema
from hub.store.database import Database, Unusable
from hub.store.keeping import HandedOver

WINDOW = 100
"""Ids of sessions that are looked at in one statement."""
BATCH = 1_000
"""Visits, or a little more, that are erased in one transaction."""
ROUNDS = 5
"""How often somebody may come back while they are being forgotten."""
AGAIN = "Run this again: it goes on where it was"


@asynccontextmanager
async def _opened(database: Database) -> AsyncIterator[None]:
    await database.open()
    try:
        if behind := await database.read(schema.behind):
            raise Unusable(behind)
        yield
    finally:
        await database.close()


@dataclass(slots=True)
class Pruned:
    """What was pruned, or with `dry` would be; and why it ended early."""

    before: datetime
    dry: bool
    sessions: int = 0
    people: int = 0
    visits: int = 0
    nodes: int = 0
    broke: str | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left that is too old."""
        return self.broke is None

    def told(self) -> Iterator[str]:
        """This in sentences."""
        be = "would be" if self.dry else "were"
        yield (
            f"of {self.sessions} sessions that were over before {self.before:%Y-%m-%dT%H:%M:%SZ}, {self.visits} visits "
            f"{be} erased and {self.people} totals kept; {self.nodes} dead processes {be} erased"
        )
        if self.broke is not None:
            yield f"not all were reached: {self.broke} {AGAIN}"


async def prune(database: Database, before: datetime, *, dry: bool = False) -> Pruned:
    """Put totals in the place of the visits of sessions that were over `before`, and erase dead processes.

    `database` is not open. With `dry`, nothing is changed. Raises Unusable.
    """
    result = Pruned(before, dry)
    try:
        async with _opened(database):
            await _prune_visits(database, result)
            await _prune_nodes(database, result)
            if not dry:
                await database.scrub()
    except Unavailable as refusal:
        result.broke = refusal.message
    return result


async def _prune_visits(database: Database, result: Pruned) -> None:
    last = await database.read(keeping.last_session)
    for after in range(0, last, WINDOW):
        window = partial(keeping.old, after=after, upto=after + WINDOW, before=result.before)
        for session in await database.read(window):
            result.sessions += 1
            if result.dry:
                result.people += session.people
                result.visits += session.visits
                continue
            batch = partial(keeping.condense, session_id=session.session_id, before=result.before, most=BATCH)
            while (done := await database.transact(batch))[0]:
                result.people += done[0]
                result.visits += done[1]


async def _prune_nodes(database: Database, result: Pruned) -> None:
    idle = partial(keeping.idle_nodes, before=result.before, spare=result.dry)
    for node_id in await database.read(idle):
        if not result.dry:
            await database.transact(partial(keeping.remove_node, node_id=node_id))
        result.nodes += 1


class StillHosts(Exception):
    """A person can't be forgotten whose own sessions are not over; the message names them."""


@dataclass(slots=True)
class Forgotten:
    """Whether anybody was `known` by that id, what became nobody's, and why it ended early."""

    known: bool = False
    done: HandedOver = field(default_factory=HandedOver)
    broke: str | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing names them any more."""
        return self.broke is None

    def told(self) -> Iterator[str]:
        """This in sentences, without their name or id."""
        if self.known or self.broke is not None:
            yield (
                f"{self.done.bookings} bookings and {self.done.visits} visits or totals are a forgotten person's now; "
                f"{self.done.seats} seats became free"
            )
        else:
            yield "nobody of this id is known"
        if self.broke is not None:
            yield f"not all was reached: {self.broke} {AGAIN}"


async def forget(database: Database, user_id: str) -> Forgotten:
    """Replace this person everywhere by one who can't be traced; `database` is not open.

    Their seats in sessions that are not over become free, their visits end. Raises StillHosts with nothing changed,
    and Unusable.
    """
    result = Forgotten()
    try:
        async with _opened(database):
            await _forget(database, user_id, result)
            await database.scrub()
    except Unavailable as refusal:
        result.broke = refusal.message
    return result


async def _forget(database: Database, user_id: str, result: Forgotten) -> None:
    code = secrets.token_hex(16)
    for _ in range(ROUNDS):
        person = await database.read(partial(keeping.person, user_id=user_id))
        if person is None:
            return
        result.known = True
        if hosted := await database.read(partial(keeping.unfinished, user_id=user_id)):
            raise StillHosts(
                f"they own sessions that are not over: {', '.join(map(str, hosted))}. End or cancel these first"
            )
        stand_in = forgetting.nobody(person, code)
        for session_id in await database.read(partial(keeping.places, user_id=user_id)):
            now = await database.read(partial(care.time, now=utc_now()))
            step = partial(keeping.hand_over, session_id=session_id, user_id=user_id, stand_in=stand_in, now=now)
            result.done += await database.transact(step)
        if await database.transact(partial(keeping.remove_person, user_id=user_id)):
            return
    result.broke = "they come back while they are being forgotten: take away their tokens first."
