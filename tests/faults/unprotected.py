"""`hub serve` without one of its protections, for the negative controls: python -m tests.faults.unprotected NAME."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from hub import leases
from hub.cli import main
from hub.domain import presence
from hub.domain.model import LeaveReason, LiveSession
from hub.store import writes


async def no_sweep(self: leases.Reaper, *, recount: bool) -> None:
    """Nobody looks after dead processes."""


async def deaf_beat(self: leases.Lease) -> None:
    """A beat that does not see that the lease was taken away."""
    beat = partial(writes.beat, node_id=self.node_id, now=self._clock(), state=self._state)
    await self._database.transact(beat)


def all_live(connection: Any, node_ids: Collection[str]) -> set[str]:
    """Whoever writes is taken for alive."""
    return set(node_ids)


async def no_notes(self: leases.Lease, most: int | None) -> None:
    """Nobody writes down that sockets dropped."""


def leave_by_person(
    live: LiveSession, now: datetime, *, visit_id: str, at: datetime | None, reason: LeaveReason
) -> bool:
    """A leave that closes whatever the person has open."""
    for visit in live.visits_of(live.visits[visit_id].user_id):
        live.put_visit(replace(visit, left_at=max(at or now, visit.joined_at), reason=reason))
    return True


def without_reaper() -> None:
    """Dead processes keep their visits."""
    leases.Reaper.sweep = no_sweep  # type: ignore[method-assign]


def without_fence() -> None:
    """A process that was buried goes on writing."""
    leases.Lease.beat = deaf_beat  # type: ignore[method-assign]
    writes.living_nodes = all_live


def without_notes() -> None:
    """A dropped socket is known to its own process alone."""
    leases.Lease._note_drops = no_notes  # type: ignore[method-assign]


def without_tabs() -> None:
    """A person's connections are not told apart."""
    presence.leave = leave_by_person


REMOVALS: Mapping[str, Callable[[], None]] = {
    "reaper": without_reaper,
    "fence": without_fence,
    "notes": without_notes,
    "tabs": without_tabs,
}


def command(name: str) -> tuple[str, ...]:
    """What Python is to run."""
    return ("-m", "tests.faults.unprotected", name)


if __name__ == "__main__":
    REMOVALS[sys.argv[1]]()
    main(["serve"])
