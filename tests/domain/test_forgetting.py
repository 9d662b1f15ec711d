"""What becomes of a person's seat, visits and sessions when they are forgotten, by the session's status."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.domain.forgetting import NAME, forget, nobody
from hub.domain.model import BookingStatus, LeaveReason, LiveSession, Status
from tests.domain.factories import NOW, OWNER, PRICE, SECOND, a_booking, a_session, a_student, a_visit, gathered

STAND_IN = nobody(a_student().person, "c0de")
OVER = (Status.ENDED, Status.CANCELLED)
OPEN = (Status.SCHEDULED, Status.ACTIVE)


def forgotten(live: LiveSession, person: str = "s-1") -> bool:
    """The rule, two minutes from NOW."""
    return forget(live, NOW + timedelta(minutes=2), person_id=person, stand_in=STAND_IN)


def test_nobody_has_a_name_that_all_share_and_an_id_of_the_code_alone() -> None:
    assert (STAND_IN.id, STAND_IN.name, STAND_IN.role) == ("forgotten-c0de", NAME, a_student().role)


@pytest.mark.parametrize("status", OPEN)
def test_a_seat_that_could_still_be_used_becomes_free_and_who_sits_on_it_leaves(status: Status) -> None:
    live = gathered(a_session(status=status), bookings=[a_booking(), a_booking("s-2")], visits=[a_visit()])
    assert forgotten(live)
    assert live.bookings["b-s-1"].status is BookingStatus.CANCELLED
    assert live.bookings["b-s-2"] == a_booking("s-2")
    assert live.visits["v-1"].reason is LeaveReason.CANCELLED
    assert (live.session.confirmed, live.session.live, live.session.revision, live.session.version) == (1, 0, 2, 1)


@pytest.mark.parametrize("status", OVER)
def test_a_seat_in_what_is_over_stays_as_it_was(status: Status) -> None:
    live = gathered(a_session(status=status), bookings=[a_booking()])
    assert not forgotten(live)
    assert (live.dirty, live.bookings["b-s-1"]) == (False, a_booking())


@pytest.mark.parametrize(("minutes", "becomes"), [(1, BookingStatus.EXPIRED), (3, BookingStatus.CANCELLED)])
def test_a_hold_ends_as_the_clock_has_it(minutes: int, becomes: BookingStatus) -> None:
    hold = a_booking(status=BookingStatus.PENDING, expires_at=NOW + timedelta(minutes=minutes))
    live = gathered(a_session(price=PRICE), bookings=[hold])
    assert forgotten(live) is (becomes is BookingStatus.CANCELLED)
    assert live.bookings["b-s-1"].status is becomes


@pytest.mark.parametrize("status", OVER)
def test_the_owner_of_what_is_over_and_the_way_into_it_are_forgotten(status: Status) -> None:
    live = gathered(a_session(status=status))
    assert not forgotten(live, OWNER.id)
    session = live.session
    assert (session.expert_id, session.instructor) == (STAND_IN.id, NAME)
    assert (session.meeting_url, session.sealed_url, session.sealed_password) == (None, None, None)
    assert (session.revision, session.version) == (2, 2)


@pytest.mark.parametrize("status", OPEN)
def test_the_owner_of_what_is_not_over_leaves_and_stays_its_owner(status: Status) -> None:
    live = gathered(a_session(status=status), visits=[a_visit(OWNER.id, joined_at=NOW + 300 * SECOND)])
    forgotten(live, OWNER.id)
    assert (live.session.expert_id, live.session.version) == (OWNER.id, 1)
    assert live.visits["v-1"].left_at == NOW + 300 * SECOND  # no visit ends before it begins
