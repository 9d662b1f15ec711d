"""What those ask who look after the rest: dead processes, lapsed holds, counts, and whatever a process missed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, or_, select

from hub.domain.model import LeaveReason, Session
from hub.store.mapping import session_of
from hub.store.reads import seats_taken
from hub.store.tables import (
    OPEN_VISIT,
    PENDING_BOOKING,
    clock,
    live_sessions,
    nodes,
    session_bookings,
    session_participants,
)

MOST_EDITED = 1_000
"""Changes of the list that are told after a gap; who missed more than these reads the list anew."""


def lapsed_holds(connection: Connection, now: datetime) -> list[int]:
    """The sessions with holds that ran out and are not yet marked so."""
    table = session_bookings
    query = select(table.c.session_id).where(PENDING_BOOKING, table.c.expires_at <= now).distinct().limit(1000)
    return list(connection.execute(query).scalars())


def miscounted(connection: Connection) -> list[int]:
    """The sessions whose live count is not the number of people with an open visit."""
    visits = session_participants
    people = (
        select(visits.c.session_id, func.count(visits.c.user_id.distinct()).label("people"))
        .where(OPEN_VISIT)
        .group_by(visits.c.session_id)
        .subquery()
    )
    query = (
        select(live_sessions.c.id)
        .outerjoin(people, people.c.session_id == live_sessions.c.id)
        .where(or_(live_sessions.c.live > 0, people.c.people > 0))
        .where(live_sessions.c.live != func.coalesce(people.c.people, 0))
    )
    return list(connection.execute(query).scalars())


def open_visits_of_node(connection: Connection, node_id: str) -> dict[int, set[str]]:
    """The people with open visits under this lease, by session."""
    table = session_participants
    rows = connection.execute(select(table.c.session_id, table.c.user_id).where(OPEN_VISIT, table.c.node_id == node_id))
    return people_by_session((row.session_id, row.user_id) for row in rows)


def people_by_session(pairs: Iterable[tuple[int, str]]) -> dict[int, set[str]]:
    """Group (session id, user id) pairs."""
    found: dict[int, set[str]] = {}
    for session_id, user_id in pairs:
        found.setdefault(session_id, set()).add(user_id)
    return found


@dataclass(frozen=True, slots=True)
class Lease:
    """A process's lease as stored, and for how long it has been `silent`."""

    node_id: str
    state: str
    last_beat: datetime
    silent: timedelta


def leases(connection: Connection, now: datetime) -> list[Lease]:
    """Every process that was not yet buried, or that still has an open visit."""
    open_nodes = select(session_participants.c.node_id).where(OPEN_VISIT).distinct()
    query = select(nodes, clock(connection, now).label("now"))
    rows = connection.execute(query.where(or_(nodes.c.state != "dead", nodes.c.id.in_(open_nodes))))
    return [Lease(row.id, row.state, row.last_beat, row.now - row.last_beat) for row in rows]


def time(connection: Connection, now: datetime) -> datetime:
    """What the clock of leases shows; `now` where that is this process's own."""
    return connection.execute(select(clock(connection, now))).scalar_one()


def revisions(connection: Connection, ids: Collection[int]) -> dict[int, int]:
    """The revision of each of these sessions; unknown ones are left out."""
    query = select(live_sessions.c.id, live_sessions.c.revision).where(live_sessions.c.id.in_(ids))
    return {row.id: row.revision for row in connection.execute(query)}


def ended_visits(connection: Connection, ids: Collection[str]) -> dict[str, LeaveReason]:
    """Those of these visits that are no longer open, and why."""
    table = session_participants
    query = select(table.c.id, table.c.reason).where(table.c.id.in_(ids), table.c.reason.is_not(None))
    return {row.id: LeaveReason(row.reason) for row in connection.execute(query)}


def edited_since(connection: Connection, since: datetime, now: datetime) -> list[tuple[Session, int]]:
    """The sessions whose place in the lists changed after `since`, oldest first, each with the seats taken at `now`."""
    query = select(live_sessions, seats_taken.label("seats")).where(live_sessions.c.edited_at > since)
    rows = connection.execute(query.order_by(live_sessions.c.edited_at).limit(MOST_EDITED), {"now": now})
    return [(session_of(row), row.seats) for row in rows]
