"""What becomes of a seat when a provider speaks of money: every outcome, in any order, any number of times."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from hub.domain.model import Booking, BookingStatus, LeaveReason, LiveSession, Payment, Status
from hub.domain.payments import Outcome, PaymentType, settle
from tests.domain.factories import HOLD, NOW, PRICE, SECOND, a_booking, a_session, a_visit, gathered

PENDING, CONFIRMED = BookingStatus.PENDING, BookingStatus.CONFIRMED
EXPIRED, CANCELLED = BookingStatus.EXPIRED, BookingStatus.CANCELLED
SUCCEEDED, FAILED, REFUNDED = PaymentType.SUCCEEDED, PaymentType.FAILED, PaymentType.REFUNDED
LATE = NOW + HOLD


def a_payment(kind: PaymentType = SUCCEEDED, message: str = "m-1", **values: Any) -> Payment:
    defaults: dict[str, Any] = {"session_id": 1, "booking_id": "b-s-1", "amount": 1500, "currency": "KES"}
    defaults |= {"reference": "r-1", "received_at": NOW, "outcome": ""}
    return Payment(id=message, type=kind, **(defaults | values))


def said(live: LiveSession, *arguments: Any, now: datetime = NOW + SECOND, **values: Any) -> Outcome:
    return settle(live, now, payment=a_payment(*arguments, **values))


def a_paid_session(*bookings: Booking, **values: Any) -> LiveSession:
    return gathered(a_session(**({"price": PRICE, "max_participants": 1} | values)), bookings=bookings)


def test_money_in_time_confirms_the_seat() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    assert said(live) is Outcome.CONFIRMED
    paid = live.bookings["b-s-1"]
    assert (paid.status, paid.confirmed_at, paid.expires_at) == (CONFIRMED, NOW + SECOND, None)
    assert (live.session.confirmed, live.seats_taken(LATE), live.session.revision) == (1, 1, 2)


def test_what_was_said_is_recorded_with_its_outcome_and_instant() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    said(live)
    assert live.payments["m-1"] == a_payment(outcome=Outcome.CONFIRMED, received_at=NOW + SECOND)
    assert live.touched_payments == {"m-1"}


def test_an_active_session_still_takes_money() -> None:
    assert said(a_paid_session(a_booking(status=PENDING), status=Status.ACTIVE)) is Outcome.CONFIRMED


@pytest.mark.parametrize(("message", "reference"), [("m-1", "r-1"), ("m-1", "r-2"), ("m-2", "r-1")])
def test_the_same_message_or_the_same_payment_again_changes_nothing(message: str, reference: str) -> None:
    first = a_payment(outcome=Outcome.CONFIRMED)
    live = gathered(a_session(price=PRICE), bookings=[a_booking(price=PRICE)], payments=[first])
    assert said(live, message=message, reference=reference) is Outcome.REPEATED
    assert (live.dirty, live.payments) == (False, {"m-1": first})


def test_money_for_no_known_booking_is_ignored_and_not_recorded() -> None:
    live = a_paid_session()
    assert (said(live), live.dirty) == (Outcome.IGNORED, False)


@pytest.mark.parametrize("wrong", [{"amount": 1499}, {"amount": 1501}, {"currency": "USD"}])
def test_a_wrong_amount_buys_nothing_and_is_owed_back(wrong: dict[str, Any]) -> None:
    live = a_paid_session(a_booking(status=PENDING))
    assert said(live, **wrong) is Outcome.REFUND_REQUIRED
    assert (live.bookings["b-s-1"].status, live.changed, live.dirty) == (PENDING, False, True)
    assert said(live, message="m-2", reference="r-2") is Outcome.CONFIRMED


def test_money_for_a_free_seat_is_owed_back() -> None:
    assert said(gathered(a_session(), bookings=[a_booking()])) is Outcome.REFUND_REQUIRED


@pytest.mark.parametrize("status", [PENDING, EXPIRED])
def test_late_money_takes_a_seat_that_is_still_free(status: BookingStatus) -> None:
    live = a_paid_session(a_booking(status=status))
    assert said(live, now=LATE) is Outcome.CONFIRMED
    assert (live.bookings["b-s-1"].status, live.session.confirmed, live.seats_taken(LATE)) == (CONFIRMED, 1, 1)
    assert live.booking_of("s-1") == live.bookings["b-s-1"]


@pytest.mark.parametrize("status", [PENDING, EXPIRED])
@pytest.mark.parametrize("taken_by", [PENDING, CONFIRMED])
def test_late_money_without_a_free_seat_is_owed_back(status: BookingStatus, taken_by: BookingStatus) -> None:
    mine = a_booking(status=status)
    live = a_paid_session(mine, a_booking("s-2", taken_by, expires_at=LATE + HOLD))
    assert said(live, now=LATE) is Outcome.REFUND_REQUIRED
    assert (live.bookings[mine.id], live.changed) == (mine, False)


def test_money_that_set_out_in_time_buys_no_seat_that_another_took_meanwhile() -> None:
    """Another process's clock saw the hold end and gave the seat away; this call arrived before and waited."""
    mine, theirs = a_booking(status=PENDING), a_booking("s-2", created_at=LATE, confirmed_at=LATE)
    live = a_paid_session(mine, theirs)
    assert said(live, now=LATE - SECOND) is Outcome.REFUND_REQUIRED
    assert (live.session.confirmed, live.bookings[mine.id]) == (1, mine)


