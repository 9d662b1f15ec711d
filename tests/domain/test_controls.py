"""Negative controls: a protection is taken away, and the checks that guard it must fail. Else they prove nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from hub.domain import booking, payments, presence
from hub.domain.model import LeaveReason, LiveSession, Payment, Price
from hub.domain.payments import Outcome, PaymentType
from hub.errors import SessionFull
from tests.domain.factories import DOORS, HOLD, NOW, PRICE, SECOND, STARTS, a_session, a_student
from tests.domain.rows import Call, Rows, check_one_live_booking, check_presence, check_seats
from tests.domain.test_machine import OneSession


def a_story(*calls: Call, capacity: int = 1, price: Price | None = None) -> tuple[Rows, list[Any]]:
    """Rows after each of `calls` was committed alone, and what they got."""
    rows = Rows(a_session(max_participants=capacity, price=price), NOW)
    return rows, [rows.commit([call])[0][0] for call in calls]


def booked(user_id: str, booking_id: str, now: datetime = NOW) -> Call:
    told = partial(booking.book, actor=a_student(user_id), booking_id=booking_id, hold=HOLD)
    return Call(told, now, frozenset({user_id}))


def paid(user_id: str, booking_id: str, now: datetime) -> Call:
    payment = Payment(
        id=f"m-{booking_id}",
        session_id=1,
        booking_id=booking_id,
        type=PaymentType.SUCCEEDED,
        amount=PRICE.amount,
        currency=PRICE.currency,
        reference="r-1",
        received_at=now,
        outcome="",
    )
    return Call(partial(payments.settle, payment=payment), now, frozenset({user_id}), bookings=(booking_id,))


TWO_FOR_ONE_SEAT = (booked("s-1", "b-1"), booked("s-2", "b-2"))
PAID_IN_TIME_BUT_OVERTAKEN = (
    booked("s-1", "b-1"),
    booked("s-2", "b-2", NOW + HOLD),
    paid("s-1", "b-1", NOW + HOLD - SECOND),
)
PAID_TOO_LATE = (*PAID_IN_TIME_BUT_OVERTAKEN[:2], paid("s-1", "b-1", NOW + HOLD))
TWICE_THE_SAME_PERSON = (booked("s-1", "b-1"), booked("s-1", "b-2"))


def always(answer: Any) -> Any:
    """A protection that was taken away: whatever it is asked, it answers the same."""
    return lambda *_: answer


def test_with_its_protections_each_story_keeps_its_seats() -> None:
    rows, got = a_story(*TWO_FOR_ONE_SEAT)
    check_seats(rows, NOW)
    assert isinstance(got[1], SessionFull)
    rows, got = a_story(*PAID_IN_TIME_BUT_OVERTAKEN, price=PRICE)
    check_seats(rows, NOW + HOLD)
    assert got[2] is Outcome.REFUND_REQUIRED
    rows, got = a_story(*PAID_TOO_LATE, price=PRICE)
    check_seats(rows, NOW + HOLD)
    assert got[2] is Outcome.REFUND_REQUIRED
    rows, _ = a_story(*TWICE_THE_SAME_PERSON, capacity=2)
    check_one_live_booking(rows)


def test_control_without_room_being_asked_for_the_check_finds_a_seat_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "has_room", always(True))
    rows, _ = a_story(*TWO_FOR_ONE_SEAT)
    with pytest.raises(AssertionError, match="more seats are taken"):
        check_seats(rows, NOW)


def test_control_without_looking_who_overtook_the_check_finds_a_seat_sold_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(payments, "is_overfull", always(False))
    rows, _ = a_story(*PAID_IN_TIME_BUT_OVERTAKEN, price=PRICE)
    with pytest.raises(AssertionError, match="more seats are taken"):
        check_seats(rows, NOW + HOLD)


def test_control_without_looking_for_the_first_booking_the_check_finds_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveSession, "booking_of", always(None))
    rows, _ = a_story(*TWICE_THE_SAME_PERSON, capacity=2)
    with pytest.raises(AssertionError, match="two live bookings"):
        check_one_live_booking(rows)


def test_control_late_money_that_asks_for_no_room_is_found_to_take_another_seat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(payments, "has_room", always(True))
    rows, _ = a_story(*PAID_TOO_LATE, price=PRICE)
    with pytest.raises(AssertionError, match="more seats are taken"):
        check_seats(rows, NOW + HOLD)


def test_control_the_machine_finds_the_breach_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "has_room", always(True))
    search = settings(OneSession.TestCase.settings, phases=[Phase.generate], database=None, derandomize=True)
    with pytest.raises(AssertionError, match="more seats are taken"):
        run_state_machine_as_test(OneSession, settings=settings(search, report_multiple_bugs=False))


def late_clean_up_keeps_the_newer_connection() -> None:
    """A connection is replaced by a newer one, and cleaned up when its grace is over."""
    rows, _ = a_story(booked("s-1", "b-1"))
    for number in (1, 2):
        told = partial(
            presence.join,
            actor=a_student("s-1"),
            visit_id=f"v-{number}",
            connection_id=f"c-{number}",
            node_id="A",
            doors=DOORS,
        )
        rows.commit([Call(told, STARTS, frozenset({"s-1"}))])
    cleaned = partial(presence.leave, visit_id="v-1", at=STARTS, reason=LeaveReason.DISCONNECTED)
    rows.commit([Call(cleaned, STARTS + 10 * SECOND, frozenset({"s-1"}))])
    check_presence(rows)
    assert [visit.id for visit in rows.open_visits()] == ["v-2"], "the newer connection was removed"


def test_a_late_clean_up_keeps_the_newer_connection_over_commits() -> None:
    late_clean_up_keeps_the_newer_connection()


def test_control_a_clean_up_by_person_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_person(live: LiveSession, now: datetime, *, visit_id: str, at: datetime, reason: LeaveReason) -> None:
        for visit in live.visits_of(live.visits[visit_id].user_id):
            live.put_visit(replace(visit, left_at=max(at, visit.joined_at), reason=reason))

    monkeypatch.setattr(presence, "leave", by_person)
    with pytest.raises(AssertionError, match="the newer connection was removed"):
        late_clean_up_keeps_the_newer_connection()


@pytest.mark.parametrize("counting", ["touch", "set_live"])
def test_control_a_change_that_is_not_counted_is_found_out(monkeypatch: pytest.MonkeyPatch, counting: str) -> None:
    monkeypatch.setattr(LiveSession, counting, always(None))
    with pytest.raises(AssertionError):
        late_clean_up_keeps_the_newer_connection()
