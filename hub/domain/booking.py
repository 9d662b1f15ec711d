"""Seats: never more taken than there are, one live booking a person, holds that end by the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hub.domain.model import Booking, BookingStatus, LeaveReason, LiveSession, Status
from hub.domain.people import Actor, Role
from hub.errors import AlreadyBooked, BookingClosed, HoldExpired, NotBooked, SessionFull

BOOKABLE = frozenset({Status.SCHEDULED, Status.ACTIVE})


def has_room(live: LiveSession, now: datetime) -> bool:
    """Whether one more seat can be taken at `now`."""
    capacity = live.session.max_participants
    return capacity is None or live.seats_taken(now) < capacity


def is_overfull(live: LiveSession, now: datetime) -> bool:
    """Whether more seats are claimed at `now` than there are.

    So it looks to a call that arrived before a hold ended and is decided after the seat was given to another.
    """
    capacity = live.session.max_participants
    return capacity is not None and live.seats_taken(now) > capacity


def book(live: LiveSession, now: datetime, *, actor: Actor, booking_id: str, hold: timedelta) -> Booking:
    """Take a seat: confirmed at once when the session is free, else held for `hold` until it is paid."""
    actor.needs(Role.STUDENT)
    if live.session.status not in BOOKABLE:
        raise BookingClosed()
    mine = live.booking_of(actor.id)
    if mine is not None and not mine.lapsed(now):
        raise AlreadyBooked(booking=mine)
    if not has_room(live, now):
        raise SessionFull()
    if mine is not None:
        live.put_booking(replace(mine, status=BookingStatus.EXPIRED))
    live.meet(actor.person)
    price = live.session.price
    booking = Booking(
        id=booking_id,
        session_id=live.session.id,
        user_id=actor.id,
        status=BookingStatus.CONFIRMED if price is None else BookingStatus.PENDING,
        created_at=now,
        confirmed_at=now if price is None else None,
        expires_at=None if price is None else now + hold,
        price=price,
    )
    live.put_booking(booking)
    return booking


def cancel(live: LiveSession, now: datetime, *, actor: Actor) -> Booking:
    """Give the seat back; whoever sits on it leaves."""
    actor.needs(Role.STUDENT)
    mine = live.booking_of(actor.id)
    if mine is None:
        raise NotBooked()
    if mine.lapsed(now):
        raise HoldExpired()
    if live.session.status not in BOOKABLE:
        raise BookingClosed(f"The session is {live.session.status}: its bookings can't be cancelled any more.")
    return release(live, now, mine)


def release(live: LiveSession, now: datetime, booking: Booking) -> Booking:
    """Cancel `booking` and end the visits that rest on it."""
    cancelled = replace(booking, status=BookingStatus.CANCELLED, cancelled_at=now)
    live.put_booking(cancelled)
    for visit in live.visits_of(booking.user_id):
        live.put_visit(replace(visit, left_at=max(now, visit.joined_at), reason=LeaveReason.CANCELLED))
    return cancelled


def expire_holds(live: LiveSession, now: datetime) -> int:
    """Write down what the clock has already done; answers how many holds had run out."""
    lapsed = [hold for hold in live.holds() if hold.lapsed(now)]
    for hold in lapsed:
        live.put_booking(replace(hold, status=BookingStatus.EXPIRED))
    return len(lapsed)
