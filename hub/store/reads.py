"""What is asked of the database: pages by SQL, and seats counted by the clock wherever they are shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, bindparam, func, or_, select

from hub.domain.attendance import Attendance, attend, share
from hub.domain.events import Present, PublicState, RosterRule
from hub.domain.model import Booking, BookingStatus, Session, Visit
from hub.domain.people import Person
from hub.errors import NotFound
from hub.store.database import snapshot
from hub.store.mapping import booking_of, person_of, session_of, total_of, visit_of
from hub.store.tables import (
    LIVE_BOOKING,
    OPEN_VISIT,
    PENDING_BOOKING,
    attendance_totals,
    live_sessions,
    session_bookings,
    session_participants,
    users,
)

held = (
    select(func.count())
    .where(
        session_bookings.c.session_id == live_sessions.c.id,
        PENDING_BOOKING,
        session_bookings.c.expires_at > bindparam("now"),
    )
    .scalar_subquery()
)
seats_taken = live_sessions.c.confirmed + held


@dataclass(frozen=True, slots=True)
class Seen:
    """A session with the seats taken at the moment of reading, and the viewer's booking that takes one of them.

    `edited_at` is when its version last grew, where one session was asked for and that is known.
    """

    session: Session
    seats: int
    booking: Booking | None = None
    edited_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: `number` from 1, `limit` rows each."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        """How many rows come before."""
        return (self.number - 1) * self.limit


def one_session(connection: Connection, session_id: int, now: datetime, viewer: str | None = None) -> Seen:
    """One session as `viewer` sees it; raises NotFound."""
    query = select(live_sessions, seats_taken.label("seats")).where(live_sessions.c.id == session_id)
    row = connection.execute(query, {"now": now}).one_or_none()
    if row is None:
        raise NotFound(f"There is no session {session_id}.")
    booking = bookings_of(connection, viewer, [session_id], now).get(session_id)
    return Seen(session_of(row), row.seats, booking, row.edited_at)


def bookings_of(
    connection: Connection, viewer: str | None, session_ids: Collection[int], now: datetime
) -> dict[int, Booking]:
    """The bookings of `viewer` that take a seat in these sessions, by session."""
    if viewer is None or not session_ids:
        return {}
    table = session_bookings
    query = select(table).where(table.c.session_id.in_(session_ids), table.c.user_id == viewer, LIVE_BOOKING)
    bookings = map(booking_of, connection.execute(query))
    return {booking.session_id: booking for booking in bookings if not booking.lapsed(now)}


def bookings_of_person(
    connection: Connection, user_id: str, page: Page, now: datetime
) -> tuple[list[tuple[Booking, Seen]], int]:
    """One page of a person's bookings, newest first, each with its session."""
    table = session_bookings
    query = select(table).where(table.c.user_id == user_id)
    newest = query.order_by(table.c.created_at.desc(), table.c.id.desc())
    bookings = list(map(booking_of, connection.execute(newest.limit(page.limit).offset(page.offset))))
    sessions = _sessions(connection, {booking.session_id for booking in bookings}, now, user_id)
    return [(booking, sessions[booking.session_id]) for booking in bookings], _count(connection, query)


def _sessions(connection: Connection, ids: Collection[int], now: datetime, viewer: str) -> dict[int, Seen]:
    bookings = bookings_of(connection, viewer, ids, now)
    found = sessions_with_seats(connection, now, ids)
    return {
        session_id: Seen(session, seats, bookings.get(session_id)) for session_id, (session, seats) in found.items()
    }


def sessions_with_seats(connection: Connection, now: datetime, ids: Collection[int]) -> dict[int, tuple[Session, int]]:
    """These sessions, each with the seats taken at `now`; unknown ones are left out."""
    query = select(live_sessions, seats_taken.label("seats")).where(live_sessions.c.id.in_(ids))
    return {row.id: (session_of(row), row.seats) for row in connection.execute(query, {"now": now})}


def bookings_of_session(
    connection: Connection, session_id: int, page: Page, statuses: Collection[BookingStatus], now: datetime
) -> tuple[list[tuple[Booking, Person]], int]:
    """One page of a session's bookings, oldest first, each with its student; statuses are those the clock has."""
    table = session_bookings
    query = (
        select(table, users.c.name, users.c.role)
        .join(users, users.c.id == table.c.user_id)
        .where(table.c.session_id == session_id)
    )
    if statuses:
        query = query.where(or_(*(_is_now(status, now) for status in set(statuses))))
    oldest = query.order_by(table.c.created_at, table.c.id)
    rows = connection.execute(oldest.limit(page.limit).offset(page.offset)).all()
    return [(booking_of(row), _person(row)) for row in rows], _count(connection, query)


