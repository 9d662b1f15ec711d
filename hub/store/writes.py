"""What the ledger reads under its lock and writes back: the touched sessions with the people concerned, in bulk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Interval,
    Row,
    Table,
    Update,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    update,
)

from hub.domain.model import LiveSession, Payment, Session
from hub.domain.people import Person
from hub.store import bulk
from hub.store.mapping import (
    booking_of,
    booking_values,
    counters,
    payment_of,
    payment_values,
    person_values,
    session_of,
    session_values,
    visit_of,
    visit_values,
)
from hub.store.tables import (
    LIVE_BOOKING,
    OPEN_VISIT,
    PENDING_BOOKING,
    clock,
    live_sessions,
    nodes,
    session_bookings,
    session_participants,
    session_payments,
    users,
)


@dataclass(slots=True)
class Wanted:
    """What must be loaded with a session: `about` is the people concerned, None for everyone."""

    about: set[str] | None = field(default_factory=set)
    bookings: set[str] = field(default_factory=set)
    payments: set[str] = field(default_factory=set)

    def also(self, about: Iterable[str] | None, bookings: Iterable[str], payments: Iterable[str]) -> None:
        """Want more."""
        self.about = None if about is None or self.about is None else self.about | set(about)
        self.bookings.update(bookings)
        self.payments.update(payments)


def _among(table: Table, column: str) -> ColumnElement[bool]:
    return table.c[column].in_(bindparam(f"{column}s", expanding=True))


# Statements are built once: building one costs as much as running it.
SESSIONS = select(live_sessions).where(_among(live_sessions, "id")).order_by(live_sessions.c.id).with_for_update()
HOLDS = select(session_bookings).where(_among(session_bookings, "session_id"), PENDING_BOOKING)
BOOKINGS = select(session_bookings).where(_among(session_bookings, "session_id"), LIVE_BOOKING)
NAMED_BOOKINGS = select(session_bookings).where(_among(session_bookings, "id"))
VISITS = select(session_participants).where(_among(session_participants, "session_id"), OPEN_VISIT)
DROPPED = (
    update(session_participants)
    .where(
        session_participants.c.id == bindparam("visit"),
        session_participants.c.node_id == bindparam("node"),
        OPEN_VISIT,
    )
    .values(dropped_at=bindparam("at"))
)
PAYMENTS = select(session_payments).where(_among(session_payments, "booking_id") | _among(session_payments, "id"))


def load(connection: Connection, wanted: Mapping[int, Wanted]) -> dict[int, LiveSession]:
    """Lock and read the wanted sessions in id order; those that don't exist are left out."""
    sessions = {row.id: session_of(row) for row in connection.execute(SESSIONS, {"ids": sorted(wanted)})}
    bookings = _by_session(_bookings(connection, wanted))
    visits = _by_session(_visits(connection, wanted))
    payments = _payments_by_asker(connection, wanted)
    return {
        session_id: LiveSession.of(
            session,
            about=wanted[session_id].about,
            bookings={row.id: booking_of(row) for row in bookings.get(session_id, ())}.values(),
            visits=map(visit_of, visits.get(session_id, ())),
            payments=payments[session_id],
        )
        for session_id, session in sessions.items()
    }


def _by_session(rows: Iterable[Row[Any]]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.session_id, []).append(row)
    return found


def _crowds(wanted: Mapping[int, Wanted]) -> tuple[list[int], dict[int, set[str]]]:
    """The sessions wanted whole, and those wanted for some people, with these."""
    whole = [session_id for session_id, want in wanted.items() if want.about is None]
    return whole, {session_id: want.about for session_id, want in wanted.items() if want.about}


def _bookings(connection: Connection, wanted: Mapping[int, Wanted]) -> Iterable[Row[Any]]:
    whole, some = _crowds(wanted)
    named = set().union(*(want.bookings for want in wanted.values()))
    held = [session_id for session_id in wanted if session_id not in whole]
    if held:
        yield from connection.execute(HOLDS, {"session_ids": held})
    if some:
        yield from bulk.of_people(connection, session_bookings, LIVE_BOOKING, some)
    if whole:
        yield from connection.execute(BOOKINGS, {"session_ids": whole})
    if named:
        yield from connection.execute(NAMED_BOOKINGS, {"ids": list(named)})


def _visits(connection: Connection, wanted: Mapping[int, Wanted]) -> Iterable[Row[Any]]:
    whole, some = _crowds(wanted)
    if some:
        yield from bulk.of_people(connection, session_participants, OPEN_VISIT, some)
    if whole:
        yield from connection.execute(VISITS, {"session_ids": whole})


def _payments_by_asker(connection: Connection, wanted: Mapping[int, Wanted]) -> dict[int, list[Payment]]:
    """What was said of the wanted bookings, and whatever bears a wanted id, even when it is of another session.

    A message's id is one for all sessions: whoever asks for it must hear that it was used, wherever that was.
    """
    bookings = set().union(*(want.bookings for want in wanted.values()))
    ids = set().union(*(want.payments for want in wanted.values()))
    if not bookings and not ids:
        return {session_id: [] for session_id in wanted}
    rows = connection.execute(PAYMENTS, {"booking_ids": list(bookings), "ids": list(ids)})
    known = {row.id: payment_of(row) for row in rows}
    by_booking: dict[str, list[str]] = {}
    for payment in known.values():
        by_booking.setdefault(payment.booking_id, []).append(payment.id)
    found = {}
    for session_id, want in wanted.items():
        mine = (want.payments & known.keys()).union(*(by_booking.get(booking_id, ()) for booking_id in want.bookings))
        found[session_id] = [known[payment_id] for payment_id in mine]
    return found


