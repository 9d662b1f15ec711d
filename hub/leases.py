"""This process's lease, and the care for what others left behind: dead processes, lapsed holds, counts.

A lease is a row that is beaten; when the beat stops for `length`, any process buries it and closes its visits at the
last beat. A process that finds its own lease gone must write nothing more under it: `lost` is called.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from hub.domain import booking, presence
from hub.domain.model import LeaveReason
from hub.errors import HubError
from hub.ids import new_id
from hub.ledger import Ledger
from hub.store import reads, writes
from hub.store.database import Database

log = logging.getLogger("hub.leases")

SWEEP_SECONDS = 1.0
RECOUNT_EVERY = 60
"""Sweeps between two comparisons of every live count with the open visits."""


CROWD = 1_000
"""People named in one change at most; above it loading everyone is cheaper."""


class Lease:
    """The right of this process to record visits. `node_id` is fresh for each boot, and after a loss."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], length: timedelta, lost: Callable[[], None]
    ) -> None:
        self.node_id = new_id()
        self._database = database
        self._clock = clock
        self._beat_seconds = length.total_seconds() / 3
        self._lost = lost
        self._state = "alive"

    async def open(self) -> None:
        """Begin the lease; raises Unavailable."""
        await self._database.transact(partial(writes.add_node, node_id=self.node_id, now=self._clock()))

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await asyncio.sleep(self._beat_seconds)
            try:
                await self.beat()
            except HubError as refusal:
                log.warning("the lease could not be prolonged: %s", refusal)

    async def beat(self) -> None:
        """Prolong the lease; if it was taken away, give up what rested on it and begin another."""
        beat = partial(writes.beat, node_id=self.node_id, now=self._clock(), state=self._state)
        if not await self._database.transact(beat):
            log.error("the lease %s was taken away: closing every socket", self.node_id)
            self.node_id = new_id()
            await self.open()
            self._lost()

    async def drain(self) -> None:
        """Say that this process is going: its visits stay open for the grace from now, then others close them."""
        self._state = "draining"
        await self.beat()


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
            try:
                await self.sweep(recount=sweep % RECOUNT_EVERY == 0)
            except HubError as refusal:
                log.warning("a sweep was put off: %s", refusal)
            sweep += 1
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self, *, recount: bool) -> None:
        """Do once what is due now."""
        for lease in await self._database.read(reads.leases):
            if lease.node_id != self._lease.node_id and lease.last_beat + self._patience[lease.state] <= self._clock():
                await self._reap(lease)
        now = self._clock()
        for session_id in await self._database.read(partial(reads.lapsed_holds, now=now)):
            await self._ledger.act(session_id, booking.expire_holds)
        if recount:
            for session_id in await self._database.read(reads.miscounted):
                await self._ledger.act(session_id, presence.recount, about=None)

    async def _reap(self, lease: reads.Lease) -> None:
        if lease.state != "dead":
            bury = partial(writes.bury_node, node_id=lease.node_id, seen_at=lease.last_beat)
            if not await self._database.transact(bury):
                return
        reason = LeaveReason.DISCONNECTED if lease.state == "draining" else LeaveReason.NODE_LOST
        rule = partial(presence.lose_node, node_id=lease.node_id, at=lease.last_beat, reason=reason)
        rooms = await self._database.read(partial(reads.open_visits_of_node, node_id=lease.node_id))
        for session_id, people in rooms.items():
            await self._ledger.act(session_id, rule, about=people if len(people) <= CROWD else None)
        log.warning("reaped the process %s, last seen %s, in %d sessions", lease.node_id, lease.last_beat, len(rooms))
