"""Rows to the domain's values and back. Column names are the field names, but for prices and enums."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hub.domain.attendance import Total
from hub.domain.model import (
    Booking,
    BookingStatus,
    LeaveReason,
    Payment,
    Price,
    RosterVisibility,
    Session,
    Status,
    Visit,
)
from hub.domain.people import Person, Role

type_of_row = Row[Any]


def price_of(row: type_of_row) -> Price | None:
    """The price in a row with price_amount and price_currency."""
    return None if row.price_amount is None else Price(row.price_amount, row.price_currency)


def session_of(row: type_of_row) -> Session:
    """A row of live_sessions."""
    return Session(
        id=row.id,
        title=row.title,
        description=row.description,
        instructor=row.instructor,
        expert_id=row.expert_id,
        course_id=row.course_id,
        starts_at=row.starts_at,
        duration_minutes=row.duration_minutes,
        timezone=row.timezone,
        max_participants=row.max_participants,
        price=price_of(row),
        meeting_url=row.meeting_url,
        sealed_url=row.sealed_url,
        sealed_password=row.sealed_password,
        roster_visibility=RosterVisibility(row.roster_visibility),
        status=Status(row.status),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        confirmed=row.confirmed,
        live=row.live,
        peak_live=row.peak_live,
        version=row.version,
        revision=row.revision,
    )


def session_values(session: Session) -> dict[str, Any]:
    """What a row of live_sessions holds for `session`, without its id."""
    price = session.price
    return {
        "title": session.title,
        "description": session.description,
        "instructor": session.instructor,
        "expert_id": session.expert_id,
        "course_id": session.course_id,
        "starts_at": session.starts_at,
        "duration_minutes": session.duration_minutes,
        "timezone": session.timezone,
        "max_participants": session.max_participants,
        "price_amount": price and price.amount,
        "price_currency": price and price.currency,
        "meeting_url": session.meeting_url,
        "sealed_url": session.sealed_url,
        "sealed_password": session.sealed_password,
        "roster_visibility": session.roster_visibility.value,
        "status": session.status.value,
        "created_at": session.created_at,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        **counters(session),
    }


def counters(session: Session) -> dict[str, Any]:
    """The part of a session's row that bookings and presence move."""
    return {
        "confirmed": session.confirmed,
        "live": session.live,
        "peak_live": session.peak_live,
        "version": session.version,
        "revision": session.revision,
    }


def booking_of(row: type_of_row) -> Booking:
    """A row of session_bookings."""
    return Booking(
        id=row.id,
        session_id=row.session_id,
        user_id=row.user_id,
        status=BookingStatus(row.status),
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
        cancelled_at=row.cancelled_at,
        expires_at=row.expires_at,
        price=price_of(row),
    )


def booking_values(booking: Booking) -> dict[str, Any]:
    """What a row of session_bookings holds."""
    price = booking.price
    return {
        "id": booking.id,
        "session_id": booking.session_id,
        "user_id": booking.user_id,
        "status": booking.status.value,
        "created_at": booking.created_at,
        "confirmed_at": booking.confirmed_at,
        "cancelled_at": booking.cancelled_at,
        "expires_at": booking.expires_at,
        "price_amount": price and price.amount,
        "price_currency": price and price.currency,
    }


def visit_of(row: type_of_row) -> Visit:
    """A row of session_participants."""
    return Visit(
        id=row.id,
        session_id=row.session_id,
        user_id=row.user_id,
        connection_id=row.connection_id,
        node_id=row.node_id,
        joined_at=row.joined_at,
        present_since=row.present_since,
        left_at=row.left_at,
        reason=None if row.reason is None else LeaveReason(row.reason),
        dropped_at=row.dropped_at,
    )


def visit_values(visit: Visit) -> dict[str, Any]:
    """What a row of session_participants holds."""
    return {
        "id": visit.id,
        "session_id": visit.session_id,
        "user_id": visit.user_id,
        "connection_id": visit.connection_id,
        "node_id": visit.node_id,
        "joined_at": visit.joined_at,
        "present_since": visit.present_since,
        "left_at": visit.left_at,
        "reason": visit.reason and visit.reason.value,
        "dropped_at": visit.dropped_at,
    }


def total_of(row: type_of_row) -> Total:
    """A row of attendance_totals, whose session and person are known."""
    return Total(row.seconds, row.first_joined_at, row.last_left_at)


def total_values(session_id: int, user_id: str, total: Total) -> dict[str, Any]:
    """What a row of attendance_totals holds."""
    return {
        "session_id": session_id,
        "user_id": user_id,
        "seconds": total.seconds,
        "first_joined_at": total.first_joined_at,
        "last_left_at": total.last_left_at,
    }


def person_values(person: Person) -> dict[str, Any]:
    """What a row of users holds."""
    return {"id": person.id, "name": person.name, "role": person.role.value}


def person_of(user_id: str, name: str, role: str) -> Person:
    """A person from the columns of users."""
    return Person(user_id, name, Role(role))


def payment_of(row: type_of_row) -> Payment:
    """A row of session_payments."""
    return Payment(**row._mapping)


def payment_values(payment: Payment) -> dict[str, Any]:
    """What a row of session_payments holds."""
    return {name: getattr(payment, name) for name in Payment.__dataclass_fields__}
