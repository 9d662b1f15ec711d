"""Who is here: people are counted, connections are kept, and what is recorded is never negative."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from hub.domain import presence, sessions
from hub.domain.model import BookingStatus, LeaveReason, LiveSession, Status, Visit
from hub.domain.people import Actor, Role
from hub.errors import NotActive, NotBooked, PaymentRequired, TokenExpired
from tests.domain.factories import (
    DOORS,
    HOLD,
    NOW,
    OWNER,
    SECOND,
    STARTS,
    STRANGER,
    a_booking,
    a_session,
    a_student,
    a_visit,
    gathered,
)

ACTIVE = Status.ACTIVE


def join(
    live: LiveSession, actor: Actor | None = None, tab: str = "1", now: datetime = STARTS, node: str = "n-1"
) -> Visit:
    return presence.join(
        live,
        now,
        actor=actor or a_student(),
        visit_id=f"v-{tab}",
        connection_id=f"c-{tab}",
        node_id=node,
        doors=DOORS,
    )


def leave(live: LiveSession, visit_id: str, now: datetime, at: datetime | None = None) -> bool:
    return presence.leave(live, now, visit_id=visit_id, at=at, reason=LeaveReason.LEFT)


def a_booked_session() -> LiveSession:
    return gathered(a_session(status=ACTIVE), bookings=[a_booking()])


def test_who_holds_a_confirmed_seat_joins() -> None:
    live = a_booked_session()
    assert join(live) == a_visit(joined_at=STARTS, connection_id="c-1")
    assert (live.session.live, live.session.peak_live, live.session.revision) == (1, 1, 2)
    assert live.people["s-1"] == a_student().person


def test_a_second_tab_is_not_a_second_participant() -> None:
    live = a_booked_session()
    join(live, tab="1")
    join(live, tab="2")
    assert (live.session.live, live.session.peak_live, len(live.open_visits())) == (1, 1, 2)


def test_a_second_tab_is_recorded_and_announced_to_nobody() -> None:
    live = gathered(a_session(status=ACTIVE), bookings=[a_booking()], visits=[a_visit()])
    join(live, tab="2")
    assert (live.changed, live.dirty, live.session.revision) == (False, True, 1)


def test_joining_again_on_the_same_connection_answers_the_visit_it_has() -> None:
    live = gathered(a_session(status=ACTIVE), bookings=[a_booking()], visits=[a_visit(connection_id="c-1")])
    assert join(live, tab="1") == a_visit(connection_id="c-1")
    assert not live.dirty


def test_the_owner_joins_without_a_seat_and_counts() -> None:
    live = gathered(a_session(status=ACTIVE))
    join(live, OWNER)
    assert live.session.live == 1


@pytest.mark.parametrize("actor", [STRANGER, a_student(), Actor(OWNER.id, "Namesake", Role.STUDENT, OWNER.until)])
def test_nobody_else_joins_without_a_seat(actor: Actor) -> None:
    live = gathered(a_session(status=ACTIVE))
    with pytest.raises(NotBooked):
        join(live, actor)
    assert not live.dirty


def test_a_held_seat_must_be_paid_before_joining() -> None:
    live = gathered(a_session(status=ACTIVE), bookings=[a_booking(status=BookingStatus.PENDING)])
    with pytest.raises(PaymentRequired):
        join(live, now=NOW + HOLD - SECOND)


def test_a_seat_is_a_students_and_no_experts_of_the_same_id() -> None:
    live = gathered(a_session(status=ACTIVE), bookings=[a_booking()])
    with pytest.raises(NotBooked):
        join(live, Actor("s-1", "Namesake", Role.EXPERT, OWNER.until))
    assert join(live, a_student()).user_id == "s-1"


def test_a_hold_that_ran_out_is_no_seat_at_all() -> None:
    live = gathered(a_session(status=ACTIVE), bookings=[a_booking(status=BookingStatus.PENDING)])
    with pytest.raises(NotBooked):
        join(live, now=NOW + HOLD)


def test_the_doors_open_some_minutes_before_the_start_and_to_the_instant() -> None:
    live = gathered(a_session(), bookings=[a_booking()])
    with pytest.raises(NotActive, match=r"doors of this session open at 2025-08-25T12:45:00Z\."):
        join(live, now=STARTS - DOORS - timedelta(microseconds=1))
    join(live, now=STARTS - DOORS)
    assert live.session.live == 1


def test_the_doors_hold_for_the_owner_too() -> None:
    with pytest.raises(NotActive):
        join(gathered(a_session()), OWNER, now=NOW)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("now", [NOW, STARTS - DOORS, STARTS + timedelta(days=1)])
def test_doors_by_status_and_clock(status: Status, now: datetime) -> None:
    expected = status is ACTIVE or (status is Status.SCHEDULED and now >= STARTS - DOORS)
    assert sessions.doors_are_open(a_session(status=status), now, DOORS) is expected


@pytest.mark.parametrize("status", [Status.ENDED, Status.CANCELLED])
def test_nobody_joins_what_is_over(status: Status) -> None:
    with pytest.raises(NotActive, match=f"This session is {status}"):
        join(gathered(a_session(status=status), bookings=[a_booking()]))


def test_the_last_connection_of_a_person_leaves_and_not_the_one_before() -> None:
    live = gathered(a_session(status=ACTIVE), visits=[a_visit(visit_id="v-1"), a_visit(visit_id="v-2")])
    assert leave(live, "v-1", STARTS)
    assert (live.session.live, live.changed) == (1, False)
    assert leave(live, "v-2", STARTS)
    assert (live.session.live, live.session.peak_live, live.changed) == (0, 1, True)


def test_a_late_clean_up_never_removes_the_newer_connection() -> None:
    live = a_booked_session()
    join(live, tab="old")
    join(live, tab="new", now=STARTS + SECOND)
    assert leave(live, "v-old", STARTS + 9 * SECOND, at=STARTS)
    assert [visit.id for visit in live.open_visits()] == ["v-new"]
    assert not leave(live, "v-old", STARTS + 10 * SECOND)
    assert (live.session.live, [visit.id for visit in live.visits_of("s-1")]) == (1, ["v-new"])


def test_leaving_is_recorded_at_the_time_of_the_drop_and_else_now() -> None:
    live = gathered(a_session(status=ACTIVE), visits=[a_visit(visit_id="v-1"), a_visit(visit_id="v-2")])
    leave(live, "v-1", STARTS, at=STARTS - SECOND)
    leave(live, "v-2", STARTS)
    assert [live.visits[visit_id].left_at for visit_id in ("v-1", "v-2")] == [STARTS - SECOND, STARTS]


def test_nobody_leaves_before_they_joined() -> None:
    live = gathered(a_session(status=ACTIVE), visits=[a_visit(joined_at=STARTS)])
    leave(live, "v-1", STARTS + SECOND, at=STARTS - timedelta(hours=1))
    assert live.visits["v-1"].left_at == STARTS


def test_a_visit_that_is_closed_stays_as_it_was_recorded() -> None:
    live = gathered(a_session(status=ACTIVE), visits=[a_visit()])
    leave(live, "v-1", STARTS)
    recorded = live.visits["v-1"]
    assert not presence.leave(live, STARTS + SECOND, visit_id="v-1", at=None, reason=LeaveReason.NODE_LOST)
    assert live.visits["v-1"] == recorded


def test_a_visit_that_is_not_known_leaves_nothing() -> None:
    live = gathered(a_session(status=ACTIVE))
    assert (leave(live, "v-9", STARTS), live.dirty) == (False, False)


def test_a_process_that_died_loses_its_visits_at_its_last_sign_of_life_and_no_others() -> None:
    visits = [
        a_visit("s-1", "v-1"),
        a_visit("s-1", "v-2", node_id="n-2"),
        a_visit("s-2", "v-3"),
        a_visit("s-3", "v-4", joined_at=STARTS),
    ]
    live = gathered(a_session(status=ACTIVE), visits=visits)
    beat = NOW + SECOND
    lost = presence.lose_node(live, STARTS, node_id="n-1", at=beat, reason=LeaveReason.NODE_LOST)
    assert lost == 3
    assert {visit.id: visit.left_at for visit in live.visits.values()} == {
        "v-1": beat,
        "v-2": None,
        "v-3": beat,
        "v-4": STARTS,
    }
    assert (live.session.live, live.session.revision) == (1, 2)
    assert presence.lose_node(live, STARTS, node_id="n-1", at=beat, reason=LeaveReason.NODE_LOST) == 0


def test_the_peak_stays_when_people_go() -> None:
    live = gathered(a_session(status=ACTIVE), bookings=[a_booking("s-1"), a_booking("s-2")])
    join(live, a_student("s-1"), "1")
    join(live, a_student("s-2"), "2")
    leave(live, "v-1", STARTS)
    join(live, a_student("s-1"), "3")
    assert (live.session.live, live.session.peak_live) == (2, 2)


def test_a_recount_mends_a_count_that_drifted_and_touches_no_other() -> None:
    live = gathered(a_session(status=ACTIVE), visits=[a_visit("s-1", "v-1"), a_visit("s-1", "v-2")])
    assert (presence.recount(live, STARTS), live.dirty) == (False, False)
    live.session.live = 5
    assert presence.recount(live, STARTS)
    assert (live.session.live, live.changed) == (1, True)


def test_presence_of_someone_who_was_not_loaded_is_a_programming_error() -> None:
    live = gathered(a_session(status=ACTIVE), about=["s-2"])
    with pytest.raises(LookupError, match="s-1"):
        join(live)
    with pytest.raises(LookupError, match="s-1"):
        live.put_visit(a_visit())


def test_presence_is_unbroken_from_tab_to_tab_and_begins_anew_after_a_leave() -> None:
    live = LiveSession.of(a_session(status=Status.ACTIVE), about=["s-1"], bookings=[a_booking()])
    come = partial(presence.join, live, actor=a_student("s-1"), node_id="n-1", doors=DOORS)

    first = come(NOW, visit_id="v-1", connection_id="c-1")
    second = come(NOW + timedelta(minutes=1), visit_id="v-2", connection_id="c-2")
    live = LiveSession.of(live.session, about=["s-1"], bookings=[a_booking()], visits=[first, second])
    go = partial(presence.leave, live, at=None, reason=LeaveReason.LEFT)
    go(NOW + timedelta(minutes=2), visit_id="v-1")
    assert live.present_since("s-1", NOW + timedelta(minutes=3)) == NOW
    go(NOW + timedelta(minutes=3), visit_id="v-2")
    again = live.present_since("s-1", NOW + timedelta(minutes=4))
    gone = LiveSession.of(live.session, about=["s-1"], bookings=[a_booking()])

    assert again == NOW, "who left and came back within one commit was never seen leaving"
    assert gone.present_since("s-1", NOW + timedelta(minutes=9)) == NOW + timedelta(minutes=9)


def test_a_token_that_has_ended_joins_nobody() -> None:
    live = LiveSession.of(a_session(status=Status.ACTIVE), about=["s-1"], bookings=[a_booking()])
    actor = replace(a_student("s-1"), until=NOW)

    with pytest.raises(TokenExpired):
        presence.join(live, NOW, actor=actor, visit_id="v-1", connection_id="c-1", node_id="n-1", doors=DOORS)

    assert not live.dirty