def save(connection: Connection, lives: Collection[LiveSession], now: datetime) -> None:
    """Write what changed in `lives`, in bulk; a person's ended booking goes before the one that replaces it."""
    remember(connection, {person.id: person for live in lives for person in live.people.values()}.values())
    bookings = [(live, live.bookings[booking_id]) for live in lives for booking_id in live.touched_bookings]
    bookings.sort(key=lambda entry: entry[1].takes_a_seat)
    # In one order everywhere, as a beat may mark the same visits.
    visits = [(live, live.visits[visit_id]) for live in lives for visit_id in live.touched_visits]
    visits.sort(key=lambda entry: entry[1].id)
    _change(connection, session_bookings, [booking_values(b) for live, b in bookings if b.id in live.stored])
    bulk.add(connection, session_bookings, [booking_values(b) for live, b in bookings if b.id not in live.stored])
    _change(connection, session_participants, [visit_values(v) for live, v in visits if v.id in live.stored])
    bulk.add(connection, session_participants, [visit_values(v) for live, v in visits if v.id not in live.stored])
    payments = (live.payments[payment_id] for live in lives for payment_id in live.touched_payments)
    bulk.add(connection, session_payments, [payment_values(payment) for payment in payments])
    edited = [live.session for live in lives if live.edited]
    moved = [live.session for live in lives if live.changed and not live.edited]
    rows = [{"id": session.id, "edited_at": now, **session_values(session)} for session in edited]
    _change(connection, live_sessions, rows)
    _change(connection, live_sessions, [{"id": session.id, **counters(session)} for session in moved])


def _change(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        statement = _update(table, tuple(name for name in rows[0] if name != "id"))
        # An `id` among the values would be SET too, and SQLite would then look for child rows by the thousand.
        connection.execute(statement, [{"row_id": row.pop("id"), **row} for row in rows])


@cache
def _update(table: Table, columns: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return update(table).where(table.c.id == bindparam("row_id")).values(values)


def remember(connection: Connection, people: Iterable[Person]) -> None:
    """Keep who these people are, by the newest token that was seen."""
    # In one order everywhere: two processes that remember the same people must not wait for each other in a ring.
    rows = [person_values(person) for person in sorted(people, key=lambda person: person.id)]
    bulk.add_or_renew(connection, users, rows)


def create(connection: Connection, session: Session, owner: Person, seal: Callable[[Session], None]) -> Session:
    """Insert a new session; once its id is known, `seal` puts in what is sealed for it. Answers it with its id."""
    remember(connection, [owner])
    values = {"edited_at": session.created_at, **session_values(session)}
    row = connection.execute(insert(live_sessions).returning(live_sessions.c.id), values).one()
    session.id = row.id
    seal(session)
    sealed = {"sealed_url": session.sealed_url, "sealed_password": session.sealed_password}
    if any(sealed.values()):
        _change(connection, live_sessions, [{"id": session.id, **sealed}])
    return session


def living_nodes(connection: Connection, node_ids: Collection[str]) -> set[str]:
    """Those of `node_ids` whose lease was not taken away, and can't be before this transaction is over."""
    if not node_ids:
        return set()
    query = select(nodes.c.id).where(nodes.c.id.in_(node_ids), nodes.c.state != "dead").order_by(nodes.c.id)
    return set(connection.execute(query.with_for_update(read=True)).scalars())


def add_node(connection: Connection, node_id: str, now: datetime) -> None:
    """Begin a lease."""
    at = clock(connection, now)
    connection.execute(insert(nodes).values(id=node_id, started_at=at, last_beat=at, state="alive"))


def beat(connection: Connection, node_id: str, now: datetime, state: str) -> bool:
    """Prolong a lease; False when it was taken away meanwhile."""
    own = (nodes.c.id == node_id) & (nodes.c.state != "dead")
    at = clock(connection, now)
    before = nodes.c.last_beat
    newest: ColumnElement[datetime] = case((before > at, before), else_=at)
    if connection.dialect.name != "sqlite":
        # Clocks are set back now and then; but a beat that changes nothing would be none to those who watch for it.
        newest = func.greatest(before + literal(timedelta(microseconds=1), Interval), at)
    return bool(connection.execute(update(nodes).where(own).values(last_beat=newest, state=state)).rowcount)


def note_drops(connection: Connection, node_id: str, dropped: Mapping[str, datetime]) -> None:
    """Keep when the sockets of these open visits went, in case nobody lives to record the leave.

    Nothing is kept under a lease that was taken away: those visits end when that process was last heard of.
    """
    if living_nodes(connection, [node_id]):
        rows = [{"node": node_id, "visit": visit_id, "at": at} for visit_id, at in sorted(dropped.items())]
        connection.execute(DROPPED, rows)


def bury_node(connection: Connection, node_id: str, seen_at: datetime) -> bool:
    """Take a lease away if it has not been beaten since `seen_at`; nothing can be written under it any more."""
    statement = (
        update(nodes).where(nodes.c.id == node_id, nodes.c.state != "dead", nodes.c.last_beat == seen_at)
    ).values(state="dead")
    return bool(connection.execute(statement).rowcount)
