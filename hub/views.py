"""What is shown to the outside, typed once: REST bodies, WebSocket messages and their schemas come from these.

Member names are the contract's (camelCase); instants are RFC 3339 in UTC; money is in minor units.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from hub.domain import events
from hub.domain.attendance import Attendance
from hub.domain.model import Booking, BookingStatus, LeaveReason, Price, Session, Status, Visit
from hub.domain.people import Actor, Person, Role
from hub.domain.sessions import can_move

encode = msgspec.json.Encoder().encode

Instant = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 in UTC."""


class View(Struct, rename="camel", kw_only=True):
    """The base of all that is shown."""


class SessionListing(View):
    """A session as anyone may see it."""

    id: int
    title: str
    description: str
    instructor: str
    expert_id: str
    course_id: str | None
    starts_at: Instant
    ends_at: Instant
    timezone: str
    date: str
    time: str
    duration: str
    duration_minutes: int
    participants: int
    max_participants: int | None
    live: int
    peak_live: int
    price: Price | None
    is_free: bool
    status: Status
    started_at: Instant | None
    ended_at: Instant | None
    version: int
    revision: int


class SessionView(SessionListing):
    """A session as its caller sees it."""

    can_join: bool
    is_expert: bool
    is_booked: bool
    can_edit: bool
    can_start: bool
    can_end: bool


class BookingView(View):
    """One person's claim on one seat; a pending one holds it until `expiresAt`."""

    id: str
    session_id: int
    status: BookingStatus
    created_at: Instant
    confirmed_at: Instant | None
    cancelled_at: Instant | None
    expires_at: Instant | None
    price: Price | None


class Meeting(View):
    """Where the session takes place: for the owner, and for holders of a confirmed seat while the doors are open."""

    url: str | None
    password: str | None


class SessionDetail(SessionView):
    """A session with what is the caller's own."""

    booking: BookingView | None
    meeting: Meeting | None


class MyBooking(BookingView):
    """A booking with its session."""

    session: SessionView


class StudentView(View):
    """Who booked."""

    id: str
    name: str


class StudentBooking(BookingView):
    """A booking with the student who holds it."""

    student: StudentView


class PresentView(View):
    """Someone who is present."""

    id: str
    name: str
    role: Role
    joined_at: Instant


class GoneView(View):
    """Someone who is no longer present."""

    id: str


class VisitView(View):
    """One connection's stay."""

    joined_at: Instant
    left_at: Instant | None
    reason: LeaveReason | None


class AttendanceLine(View):
    """One person's attendance: `seconds` within the session, `share` of it from 0 to 1.

    `visits` is empty once they are too old to be kept, and only their total is.
    """

    id: str
    name: str
    role: Role
    seconds: float
    share: float
    first_joined_at: Instant
    last_left_at: Instant | None
    visits: list[VisitView]


class AttendanceView(View):
    """Who was there, and for how long."""

    session_id: int
    started_at: Instant | None
    ended_at: Instant | None
    peak_live: int
    people: list[AttendanceLine]


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA time zone; raises ValueError or KeyError for what is none."""
    return ZoneInfo(name)


def listing(session: Session, seats: int) -> SessionListing:
    """`session` with `seats` taken, for anyone."""
    return SessionListing(**_listing(session, seats))


def _listing(session: Session, seats: int) -> dict[str, Any]:
    local = session.starts_at.astimezone(zone(session.timezone))
    minutes = session.duration_minutes
    return {
        "id": session.id,
        "title": session.title,
        "description": session.description,
        "instructor": session.instructor,
        "expert_id": session.expert_id,
        "course_id": session.course_id,
        "starts_at": session.starts_at,
        "ends_at": session.ends_at,
        "timezone": session.timezone,
        "date": local.strftime("%Y-%m-%d"),
        "time": local.strftime("%H:%M"),
        "duration": f"{minutes} minute" if minutes == 1 else f"{minutes} minutes",
        "duration_minutes": minutes,
        "participants": seats,
        "max_participants": session.max_participants,
        "live": session.live,
        "peak_live": session.peak_live,
        "price": session.price,
        "is_free": session.price is None,
        "status": session.status,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "version": session.version,
        "revision": session.revision,
    }


def _for_caller(session: Session, seats: int, actor: Actor | None, booking: Booking | None) -> dict[str, Any]:
    is_owner = actor is not None and actor.role is Role.EXPERT and actor.id == session.expert_id
    is_open = session.status in (Status.SCHEDULED, Status.ACTIVE)
    has_room = session.max_participants is None or seats < session.max_participants
    # Someone who is not signed in sees what a student who signs in could do.
    may_book = booking is None and has_room and (actor is None or actor.role is Role.STUDENT)
    has_seat = booking is not None and booking.status is BookingStatus.CONFIRMED
    return {
        "can_join": is_open and (is_owner or has_seat or may_book),
        "is_expert": is_owner,
        "is_booked": booking is not None,
        "can_edit": is_owner and is_open,
        "can_start": is_owner and can_move(session, Status.ACTIVE),
        "can_end": is_owner and can_move(session, Status.ENDED),
    }


def session_view(session: Session, seats: int, actor: Actor | None, booking: Booking | None) -> SessionView:
    """`session` as `actor` sees it; `booking` is theirs, if it takes a seat."""
    return SessionView(**_listing(session, seats), **_for_caller(session, seats, actor, booking))


def session_detail(
    session: Session,
    seats: int,
    actor: Actor,
    booking: Booking | None,
    meeting: Meeting | None,
    now: datetime,
) -> SessionDetail:
    """`session` with what is `actor`'s own."""
    return SessionDetail(
        **_listing(session, seats),
        **_for_caller(session, seats, actor, booking),
        booking=None if booking is None else booking_view(booking, now),
        meeting=meeting,
    )


def _booking(booking: Booking, now: datetime) -> dict[str, Any]:
    return {
        "id": booking.id,
        "session_id": booking.session_id,
        "status": booking.status_at(now),
        "created_at": booking.created_at,
        "confirmed_at": booking.confirmed_at,
        "cancelled_at": booking.cancelled_at,
        "expires_at": booking.expires_at,
        "price": booking.price,
    }


def booking_view(booking: Booking, now: datetime) -> BookingView:
    """`booking` as the clock has it at `now`."""
    return BookingView(**_booking(booking, now))


def my_booking(booking: Booking, session: SessionView, now: datetime) -> MyBooking:
    """`booking` with its session."""
    return MyBooking(**_booking(booking, now), session=session)


def student_booking(booking: Booking, student: Person, now: datetime) -> StudentBooking:
    """`booking` with who holds it."""
    return StudentBooking(**_booking(booking, now), student=StudentView(id=student.id, name=student.name))


def present(someone: events.Present) -> PresentView:
    """A roster's line."""
    return PresentView(id=someone.id, name=someone.name, role=someone.role, joined_at=someone.joined_at)


def visit(stay: Visit) -> VisitView:
    """One stay."""
    return VisitView(joined_at=stay.joined_at, left_at=stay.left_at, reason=stay.reason)


def attendance_line(line: Attendance) -> AttendanceLine:
    """One person's attendance."""
    return AttendanceLine(
        id=line.person.id,
        name=line.person.name,
        role=line.person.role,
        seconds=round(line.total.seconds, 3),
        share=round(line.share, 4),
        first_joined_at=line.total.first_joined_at,
        last_left_at=line.total.last_left_at,
        visits=[visit(stay) for stay in line.visits],
    )


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, as in every JSON body."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
