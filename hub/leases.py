"""This process's lease, and the care for what others left behind: dead processes, lapsed holds, counts.

A lease is a row that is beaten; when the beat stops for `length`, any process buries it and closes its visits at the
last beat. A process that finds its own lease gone must write nothing more under it: `lost` is called.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Protocol

from hub.domain import booking, presence
from hub.domain.model import LeaveReason
from hub.errors import HubError
from hub.ids import new_id
from hub.ledger import Ledger, Rule
from hub.store import care, writes
from hub.store.database import Database

log = logging.getLogger("hub.leases")

BEAT_SHARE = 0.3
"""Of a lease between two beats. A visit ends at the last one: at 15 s, with the way to the disk, less than 5 s ago."""

SWEEP_SECONDS = 1.0
RECOUNT_EVERY = 60
"""Sweeps between two comparisons of every live count with the open visits."""

RETRY_SECONDS = 1.0
"""After a beat that failed: when the database is back, everyone must be heard before anyone is buried."""

AT_ONCE = 200
"""Sessions that are changed at once when many need it."""

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
        self._beat_seconds = self._length * BEAT_SHARE
        self._pause = min(self._beat_seconds, RETRY_SECONDS)
        self._lost = lost
        self._monotonic = monotonic
        self._state = "alive"
        self.begun = False
        self.losses = 0
        """Times that it was taken away."""
        self.failures = 0
        """Beats that failed."""
        self.refused = False
        """Whether the last beat was: the database is away, or takes no writes (its disk is full)."""
        self._heard_at = self._calm_since = monotonic()

    @property
    def calm(self) -> bool:
        """Whether the database was in reach for the length of a lease: whoever is silent now is dead, not cut off."""
        return self.begun and self._monotonic() - self._calm_since >= self._length

    @property
    def silence(self) -> float:
        """Seconds since it was last prolonged."""
        return self._monotonic() - self._heard_at

    def disturbed(self) -> None:
        """The database was away, its clock jumped, or this process stood still: what others did is not known."""
        self._calm_since = self._monotonic()

    async def open(self) -> None:
        """Begin the lease; raises Unavailable.

        By another name each time: an attempt of which nobody knows what became may have been stored.
        """
        await self.look()
        self.node_id = new_id()
        await self._database.transact(partial(writes.add_node, node_id=self.node_id, now=self._clock()))
        self.begun = True

    async def run(self) -> None:
        """Beat for ever, and begin if that was not possible before."""
        while True:
            await asyncio.sleep(self._pause)
            self._pause = self._beat_seconds if await self._beaten() else min(self._beat_seconds, RETRY_SECONDS)

    async def _beaten(self) -> bool:
        try:
            await self.beat()
        except HubError as refusal:
            if not self.refused:
                log.warning("the lease could not be prolonged: %s", refusal)
            self.refused = True
            self.disturbed()
            self.failures += 1
            return False
        self.refused = False
        if self.silence > 2 * self._beat_seconds:
            self.disturbed()
        self._heard_at = self._monotonic()
        return True

    async def beat(self) -> None:
        """Prolong the lease, or begin it; if it was taken away, give up what rested on it and begin another."""
        if not self.begun:
            await self.open()
            return
        await self.look()
        beat = partial(writes.beat, node_id=self.node_id, now=self._clock(), state=self._state)
        if not await self._database.transact(beat):
            log.error("the lease %s was taken away: closing every socket", self.node_id)
            self.begun = False
            self.losses += 1
            try:
                await self.open()
            finally:
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`length` of a lease, and the `grace` for visits of a process that said it was going."""
        self.reaped = 0
        """Visits closed for dead processes."""
        self._monotonic = monotonic
        self._unchanged: dict[str, tuple[datetime, str, float]] = {}
        self._put_off = False
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
            if not self._put_off:
                log.warning("sweeps are put off: %s", refusal)
            self._put_off = True
        else:
            self._put_off = False

    async def sweep(self, *, recount: bool) -> None:
        """Do once what is due now."""
        leases = await self._database.read(partial(care.leases, now=self._clock()))
        mine = self._lease.node_id
        if any(lease.node_id == mine and lease.silent * 2 > self._patience["alive"] for lease in leases):
            self._lease.disturbed()
        self._note(leases)
        for lease in leases:
            if lease.node_id != mine and self._is_gone(lease):
                await self._reap(lease)
        now = self._clock()
        await self._act_on(await self._database.read(partial(care.lapsed_holds, now=now)), booking.expire_holds)
        if recount:
            await self._act_on(await self._database.read(care.miscounted), presence.recount, everyone=True)

    async def _act_on(self, session_ids: Sequence[int], rule: Rule[Any], *, everyone: bool = False) -> None:
        about = None if everyone else ()
        await self._together(partial(self._ledger.act, session_id, rule, about=about) for session_id in session_ids)

    @staticmethod
    async def _together(calls: Iterable[Callable[[], Awaitable[Any]]]) -> list[Any]:
        """Some at once, so that the ledger can commit them in groups; what they answered."""
        waiting, answers = iter(calls), []
        while some := list(islice(waiting, AT_ONCE)):
            answers += await asyncio.gather(*(call() for call in some))
        return answers

    def _note(self, leases: Sequence[care.Lease]) -> None:
        """Since when each lease has been as it is, by this process's own monotonic clock."""
        now = self._monotonic()
        before, self._unchanged = self._unchanged, {}
        for lease in leases:
            beat, state, since = before.get(lease.node_id, (None, "", now))
            same = (beat, state) == (lease.last_beat, lease.state)
            self._unchanged[lease.node_id] = (lease.last_beat, lease.state, since if same else now)

    def _is_gone(self, lease: care.Lease) -> bool:
        patience = self._patience[lease.state]
        if not self._database.shared:  # whoever had this file is gone; nobody was here to see since when
            return lease.silent >= patience
        # After an outage of a shared database everyone has been silent: each must first have had the time to beat. And
        # its clock may be set, to and fro: what counts is for how long no beat was seen to come.
        if lease.state == "alive" and not self._lease.calm:
            return False
        return self._monotonic() - self._unchanged[lease.node_id][2] >= patience.total_seconds()

    async def _reap(self, lease: care.Lease) -> None:
        if lease.state != "dead":
            bury = partial(writes.bury_node, node_id=lease.node_id, seen_at=lease.last_beat)
            if not await self._database.transact(bury):
                return
        reason = LeaveReason.DISCONNECTED if lease.state == "draining" else LeaveReason.NODE_LOST
        at = min(lease.last_beat, self._clock())
        rule = partial(presence.lose_node, node_id=lease.node_id, at=at, reason=reason)
        rooms = await self._database.read(partial(care.open_visits_of_node, node_id=lease.node_id))
        closed = await self._together(
            partial(self._ledger.act, session_id, rule, about=people if len(people) <= CROWD else None)
            for session_id, people in rooms.items()
        )
        self.reaped += sum(closed)
        log.warning("reaped the process %s, last seen %s, in %d sessions", lease.node_id, lease.last_beat, len(rooms))
