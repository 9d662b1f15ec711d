"""What a payment provider says about money, and what follows for the seat. Saying it twice changes nothing."""

from __future__ import annotations

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
    return any(
        (known.booking_id, known.type, known.reference) == (payment.booking_id, payment.type, payment.reference)
        for known in live.payments.values()
    )


def _succeeded(live: LiveSession, now: datetime, booking: Booking, payment: Payment) -> Outcome:
    """Confirm the seat it pays for; late money does so too while a seat is free and the person has no other."""
    if _gone_back(live, payment):
        return Outcome.IGNORED
    late = booking.lapsed(now) or booking.status is BookingStatus.EXPIRED
    other = live.booking_of(booking.user_id)
    payable = (
        live.session.status in BOOKABLE
        and booking.price == Price(payment.amount, payment.currency)
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
    """Whether this money was refunded before we heard that it came: webhooks keep no order."""
    return any(
        (known.booking_id, known.type, known.reference) == (payment.booking_id, PaymentType.REFUNDED, payment.reference)
        for known in live.payments.values()
    )


def _failed(live: LiveSession, now: datetime, booking: Booking, payment: Payment) -> Outcome:
    """Give up the hold; a failure said of anything else is old news."""
    if booking.status is BookingStatus.PENDING and not booking.lapsed(now):
        release(live, now, booking)
        return Outcome.RELEASED
    return Outcome.IGNORED


def _refunded(live: LiveSession, now: datetime, booking: Booking, payment: Payment) -> Outcome:
    """Take the seat back with the money; money that never bought a seat is simply settled."""
    if booking.status is BookingStatus.CONFIRMED and booking.price is not None:
        if _paid_by_another(live, booking, payment):
            return Outcome.REFUNDED
        release(live, now, booking)
        return Outcome.REFUNDED
    owed = any(
        known.booking_id == booking.id and known.type == PaymentType.SUCCEEDED for known in live.payments.values()
    )
    return Outcome.REFUNDED if owed else Outcome.IGNORED


def _paid_by_another(live: LiveSession, booking: Booking, payment: Payment) -> bool:
    """Whether the refund is of money that was sent twice: the seat stays with the payment that bought it."""
    return any(
        known.booking_id == booking.id
        and known.reference == payment.reference
        and known.outcome == Outcome.REFUND_REQUIRED
        for known in live.payments.values()
    )
