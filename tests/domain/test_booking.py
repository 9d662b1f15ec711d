"""Seats: who gets one, when there is none, how it is given back, and holds that end by the clock alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub.domain import booking, sessions
from hub.domain.model import Booking, BookingStatus, LeaveReason, LiveSession, Status
from hub.errors import AlreadyBooked, BookingClosed, Forbidden, HoldExpired, NotBooked, SessionFull
from tests.domain.factories import HOLD, NOW, OWNER, PRICE, SECOND, a_booking, a_session, a_student, a_visit, gathered

PENDING, CONFIRMED = BookingStatus.PENDING, BookingStatus.CONFIRMED


def book(live: LiveSession, user_id: str = "s-1", now: datetime = NOW, booking_id: str = "new") -> Booking:
    return booking.book(live, now, actor=a_student(user_id), booking_id=booking_id, hold=HOLD)


def test_a_free_seat_is_confirmed_at_once() -> None:
    live = gathered(a_session())
    made = book(live)
    assert made == Booking(id="new", session_id=1, user_id="s-1", status=CONFIRMED, created_at=NOW, confirmed_at=NOW)
    assert (live.session.confirmed, live.seats_taken(NOW), live.session.revision) == (1, 1, 2)
    assert live.people["s-1"] == a_student().person


def test_a_paid_seat_is_held_until_the_hold_ends_at_the_price_it_had() -> None:
    live = gathered(a_session(price=PRICE))
    made = book(live)
    assert (made.status, made.expires_at, made.confirmed_at, made.price) == (PENDING, NOW + HOLD, None, PRICE)
    assert (live.session.confirmed, live.seats_taken(NOW)) == (0, 1)


def test_a_later_price_does_not_change_the_booking() -> None:
    live = gathered(a_session(price=PRICE))
    book(live)
    sessions.edit(live, NOW, actor=OWNER, changes={"price": None})
    assert live.bookings["new"].price == PRICE


@pytest.mark.parametrize("status", list(Status))
def test_seats_are_booked_while_scheduled_or_active(status: Status) -> None:
    live = gathered(a_session(status=status))
    if status in (Status.SCHEDULED, Status.ACTIVE):
        assert book(live).status is CONFIRMED
    else:
        with pytest.raises(BookingClosed):
            book(live)
        assert not live.dirty


def test_experts_book_no_seats_and_cancel_none() -> None:
    live = gathered(a_session())
    with pytest.raises(Forbidden):
        booking.book(live, NOW, actor=OWNER, booking_id="new", hold=HOLD)
    with pytest.raises(Forbidden):
        booking.cancel(live, NOW, actor=OWNER)


@pytest.mark.parametrize("status", [PENDING, CONFIRMED])
def test_a_second_booking_of_the_same_person_is_refused_and_shows_the_first(status: BookingStatus) -> None:
    mine = a_booking(status=status)
    live = gathered(a_session(), bookings=[mine])
    with pytest.raises(AlreadyBooked) as refusal:
        book(live)
    assert (refusal.value.members, live.dirty) == ({"booking": mine}, False)


def test_who_is_booked_hears_so_even_when_the_session_is_full() -> None:
    with pytest.raises(AlreadyBooked):
        book(gathered(a_session(max_participants=1), bookings=[a_booking()]))


def test_the_last_seat_is_given_and_no_seat_after_it() -> None:
    live = gathered(a_session(max_participants=2), bookings=[a_booking("s-9")])
    book(live, "s-1", booking_id="first")
    with pytest.raises(SessionFull):
        book(live, "s-2", booking_id="second")
    assert (live.session.confirmed, set(live.bookings)) == (2, {"b-s-9", "first"})


def test_without_a_limit_there_is_always_room() -> None:
    live = gathered(a_session(max_participants=None))
    for number in range(100):
        book(live, f"s-{number}", booking_id=f"b-{number}")
    assert live.session.confirmed == 100


def test_a_hold_keeps_its_seat_until_the_instant_before_it_ends() -> None:
    live = gathered(a_session(max_participants=1), bookings=[a_booking("s-2", PENDING)])
    with pytest.raises(SessionFull):
        book(live, now=NOW + HOLD - timedelta(microseconds=1))


def test_at_exactly_expires_at_the_seat_is_free_without_any_sweep() -> None:
    held = a_booking("s-2", PENDING)
    live = gathered(a_session(max_participants=1), bookings=[held])
    assert (live.seats_taken(NOW + HOLD), held.status_at(NOW + HOLD)) == (0, BookingStatus.EXPIRED)
    assert book(live, now=NOW + HOLD).status is CONFIRMED
    assert live.bookings[held.id] == held


def test_holds_of_people_who_are_not_concerned_are_counted_too() -> None:
    held = a_booking("s-2", PENDING)
    live = gathered(a_session(max_participants=1), bookings=[held], about=["s-1"])
    with pytest.raises(SessionFull):
        book(live)


def test_whose_own_hold_ran_out_books_again_and_the_old_one_is_written_off() -> None:
    live = gathered(a_session(max_participants=1, price=PRICE), bookings=[a_booking(status=PENDING)])
    again = book(live, now=NOW + HOLD)
    assert (again.status, again.expires_at) == (PENDING, NOW + HOLD + HOLD)
    assert live.bookings["b-s-1"].status is BookingStatus.EXPIRED
    assert live.booking_of("s-1") == again
    assert live.seats_taken(NOW + HOLD) == 1


@pytest.mark.parametrize("status", [PENDING, CONFIRMED])
def test_a_cancelled_seat_is_free_at_once(status: BookingStatus) -> None:
    live = gathered(a_session(max_participants=1), bookings=[a_booking(status=status)])
    cancelled = booking.cancel(live, NOW + SECOND, actor=a_student())
    assert (cancelled.status, cancelled.cancelled_at) == (BookingStatus.CANCELLED, NOW + SECOND)
    assert (live.seats_taken(NOW + SECOND), live.session.confirmed, live.session.revision) == (0, 0, 2)
    assert book(live, "s-2", NOW + SECOND).status is CONFIRMED
    with pytest.raises(NotBooked):
        booking.cancel(live, NOW + SECOND, actor=a_student())


def test_whoever_gives_the_seat_back_leaves_with_every_connection_and_nobody_else_does() -> None:
    visits = [a_visit("s-1", "v-1"), a_visit("s-1", "v-2", joined_at=NOW + HOLD), a_visit("s-2", "v-3")]
    live = gathered(a_session(), bookings=[a_booking("s-1"), a_booking("s-2")], visits=visits)
    booking.cancel(live, NOW + SECOND, actor=a_student())
    assert {visit.id: (visit.left_at, visit.reason) for visit in live.visits.values()} == {
        "v-1": (NOW + SECOND, LeaveReason.CANCELLED),
        "v-2": (NOW + HOLD, LeaveReason.CANCELLED),
        "v-3": (None, None),
    }
    assert live.session.live == 1


def test_there_is_nothing_to_cancel_without_a_booking() -> None:
    with pytest.raises(NotBooked):
        booking.cancel(gathered(a_session()), NOW, actor=a_student())


def test_a_hold_that_ran_out_can_not_be_cancelled() -> None:
    live = gathered(a_session(), bookings=[a_booking(status=PENDING)])
    with pytest.raises(HoldExpired):
        booking.cancel(live, NOW + HOLD, actor=a_student())
    assert not live.dirty


def test_a_seat_of_a_session_that_ended_is_not_given_back() -> None:
    live = gathered(a_session(status=Status.ENDED), bookings=[a_booking()])
    with pytest.raises(BookingClosed, match="ended"):
        booking.cancel(live, NOW, actor=a_student())


def test_the_sweep_writes_down_what_the_clock_has_done_and_frees_nothing_more() -> None:
    early, late = a_booking("s-1", PENDING), a_booking("s-2", PENDING, expires_at=NOW + HOLD + SECOND)
    live = gathered(a_session(), bookings=[early, late], about=[])
    before = live.seats_taken(NOW + HOLD)
    assert booking.expire_holds(live, NOW + HOLD) == 1
    assert [live.bookings[hold.id].status for hold in (early, late)] == [BookingStatus.EXPIRED, PENDING]
    assert (live.seats_taken(NOW + HOLD), live.session.revision) == (before, 2)
    assert live.holds() == [late]


def test_a_sweep_that_finds_nothing_changes_nothing() -> None:
    live = gathered(a_session(), bookings=[a_booking("s-1"), a_booking("s-2", PENDING)])
    assert (booking.expire_holds(live, NOW), live.dirty) == (0, False)


def test_a_rule_that_touches_someone_who_was_not_loaded_is_a_programming_error() -> None:
    live = gathered(a_session(), about=["s-2"])
    with pytest.raises(LookupError, match="s-1"):
        book(live)
    with pytest.raises(LookupError, match="s-1"):
        live.put_booking(a_booking())
    assert not live.dirty
