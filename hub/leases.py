"""This process's lease, and the care for what others left behind: dead processes, lapsed holds, counts.

A lease is a row that is beaten; when the beat stops for `length`, any process buries it and closes its visits at the
last beat. A process that finds its own lease gone must write nothing more under it: `lost` is called.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Protocol

from hub.domain import booking, presence
from hub.domain.model import LeaveReason
from hub.errors import HubError
from hub.ids import new_id
from hub.ledger import Ledger
from hub.store import care, writes
from hub.store.database import Database

log = logging.getLogger("hub.leases")

SWEEP_SECONDS = 1.0
RECOUNT_EVERY = 60
"""Sweeps between two comparisons of every live count with the open visits."""

RETRY_SECONDS = 1.0
"""After a beat that failed: when the database is back, everyone must be heard before anyone is buried."""

CROWD = 1_000
"""People named in one change at most; above it loading everyone is cheaper. Dropped sockets noted in one beat, too."""


class Drops(Protocol):
    """Sockets that went without a word, within their grace."""

    unnoted: dict[str, datetime]
    """When, by visit; what was noted is taken out."""


async def _no_look() -> None:
    pass


class Lease:
    """The right of this process to record visits. `node_id` is fresh for each boot, and after a loss."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        length: timedelta,
        lost: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.node_id = new_id()
        self.drops: Drops | None = None
        self.look: Callable[[], Awaitable[None]] = _no_look
        """Sets the clock, where that must be set."""
        self._database = database
        self._clock = clock
        self._length = length.total_seconds()
        self._beat_seconds = self._length / 3
        self._pause = min(self._beat_seconds, RETRY_SECONDS)
        self._lost = lost
        self._monotonic = monotonic
        self._state = "alive"
        self.begun = False
        self._heard_at = self._calm_since = monotonic()

    @property
    def calm(self) -> bool:
        """Whether the database was in reach for the length of a lease: whoever is silent now is dead, not cut off."""
        return self.begun and self._monotonic() - self._calm_since >= self._length

    def disturbed(self) -> None:
        """The database was away, its clock jumped, or this process stood still: what others did is not known."""
        self._calm_since = self._monotonic()

    async def open(self) -> None:
        """Begin the lease; raises Unavailable."""
        await self.look()
        await self._database.transact(partial(writes.add_node, node_id=self.node_id, now=self._clock()))
        self.begun = True

    async def run(self) -> None:
        """Beat for ever, and begin if that was not possible before."""
        while True:
            await asyncio.sleep(self._pause)
            self._pause = self._beat_seconds if await self._beaten() else min(self._beat_seconds, RETRY_SECONDS)

    async def _beaten(self) -> bool:
        try:
            await (self.beat() if self.begun else self.open())
        except HubError as refusal:
            log.warning("the lease could not be prolonged: %s", refusal)
            self.disturbed()
            return False
        if self._monotonic() - self._heard_at > 2 * self._beat_seconds:
            self.disturbed()
        self._heard_at = self._monotonic()
        return True

    async def beat(self) -> None:
        """Prolong the lease; if it was taken away, give up what rested on it and begin another."""
        await self.look()
        beat = partial(writes.beat, node_id=self.node_id, now=self._clock(), state=self._state)
        if not await self._database.transact(beat):
            log.error("the lease %s was taken away: closing every socket", self.node_id)
            self.node_id = new_id()
            await self.open()
            self._lost()
        await self._note_drops(CROWD)

    async def _note_drops(self, most: int | None) -> None:
        """A socket's end must be on disk before this process's own, or it would be recorded as that."""
        unnoted = self.drops.unnoted if self.drops else {}
        dropped = dict(islice(unnoted.items(), most))
        if dropped:
            await self._database.transact(partial(writes.note_drops, node_id=self.node_id, dropped=dropped))
            for visit_id in dropped:
                unnoted.pop(visit_id, None)

    async def drain(self) -> None:
        """Say that this process is going: its visits stay open for the grace from now, then others close them."""
        self._state = "draining"
        try:
            await self._note_drops(None)
            await self.beat()
        except HubError as refusal:
            log.warning("could not say goodbye, the others will find out: %s", refusal)


class Reaper:
    """Closes the visits of dead processes, marks lapsed holds, and mends counts."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        clock: Callable[[], datetime],
        lease: Lease,
        *,
        length: timedelta,
        grace: timedelta,
    ) -> None:
        """`length` of a lease, and the `grace` for visits of a process that said it was going."""
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self._lease = lease
        self._patience = {"alive": length, "draining": grace, "dead": timedelta(0)}

    async def run(self) -> None:
        """Sweep for ever."""
        sweep = 0
        while True:
            if self._lease.begun:
                await self._sweep_if_possible(recount=sweep % RECOUNT_EVERY == 0)
                sweep += 1
            await asyncio.sleep(SWEEP_SECONDS)

    async def _sweep_if_possible(self, *, recount: bool) -> None:
        try:
            await self.sweep(recount=recount)
        except HubError as refusal:
            log.warning("a sweep was put off: %s", refusal)

    async def sweep(self, *, recount: bool) -> None:
        """Do once what is due now."""
        leases = await self._database.read(partial(care.leases, now=self._clock()))
        mine = self._lease.node_id
        if any(lease.node_id == mine and lease.silent * 2 > self._patience["alive"] for lease in leases):
            self._lease.disturbed()
        for lease in leases:
            if lease.node_id != mine and self._is_gone(lease):
                await self._reap(lease)
        now = self._clock()
        for session_id in await self._database.read(partial(care.lapsed_holds, now=now)):
            await self._ledger.act(session_id, booking.expire_holds)
        if recount:
            for session_id in await self._database.read(care.miscounted):
                await self._ledger.act(session_id, presence.recount, about=None)

    def _is_gone(self, lease: care.Lease) -> bool:
        # After an outage of a shared database everyone has been silent: each must first have had the time to beat.
        if lease.state == "alive" and self._database.shared and not self._lease.calm:
            return False
        return lease.silent >= self._patience[lease.state]

    async def _reap(self, lease: care.Lease) -> None:
        if lease.state != "dead":
            bury = partial(writes.bury_node, node_id=lease.node_id, seen_at=lease.last_beat)
            if not await self._database.transact(bury):
                return
        reason = LeaveReason.DISCONNECTED if lease.state == "draining" else LeaveReason.NODE_LOST
        rule = partial(presence.lose_node, node_id=lease.node_id, at=lease.last_beat, reason=reason)
        rooms = await self._database.read(partial(care.open_visits_of_node, node_id=lease.node_id))
        for session_id, people in rooms.items():
            await self._ledger.act(session_id, rule, about=people if len(people) <= CROWD else None)
        log.warning("reaped the process %s, last seen %s, in %d sessions", lease.node_id, lease.last_beat, len(rooms))
