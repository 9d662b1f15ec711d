"""Sessions, people, bookings and visits with everything filled in that a test does not speak of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.model import Booking, BookingStatus, LiveSession, Price, RosterVisibility, Session, Status, Visit
from hub.domain.people import Actor, Role

NOW = datetime(2025, 8, 25, 12, 0, tzinfo=UTC)
STARTS = NOW + timedelta(hours=1)
HOLD = timedelta(minutes=15)
DOORS = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
PRICE = Price(1500, "KES")
OWNER = Actor("e-1", "Dr. Jane Smith", Role.EXPERT, NOW + timedelta(days=1))
STRANGER = Actor("e-2", "Dr. John Doe", Role.EXPERT, NOW + timedelta(days=1))


def a_student(user_id: str = "s-1") -> Actor:
    """Someone who may book."""
    return Actor(user_id, f"Student {user_id}", Role.STUDENT, NOW + timedelta(days=1))


def a_session(**values: Any) -> Session:
    """A free scheduled session with two seats, an hour from NOW; an active one began at its planned start."""
    defaults: dict[str, Any] = {
        "id": 1,
        "title": "Smart Farming",
        "description": "",
        "instructor": OWNER.name,
        "expert_id": OWNER.id,
        "course_id": None,
        "starts_at": STARTS,
        "duration_minutes": 60,
        "timezone": "Africa/Nairobi",
        "max_participants": 2,
        "price": None,
        "meeting_url": "https://meet.example/secret",
        "sealed_url": "sealed address",
        "sealed_password": "sealed",
        "roster_visibility": RosterVisibility.PARTICIPANTS,
        "status": Status.SCHEDULED,
        "created_at": NOW - timedelta(days=1),
    }
    if values.get("status") in (Status.ACTIVE, Status.ENDED):
        defaults["started_at"] = STARTS
    return Session(**(defaults | values))


def a_booking(user_id: str = "s-1", status: BookingStatus = BookingStatus.CONFIRMED, **values: Any) -> Booking:
    """A booking made at NOW under the id `b-<user>`; a pending one has a price and HOLD to be paid."""
    defaults: dict[str, Any] = {"id": f"b-{user_id}", "session_id": 1, "created_at": NOW}
    if status in (BookingStatus.PENDING, BookingStatus.EXPIRED):
        defaults |= {"expires_at": NOW + HOLD, "price": PRICE}
    if status is BookingStatus.CONFIRMED:
        defaults["confirmed_at"] = NOW
    if status is BookingStatus.CANCELLED:
        defaults["cancelled_at"] = NOW
    return Booking(user_id=user_id, status=status, **(defaults | values))


def a_visit(user_id: str = "s-1", visit_id: str = "v-1", **values: Any) -> Visit:
    """An open visit since NOW, on the connection `c-<visit>` of the process n-1."""
    defaults: dict[str, Any] = {"session_id": 1, "connection_id": f"c-{visit_id}", "node_id": "n-1", "joined_at": NOW}
    whole = defaults | values
    return Visit(id=visit_id, user_id=user_id, **({"present_since": whole["joined_at"]} | whole))


def gathered(
    session: Session,
    *,
    bookings: Iterable[Booking] = (),
    visits: Iterable[Visit] = (),
    about: Iterable[str] | None = None,
    **values: Any,
) -> LiveSession:
    """The aggregate as it is loaded, with the session's sums set to what its rows say."""
    bookings, visits = list(bookings), list(visits)
    session.confirmed = sum(booking.status is BookingStatus.CONFIRMED for booking in bookings)
    session.live = len({visit.user_id for visit in visits})
    session.peak_live = max(session.peak_live, session.live)
    return LiveSession.of(session, about=about, bookings=bookings, visits=visits, **values)