def _is_now(status: BookingStatus, now: datetime) -> ColumnElement[bool]:
    """Whether a booking has this status at `now`, whether or not the sweep has written it down."""
    table = session_bookings.c
    match status:
        case BookingStatus.PENDING:
            return and_(PENDING_BOOKING, table.expires_at > now)
        case BookingStatus.EXPIRED:
            return or_(table.status == status.value, and_(PENDING_BOOKING, table.expires_at <= now))
    return table.status == status.value


def _person(row: Row[Any]) -> Person:
    return person_of(row.user_id, row.name, row.role)


def _count(connection: Connection, query: Select[*tuple[Any, ...]]) -> int:
    return connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def _present() -> Select[*tuple[Any, ...]]:
    table = session_participants
    return (
        select(table.c.user_id, users.c.name, users.c.role, func.min(table.c.present_since).label("joined_at"))
        .join(users, users.c.id == table.c.user_id)
        .where(OPEN_VISIT, table.c.session_id == bindparam("session_id"))
        .group_by(table.c.user_id, users.c.name, users.c.role)
    )


present_query = _present()
present_in_order = present_query.order_by(
    func.min(session_participants.c.present_since), session_participants.c.user_id
)
present_count = select(func.count()).select_from(present_query.subquery())


def present_page(connection: Connection, session_id: int, page: Page) -> tuple[list[Present], int]:
    """One page of the people present now, in order of coming, and how many they are."""
    query = present_in_order.limit(page.limit).offset(page.offset)
    rows = connection.execute(query, {"session_id": session_id}).all()
    return [_present_of(row) for row in rows], connection.execute(
        present_count, {"session_id": session_id}
    ).scalar_one()


def _present_of(row: Row[Any]) -> Present:
    person = _person(row)
    return Present(person.id, person.name, person.role, row.joined_at)


def roster(connection: Connection, session_id: int) -> tuple[int, list[Present]]:
    """Everyone present, in order of coming, and the revision at which that is so."""
    with snapshot(connection):
        query = select(live_sessions.c.revision).where(live_sessions.c.id == session_id)
        revision = connection.execute(query).scalar_one()
        people = [_present_of(row) for row in connection.execute(present_in_order, {"session_id": session_id})]
    return revision, people


def is_present(connection: Connection, session_id: int, user_id: str) -> bool:
    """Whether the person has an open visit."""
    table = session_participants
    query = select(table.c.id).where(table.c.session_id == session_id, table.c.user_id == user_id, OPEN_VISIT).limit(1)
    return connection.execute(query).first() is not None


def attendance(connection: Connection, session: Session, now: datetime) -> list[Attendance]:
    """Everyone who was ever in `session`, in order of coming; of some only the total may be kept."""
    people: dict[Person, list[Visit]] = {}
    with snapshot(connection):
        for row in connection.execute(_of_people(session_participants), {"session_id": session.id}):
            people.setdefault(_person(row), []).append(visit_of(row))
        totals = connection.execute(_of_people(attendance_totals), {"session_id": session.id}).all()
    everyone = [attend(session, person, visits, now) for person, visits in people.items()]
    for row in totals:
        total = total_of(row)
        everyone.append(Attendance(_person(row), total, share(session, total, now)))
    return sorted(everyone, key=lambda one: (one.total.first_joined_at, one.person.id))


def _of_people(table: Table) -> Select[*tuple[Any, ...]]:
    named = select(table, users.c.name, users.c.role).join(users, users.c.id == table.c.user_id)
    return named.where(table.c.session_id == bindparam("session_id"))


def public_states(
    connection: Connection, ids: Collection[int], now: datetime
) -> dict[int, tuple[PublicState, RosterRule]]:
    """What anyone may know of these sessions, and who may see their rosters; unknown ones are left out."""
    found = sessions_with_seats(connection, now, ids).values()
    return {
        session.id: (PublicState.of(session, seats), RosterRule(session.expert_id, session.roster_visibility))
        for session, seats in found
    }


def booking_place(connection: Connection, booking_id: str) -> tuple[int, str] | None:
    """The session and the person of a booking."""
    table = session_bookings
    row = connection.execute(select(table.c.session_id, table.c.user_id).where(table.c.id == booking_id)).one_or_none()
    return None if row is None else (row.session_id, row.user_id)


def let_a_hold_lapse(connection: Connection, session_id: int, user_id: str) -> bool:
    """Whether the person's newest booking of the session is a hold that ran out, and was marked so."""
    table = session_bookings
    query = select(table.c.status).where(table.c.session_id == session_id, table.c.user_id == user_id)
    newest = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none() == BookingStatus.EXPIRED
