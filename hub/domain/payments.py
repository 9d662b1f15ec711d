"""What a payment provider says about money, and what follows for the seat. Saying it twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from hub.domain.booking import BOOKABLE, has_room, is_overfull, release
from hub.domain.model import Booking, BookingStatus, LiveSession, Payment, Price


class PaymentType(StrEnum):
    """What happened to the money."""

    SUCCEEDED = "payment.succeeded"
    FAILED = "payment.failed"
    REFUNDED = "payment.refunded"


class Outcome(StrEnum):
    """What the hub made of it."""

    CONFIRMED = "confirmed"
    RELEASED = "released"
    REFUNDED = "refunded"
    REPEATED = "repeated"
    IGNORED = "ignored"
    REFUND_REQUIRED = "refund_required"


def settle(live: LiveSession, now: datetime, *, payment: Payment) -> Outcome:
    """Apply one provider message to its booking; `payment.outcome` is filled in here and recorded."""
    booking = live.bookings.get(payment.booking_id)
    if payment.id in live.payments or _said_before(live, payment):
        return Outcome.REPEATED
    if booking is None:
        return Outcome.IGNORED
    settlers = {
        PaymentType.SUCCEEDED: _succeeded,
        PaymentType.FAILED: _failed,
        PaymentType.REFUNDED: _refunded,
    }
    outcome = settlers[PaymentType(payment.type)](live, now, booking, payment)
    live.put_payment(replace(payment, outcome=outcome, received_at=now))
    return outcome


def _said_before(live: LiveSession, payment: Payment) -> bool:
    """Whether this was said under another id. A payment may be refunded in parts: another amount is another refund."""
    return any(
        known.type == payment.type and (known.type != PaymentType.REFUNDED or _money(known) == _money(payment))
        for known in _said_of(live, payment)
    )


def _said_of(live: LiveSession, payment: Payment) -> Iterator[Payment]:
    """What was said of the same money before."""
    for known in live.payments.values():
        if (known.booking_id, known.reference) == (payment.booking_id, payment.reference):
            yield known


def _money(payment: Payment) -> Price:
    return Price(payment.amount, payment.currency)


def _succeeded(live: LiveSession, now: datetime, booking: Booking, payment: Payment) -> Outcome:
    """Confirm the seat it pays for; late money does so too while a seat is free and the person has no other."""
    if _gone_back(live, payment):
        return Outcome.IGNORED
    late = booking.lapsed(now) or booking.status is BookingStatus.EXPIRED
    other = live.booking_of(booking.user_id)
    payable = (
        live.session.status in BOOKABLE
        and booking.price == _money(payment)
        and (booking.status is BookingStatus.PENDING or late)
        and (other is None or other.id == booking.id or other.lapsed(now))
        and (has_room(live, now) if late else not is_overfull(live, now))
    )
    if not payable:
        return Outcome.REFUND_REQUIRED
    if other is not None and other.id != booking.id:
        live.put_booking(replace(other, status=BookingStatus.EXPIRED))
    live.put_booking(replace(booking, status=BookingStatus.CONFIRMED, confirmed_at=now, expires_at=None))
    return Outcome.CONFIRMED


def _gone_back(live: LiveSession, payment: Payment) -> bool:
    """Whether all of this money was refunded before we heard that it came: webhooks keep no order."""
    return any(
        known.type == PaymentType.REFUNDED and _money(known) == _money(payment) for known in _said_of(live, payment)
    )


def _failed(live: LiveSession, now: datetime, booking: Booking, payment: Payment) -> Outcome:
    """Give up the hold; a failure said of anything else is old news."""
    if booking.status is BookingStatus.PENDING and not booking.lapsed(now):
        release(live, now, booking)
        return Outcome.RELEASED
    return Outcome.IGNORED


def _refunded(live: LiveSession, now: datetime, booking: Booking, payment: Payment) -> Outcome:
    """Take the seat back with all of the money that bought it; what is said of other money leaves it alone."""
    paid = next((known for known in _said_of(live, payment) if known.type == PaymentType.SUCCEEDED), None)
    if paid is None or paid.outcome == Outcome.IGNORED:
        return Outcome.IGNORED
    if paid.outcome == Outcome.CONFIRMED:
        if _money(payment) != _money(paid):
            return Outcome.IGNORED
        if booking.status is BookingStatus.CONFIRMED:
            release(live, now, booking)
    return Outcome.REFUNDED
