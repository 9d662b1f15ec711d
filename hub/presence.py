"""Coming and going of connections: joins under this process's lease, leaves that are never lost, the grace between.

A socket that drops keeps its visit open for the grace; whoever comes back meanwhile is not seen leaving, and what is
recorded is when it dropped. While the database is away, leaves wait here with their true times. A process that stops
closes no visit: it leaves word of who had dropped, and the others close what does not come back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from hub import views
from hub.domain import presence
from hub.domain.model import LeaveReason, LiveSession
from hub.domain.people import Actor
from hub.errors import HubError, LeaseLost, Unavailable
from hub.ids import new_id
from hub.ledger import Ledger
from hub.sealing import Vault

log = logging.getLogger("hub.presence")

RETRY_SECONDS = 1.0


class HasLease(Protocol):
    """Under whose name visits are recorded."""

    node_id: str


@dataclass(frozen=True, slots=True)
class Stay:
    """A visit of a connection in this process, and the lease it rests on."""

    session_id: int
    visit_id: str
    user_id: str
    node_id: str


class Presence:
    """`join`, `leave`, `drop`: what sockets do to the record."""

    def __init__(
        self,
        ledger: Ledger,
        lease: HasLease,
        vault: Vault,
        clock: Callable[[], datetime],
        *,
        doors: timedelta,
        grace: timedelta,
    ) -> None:
        self._ledger = ledger
        self._lease = lease
        self._vault = vault
        self._clock = clock
        self._doors = doors
        self._grace = grace
        self._dropped: dict[Stay, tuple[datetime, asyncio.TimerHandle]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._unrecorded: dict[tuple[int, str], dict[Stay, tuple[LeaveReason, datetime]]] = {}
        self.unnoted: dict[str, datetime] = {}
        """When the sockets of still open visits dropped, by visit, for whoever would have to close them."""

    def stay(self, session_id: int, user_id: str) -> Stay:
        """A visit that is to begin."""
        return Stay(session_id, new_id(), user_id, self._lease.node_id)

    async def join(self, stay: Stay, actor: Actor, connection_id: str) -> views.Meeting:
        """Record that `actor` is here; answers where the session takes place. Raises what the rule refuses with."""
        rule = partial(
            presence.join,
            actor=actor,
            visit_id=stay.visit_id,
            connection_id=connection_id,
            node_id=stay.node_id,
            doors=self._doors,
        )

        def join(live: LiveSession, now: datetime) -> views.Meeting:
            rule(live, now)
            return self._vault.meeting(live.session)

        # A leave that still waits here goes first: its visit, open on disk, would be taken for the one that begins.
        for before, (reason, at) in list(self._unrecorded.get((stay.session_id, stay.user_id), {}).items()):
            await self.leave(before, reason, at)
        return await self._ledger.act(stay.session_id, join, about=[actor.id], lease=stay.node_id)

    async def leave(self, stay: Stay, reason: LeaveReason, at: datetime | None = None) -> None:
        """Record that the visit ended at `at` (None: now). May raise Unavailable, with the visit still open.

        LeaseLost: others were given this visit to close, at the time when this process was last heard of.
        """
        rule = partial(presence.leave, visit_id=stay.visit_id, at=at, reason=reason)
        await self._ledger.act(stay.session_id, rule, about=[stay.user_id], lease=stay.node_id)

    def leave_surely(self, stay: Stay, reason: LeaveReason, at: datetime) -> None:
        """The same without waiting, tried until it is recorded."""
        note = (reason, at)
        self._unrecorded.setdefault((stay.session_id, stay.user_id), {})[stay] = note
        task = asyncio.create_task(self._leave_surely(stay, note))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def drop(self, stay: Stay, at: datetime) -> None:
        """The socket went at `at` without a word: leave as of then, but only after the grace.

        A socket that goes while it joins is told twice, at once and after the join: what was noted before that was
        noted of no visit.
        """
        if stay not in self._dropped:
            left = max(0.0, (at + self._grace - self._clock()).total_seconds())
            handle = asyncio.get_running_loop().call_later(left, self._grace_over, stay)
            self._dropped[stay] = (at, handle)
        self.unnoted[stay.visit_id] = at

    def park(self, stay: Stay, at: datetime) -> None:
        """The same where this process stops: whoever is still there closes the visit, as of `at`, after the grace."""
        self.unnoted[stay.visit_id] = at

    async def close(self, patience: float) -> None:
        """Leave to others whose grace is not over, and wait up to `patience` seconds for leaves under way."""
        for _, handle in self._dropped.values():
            handle.cancel()
        self._dropped.clear()
        if self._leaving:
            _, late = await asyncio.wait(self._leaving, timeout=patience)
            for task in late:
                task.cancel()

    def _grace_over(self, stay: Stay) -> None:
        at, _ = self._dropped.pop(stay)
        self.unnoted.pop(stay.visit_id, None)
        self.leave_surely(stay, LeaveReason.DISCONNECTED, at)

    async def _leave_surely(self, stay: Stay, note: tuple[LeaveReason, datetime]) -> None:
        try:
            await self._leave_until_recorded(stay, *note)
        finally:
            place = (stay.session_id, stay.user_id)
            waiting = self._unrecorded.get(place, {})
            # Of a socket that went while it joined there may be two, and the visit may be on disk for the second alone.
            if waiting.get(stay) is note:
                del waiting[stay]
            if not waiting:
                self._unrecorded.pop(place, None)

    async def _leave_until_recorded(self, stay: Stay, reason: LeaveReason, at: datetime) -> None:
        while True:
            try:
                await self.leave(stay, reason, at)
                return
            except LeaseLost:
                log.warning("the visit %s was closed by others, as its lease was taken away", stay.visit_id)
                return
            except Unavailable as refusal:
                log.debug("a leave could not be recorded yet: %s", refusal)  # the ledger tells of the outage, once
                await asyncio.sleep(RETRY_SECONDS * (1 + random.random()))
            except HubError as refusal:
                log.error("the leave of visit %s is refused: %s", stay.visit_id, refusal)
                return