def test_late_money_gives_way_to_the_newer_booking_of_the_same_person() -> None:
    newer = a_booking(status=PENDING, id="newer", expires_at=LATE + HOLD)
    live = a_paid_session(a_booking(status=EXPIRED), newer, max_participants=9)
    assert said(live, now=LATE) is Outcome.REFUND_REQUIRED
    assert live.booking_of("s-1") == newer


def test_late_money_revives_the_old_booking_when_the_newer_hold_ran_out_too() -> None:
    newer = a_booking(status=PENDING, id="newer", expires_at=LATE)
    live = a_paid_session(a_booking(status=EXPIRED), newer)
    assert said(live, now=LATE) is Outcome.CONFIRMED
    assert (live.bookings["newer"].status, live.booking_of("s-1")) == (EXPIRED, live.bookings["b-s-1"])
    assert (live.seats_taken(LATE), live.holds()) == (1, [])


def test_a_seat_that_is_paid_twice_keeps_its_first_money_and_owes_the_second() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    assert said(live) is Outcome.CONFIRMED
    assert said(live, message="m-2", reference="r-2") is Outcome.REFUND_REQUIRED
    assert said(live, REFUNDED, message="m-3", reference="r-2") is Outcome.REFUNDED
    assert (live.bookings["b-s-1"].status, live.session.confirmed) == (CONFIRMED, 1)


def test_refunding_the_money_that_bought_the_seat_takes_it_back_though_it_was_paid_twice() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    said(live)
    said(live, message="m-2", reference="r-2")
    assert said(live, REFUNDED, message="m-3", reference="r-1") is Outcome.REFUNDED
    assert (live.bookings["b-s-1"].status, live.session.confirmed) == (CANCELLED, 0)


def test_money_for_a_cancelled_booking_is_owed_back_and_its_refund_settles_it() -> None:
    live = a_paid_session(a_booking(status=CANCELLED, price=PRICE))
    assert said(live) is Outcome.REFUND_REQUIRED
    assert said(live, REFUNDED, message="m-2") is Outcome.REFUNDED
    assert (live.bookings["b-s-1"].status, live.changed) == (CANCELLED, False)


@pytest.mark.parametrize("status", [Status.ENDED, Status.CANCELLED])
def test_money_for_a_session_that_is_over_is_owed_back(status: Status) -> None:
    assert said(a_paid_session(a_booking(status=PENDING), status=status)) is Outcome.REFUND_REQUIRED


def test_a_failed_payment_gives_the_held_seat_back() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    assert said(live, FAILED) is Outcome.RELEASED
    released = live.bookings["b-s-1"]
    assert (released.status, released.cancelled_at, live.seats_taken(NOW)) == (CANCELLED, NOW + SECOND, 0)


@pytest.mark.parametrize("status", [CONFIRMED, CANCELLED, EXPIRED])
def test_a_failure_said_of_anything_but_a_hold_is_old_news(status: BookingStatus) -> None:
    mine = a_booking(status=status, price=PRICE)
    live = a_paid_session(mine)
    assert said(live, FAILED) is Outcome.IGNORED
    assert (live.bookings[mine.id], live.changed) == (mine, False)


