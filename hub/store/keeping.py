"""What is no longer kept: old visits, of which the totals stay, dead processes, and who somebody was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, func, not_, select, union, update
from sqlalchemy.exc import IntegrityError

from hub.domain.attendance import sum_up
from hub.domain.forgetting import forget
from hub.domain.model import Status, Visit
from hub.domain.people import Person
from hub.store import bulk, writes
from hub.store.mapping import person_of, session_of, total_values, visit_of
from hub.store.tables import (
    Instant,
    attendance_totals,
    live_sessions,
    nodes,
    session_bookings,
    session_participants,
    users,
)
from hub.store.writes import Wanted

_sessions, _visits = live_sessions.c, session_participants.c
# A session that was cancelled has no end of its own; its last edit was that. The starts are those of versions before.
OVER = and_(
    _sessions.status.in_([Status.ENDED.value, Status.CANCELLED.value]),
    func.coalesce(_sessions.ended_at, _sessions.edited_at, _sessions.starts_at, type_=Instant) < bindparam("before"),
)
SESSION = select(live_sessions).where(_sessions.id == bindparam("session"), OVER).with_for_update()
NAMED = (session_bookings, session_participants, attendance_totals)


@dataclass(frozen=True, slots=True)
class Old:
    """A session whose visits are too old: how many people they are of, and how many they are."""

    session_id: int
    people: int
    visits: int


def last_session(connection: Connection) -> int:
    """The highest id of a session; 0 where there is none."""
    return connection.execute(select(func.max(_sessions.id))).scalar_one() or 0


def old(connection: Connection, after: int, upto: int, before: datetime) -> list[Old]:
    """The sessions of these ids that were over `before`, with visits. One whose visits did not all end is left out."""
    query = (
        select(_visits.session_id, func.count(_visits.user_id.distinct()).label("people"), func.count().label("visits"))
        .join(live_sessions, _sessions.id == _visits.session_id)
        .where(_visits.session_id > after, _visits.session_id <= upto, OVER)
        .group_by(_visits.session_id)
        .having(func.count() == func.count(_visits.left_at))
        .order_by(_visits.session_id)
    )
    return [Old(row.session_id, row.people, row.visits) for row in connection.execute(query, {"before": before})]


def condense(connection: Connection, session_id: int, before: datetime, most: int) -> tuple[int, int]:
    """Put the totals of some people in the place of their visits; answers how many people, and how many visits.

    About `most` visits, and all of each person's: they are there, or their total is. (0, 0) when there are no more.
    """
    row = connection.execute(SESSION, {"session": session_id, "before": before}).one_or_none()
    if row is None:
        return 0, 0
    session = session_of(row)
    visits: dict[str, list[Visit]] = {}
    of_some = (_visits.session_id == session_id, _visits.user_id.in_(_some(connection, session_id, most)))
    for found in connection.execute(select(session_participants).where(*of_some)):
        visits.setdefault(found.user_id, []).append(visit_of(found))
    totals = [total_values(session_id, user_id, sum_up(session, theirs, before)) for user_id, theirs in visits.items()]
    bulk.add(connection, attendance_totals, totals)
    return len(totals), connection.execute(delete(session_participants).where(*of_some)).rowcount


def _some(connection: Connection, session_id: int, most: int) -> list[str]:
    query = select(_visits.user_id, func.count().label("visits")).where(_visits.session_id == session_id)
    some: list[str] = []
    for row in connection.execute(query.group_by(_visits.user_id).order_by(_visits.user_id).limit(most)):
        if some and row.visits > most:
            break
        some.append(row.user_id)
        most -= row.visits
    return some


def idle_nodes(connection: Connection, before: datetime, *, spare: bool) -> list[str]:
    """The dead processes last heard of `before` that no visit names; with `spare`, none that is not too old."""
    naming = select(_visits.node_id).where(_visits.node_id == nodes.c.id)
    if spare:
        naming = naming.join(live_sessions, _sessions.id == _visits.session_id).where(not_(OVER))
    query = select(nodes.c.id).where(nodes.c.state == "dead", nodes.c.last_beat < bindparam("before"))
    idle = query.where(not_(naming.exists())).order_by(nodes.c.last_beat)
    return list(connection.execute(idle, {"before": before}).scalars())


def remove_node(connection: Connection, node_id: str) -> None:
    """Erase a dead process that no visit names."""
    connection.execute(delete(nodes).where(nodes.c.id == node_id, nodes.c.state == "dead"))


def person(connection: Connection, user_id: str) -> Person | None:
    """Who this is, if anybody."""
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return None if row is None else person_of(row.id, row.name, row.role)


def unfinished(connection: Connection, user_id: str) -> list[int]:
    """The person's own sessions that are not over."""
    going = _sessions.status.in_([Status.SCHEDULED.value, Status.ACTIVE.value])
    return list(
        connection.execute(select(_sessions.id).where(_sessions.expert_id == user_id, going).order_by("id")).scalars()
    )


def places(connection: Connection, user_id: str) -> list[int]:
    """The sessions that name the person; nobody is in one without a booking or owning it."""
    own = select(_sessions.id.label("session_id")).where(_sessions.expert_id == user_id)
    others = (
        select(table.c.session_id).where(table.c.user_id == user_id) for table in (session_bookings, attendance_totals)
    )
    return sorted(connection.execute(union(own, *others)).scalars())


@dataclass(slots=True)
class HandedOver:
    """What became a stand-in's: rows of bookings, of visits and totals; and the seats that became free."""

    bookings: int = 0
    visits: int = 0
    seats: int = 0

    def __iadd__(self, more: HandedOver) -> HandedOver:
        """Both together."""
        self.bookings += more.bookings
        self.visits += more.visits
        self.seats += more.seats
        return self


def hand_over(connection: Connection, session_id: int, user_id: str, stand_in: Person, now: datetime) -> HandedOver:
    """Make all that names the person in this session `stand_in`'s, under the ledger's own lock."""
    live = writes.load(connection, {session_id: Wanted(about={user_id})})[session_id]
    writes.remember(connection, [stand_in])
    freed = forget(live, now, person_id=user_id, stand_in=stand_in)
    if live.dirty:
        writes.save(connection, [live], now)
    bookings, *visits = _rename(connection, session_id, user_id, stand_in.id)
    return HandedOver(bookings, sum(visits), freed)


def _rename(connection: Connection, session_id: int, user_id: str, other: str) -> Iterable[int]:
    for table in NAMED:
        theirs = (table.c.session_id == session_id, table.c.user_id == user_id)
        yield connection.execute(update(table).where(*theirs).values(user_id=other)).rowcount


def remove_person(connection: Connection, user_id: str) -> bool:
    """Erase who this was; False when something still names them."""
    try:
        with connection.begin_nested():
            connection.execute(delete(users).where(users.c.id == user_id))
    except IntegrityError:
        return False
    return True