def test_a_failure_after_the_hold_ended_changes_nothing() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    assert (said(live, FAILED, now=LATE), live.changed) == (Outcome.IGNORED, False)


def test_a_failure_that_arrives_after_the_success_takes_nothing_away() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    assert (said(live), said(live, FAILED, message="m-2")) == (Outcome.CONFIRMED, Outcome.IGNORED)
    assert live.session.confirmed == 1


def test_a_refund_takes_the_seat_back_and_whoever_sits_on_it_leaves() -> None:
    paid = a_payment(outcome=Outcome.CONFIRMED)
    live = gathered(a_session(price=PRICE), bookings=[a_booking(price=PRICE)], visits=[a_visit()], payments=[paid])
    assert said(live, REFUNDED, message="m-2") is Outcome.REFUNDED
    assert (live.bookings["b-s-1"].status, live.session.confirmed, live.session.live) == (CANCELLED, 0, 0)
    assert live.visits["v-1"].reason is LeaveReason.CANCELLED


@pytest.mark.parametrize("status", [PENDING, CANCELLED, EXPIRED])
def test_a_refund_of_money_that_never_came_is_ignored(status: BookingStatus) -> None:
    mine = a_booking(status=status, price=PRICE)
    live = a_paid_session(mine)
    assert said(live, REFUNDED) is Outcome.IGNORED
    assert (live.bookings[mine.id], live.changed) == (mine, False)


def test_money_that_was_refunded_before_its_success_was_heard_of_buys_no_seat() -> None:
    """Webhooks keep no order: a success that is delivered again after an outage can come behind its refund."""
    live = a_paid_session(a_booking(status=PENDING))
    assert said(live, REFUNDED, message="m-2") is Outcome.IGNORED
    assert said(live, SUCCEEDED, message="m-1") is Outcome.IGNORED
    assert (live.bookings["b-s-1"].status, live.changed) == (PENDING, False)
    assert said(live, SUCCEEDED, message="m-3", reference="r-2") is Outcome.CONFIRMED


def test_a_second_charge_that_is_refunded_before_it_is_heard_of_leaves_the_paid_seat_alone() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    said(live)
    assert said(live, REFUNDED, message="m-2", reference="r-2") is Outcome.IGNORED
    assert live.payments["m-2"].outcome == Outcome.IGNORED
    assert said(live, message="m-3", reference="r-2") is Outcome.IGNORED
    assert (live.bookings["b-s-1"].status, live.session.confirmed) == (CONFIRMED, 1)
    assert said(live, REFUNDED, message="m-4") is Outcome.REFUNDED
    assert (live.bookings["b-s-1"].status, live.session.confirmed) == (CANCELLED, 0)


@pytest.mark.parametrize("part", [{"amount": 1499}, {"amount": 1}, {"currency": "USD"}])
def test_a_refund_of_a_part_is_recorded_and_leaves_the_seat(part: dict[str, Any]) -> None:
    live = a_paid_session(a_booking(status=PENDING))
    said(live)
    assert said(live, REFUNDED, message="m-2", **part) is Outcome.IGNORED
    assert (live.bookings["b-s-1"].status, live.payments["m-2"].outcome) == (CONFIRMED, Outcome.IGNORED)
    assert said(live, REFUNDED, message="m-3", **part) is Outcome.REPEATED
    assert said(live, REFUNDED, message="m-4") is Outcome.REFUNDED
    assert (live.bookings["b-s-1"].status, live.session.confirmed) == (CANCELLED, 0)


def test_money_of_which_a_part_was_refunded_before_its_success_was_heard_of_still_buys_the_seat() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    assert said(live, REFUNDED, message="m-1", amount=500) is Outcome.IGNORED
    assert said(live, SUCCEEDED, message="m-2") is Outcome.CONFIRMED


def test_a_free_seat_is_not_lost_by_a_refund() -> None:
    live = gathered(a_session(), bookings=[a_booking()])
    assert (said(live, REFUNDED), live.session.confirmed) == (Outcome.IGNORED, 1)


def test_a_kind_of_message_that_is_not_known_changes_nothing() -> None:
    live = a_paid_session(a_booking(status=PENDING))
    unknown = Payment(**{name: getattr(a_payment(), name) for name in Payment.__dataclass_fields__} | {"type": "x"})
    with pytest.raises(ValueError, match="x"):
        settle(live, NOW, payment=unknown)
    assert not live.dirty
