"""A session's life: every step it may take, who may take it, and what may be edited when."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from hub.domain import sessions
from hub.domain.model import BookingStatus, LeaveReason, LiveSession, RosterVisibility, Status
from hub.domain.people import Actor, Role
from hub.errors import (
    CapacityBelowSeats,
    Forbidden,
    HubError,
    InvalidInput,
    InvalidTransition,
    NotSessionOwner,
    PreconditionFailed,
)
from tests.domain.factories import (
    HOLD,
    NOW,
    OWNER,
    PRICE,
    SECOND,
    STARTS,
    STRANGER,
    a_booking,
    a_session,
    a_student,
    a_visit,
    gathered,
)

STEPS = {
    (Status.SCHEDULED, Status.ACTIVE),
    (Status.ACTIVE, Status.ENDED),
    (Status.SCHEDULED, Status.CANCELLED),
}
VERBS = {Status.ACTIVE: sessions.start, Status.ENDED: sessions.end, Status.CANCELLED: sessions.cancel}
NAMESAKE = Actor(OWNER.id, "Same id, other role", Role.STUDENT, OWNER.until)


@pytest.mark.parametrize(("was", "to"), list(product(Status, Status)))
def test_the_table_of_moves_allows_three_steps_and_nothing_else(was: Status, to: Status) -> None:
    assert sessions.can_move(a_session(status=was), to) is ((was, to) in STEPS)


@pytest.mark.parametrize(("was", "to"), list(product(Status, VERBS)))
def test_every_verb_takes_its_step_or_refuses_and_leaves_everything_as_it_was(was: Status, to: Status) -> None:
    live = gathered(a_session(status=was))
    if (was, to) in STEPS:
        VERBS[to](live, STARTS, actor=OWNER)
        assert (live.session.status, live.session.version, live.session.revision) == (to, 2, 2)
        assert live.edited
    else:
        with pytest.raises(InvalidTransition, match=f"{was} can't become {to}"):
            VERBS[to](live, STARTS, actor=OWNER)
        assert (live.session, live.dirty) == (a_session(status=was), False)


@pytest.mark.parametrize("actor", [STRANGER, NAMESAKE, a_student()], ids=["stranger", "namesake", "student"])
@pytest.mark.parametrize("verb", [*VERBS.values(), sessions.edit])
def test_only_the_expert_who_owns_a_session_may_move_or_edit_it(verb: Any, actor: Actor) -> None:
    live = gathered(a_session())
    arguments = {"changes": {"title": "Mine now"}} if verb is sessions.edit else {}
    with pytest.raises(NotSessionOwner):
        verb(live, NOW, actor=actor, **arguments)
    assert not live.dirty


def test_only_experts_create_sessions() -> None:
    sessions.may_create(OWNER)
    with pytest.raises(Forbidden, match="'expert'"):
        sessions.may_create(a_student())


def test_a_start_may_lie_five_minutes_in_the_past_and_no_more() -> None:
    sessions.starts_in_time(NOW - sessions.PAST_SLACK, NOW)
    with pytest.raises(InvalidInput) as refusal:
        sessions.starts_in_time(NOW - sessions.PAST_SLACK - SECOND, NOW)
    assert [fault.pointer for fault in refusal.value.members["errors"]] == ["/startsAt"]


def test_the_planned_end_is_the_start_and_the_duration() -> None:
    assert a_session(duration_minutes=90).ends_at == STARTS + timedelta(minutes=90)


def test_starting_is_remembered_with_its_instant() -> None:
    live = sessions.start(gathered(a_session()), NOW, actor=OWNER)
    assert (live.session.started_at, live.session.ended_at) == (NOW, None)


def test_ending_closes_every_open_visit_with_the_very_instant_of_the_end() -> None:
    visits = [a_visit("s-1", "v-1"), a_visit("s-1", "v-2"), a_visit("s-2", "v-3"), a_visit(OWNER.id, "v-4")]
    live = gathered(a_session(status=Status.ACTIVE), visits=visits)
    at = STARTS + timedelta(minutes=50)
    sessions.end(live, at, actor=OWNER)
    assert {(visit.left_at, visit.reason) for visit in live.visits.values()} == {(at, LeaveReason.SESSION_ENDED)}
    assert (live.session.live, live.session.peak_live, live.session.ended_at) == (0, 3, at)
    assert live.session.revision == 2


def test_an_end_is_never_before_its_start_though_a_clock_went_back() -> None:
    live = gathered(a_session(status=Status.ACTIVE))
    assert sessions.end(live, STARTS - SECOND, actor=OWNER).session.ended_at == STARTS


def test_cancelling_takes_bookings_and_visits_along() -> None:
    held = a_booking("s-2", BookingStatus.PENDING)
    lapsed = a_booking("s-3", BookingStatus.PENDING, expires_at=NOW + SECOND)
    live = gathered(a_session(max_participants=9), bookings=[a_booking(), held, lapsed], visits=[a_visit()])
    at = NOW + SECOND
    sessions.cancel(live, at, actor=OWNER)
    assert {booking.id: (booking.status, booking.cancelled_at) for booking in live.bookings.values()} == {
        "b-s-1": (BookingStatus.CANCELLED, at),
        "b-s-2": (BookingStatus.CANCELLED, at),
        "b-s-3": (BookingStatus.EXPIRED, None),
    }
    assert (live.visits["v-1"].left_at, live.visits["v-1"].reason) == (at, LeaveReason.CANCELLED)
    assert (live.session.confirmed, live.session.live, live.seats_taken(at)) == (0, 0, 0)
    assert live.session.revision == 2


def edited(live: LiveSession, **changes: Any) -> LiveSession:
    return sessions.edit(live, NOW, actor=OWNER, changes=changes)


EVERY_FIELD = {
    "title": "New",
    "description": "New",
    "meeting_url": "https://meet.example/other",
    "sealed_url": "another",
    "sealed_password": "other",
    "starts_at": STARTS + SECOND,
    "duration_minutes": 30,
    "timezone": "UTC",
    "max_participants": 9,
    "course_id": "c-1",
    "price": PRICE,
    "roster_visibility": RosterVisibility.HOST,
}


@pytest.mark.parametrize(("status", "name"), list(product(Status, EVERY_FIELD)))
def test_everything_is_editable_before_the_start_words_and_meeting_until_the_end(status: Status, name: str) -> None:
    live = gathered(a_session(status=status))
    words = {"title", "description", "meeting_url", "sealed_url", "sealed_password"}
    if status is Status.SCHEDULED or (status is Status.ACTIVE and name in words):
        edited(live, **{name: EVERY_FIELD[name]})
        assert getattr(live.session, name) == EVERY_FIELD[name]
        assert (live.session.version, live.session.revision, live.edited) == (2, 2, True)
    else:
        with pytest.raises(InvalidTransition):
            edited(live, **{name: EVERY_FIELD[name]})
        assert (live.session, live.dirty) == (a_session(status=status), False)


def test_one_forbidden_field_among_allowed_ones_refuses_the_whole_edit() -> None:
    live = gathered(a_session(status=Status.ACTIVE))
    with pytest.raises(InvalidTransition):
        edited(live, title="New", duration_minutes=30)
    assert live.session.title == "Smart Farming"


def test_saying_what_already_is_so_is_no_edit() -> None:
    live = gathered(a_session(status=Status.ACTIVE))
    edited(live, title="Smart Farming", duration_minutes=60)
    assert (live.session.version, live.session.revision, live.dirty) == (1, 1, False)


def test_several_fields_and_two_edits_of_one_commit_are_one_version() -> None:
    live = gathered(a_session())
    edited(live, title="New", description="New")
    edited(live, title="Newer")
    assert (live.session.version, live.session.revision) == (2, 2)


def test_a_session_whose_start_has_passed_can_still_be_renamed_but_not_moved_into_the_past() -> None:
    live = gathered(a_session(starts_at=NOW - timedelta(hours=1)))
    edited(live, title="Late", starts_at=NOW - timedelta(hours=1))
    with pytest.raises(InvalidInput):
        edited(live, starts_at=NOW - timedelta(minutes=30))
    edited(live, starts_at=NOW)
    assert (live.session.title, live.session.starts_at) == ("Late", NOW)


def test_capacity_can_fall_to_the_seats_taken_but_not_below() -> None:
    held = a_booking("s-2", BookingStatus.PENDING)
    live = gathered(a_session(max_participants=5), bookings=[a_booking(), held])
    with pytest.raises(CapacityBelowSeats, match="2 seats are taken: the capacity can't fall to 1"):
        edited(live, max_participants=1)
    assert edited(live, max_participants=2).session.max_participants == 2


def test_a_hold_that_ran_out_does_not_keep_the_capacity_up() -> None:
    live = gathered(a_session(), bookings=[a_booking(), a_booking("s-2", BookingStatus.PENDING)])
    sessions.edit(live, NOW + HOLD, actor=OWNER, changes={"max_participants": 1})
    assert live.session.max_participants == 1


def test_a_limit_can_be_lifted_and_put_on_again_where_the_seats_fit() -> None:
    live = gathered(a_session(), bookings=[a_booking("s-1"), a_booking("s-2")])
    assert edited(live, max_participants=None).session.max_participants is None
    with pytest.raises(CapacityBelowSeats):
        edited(live, max_participants=1)


@pytest.mark.parametrize("versions", [None, frozenset({3}), frozenset({1, 3})])
def test_an_edit_passes_when_the_caller_saw_the_present_version_or_does_not_ask(
    versions: frozenset[int] | None,
) -> None:
    live = gathered(a_session(version=3, revision=7))
    sessions.edit(live, NOW, actor=OWNER, changes={"title": "New"}, versions=versions)
    assert (live.session.version, live.session.revision) == (4, 8)


@pytest.mark.parametrize("versions", [frozenset({2}), frozenset({4}), frozenset()])
def test_an_edit_of_a_version_that_is_gone_is_refused(versions: frozenset[int]) -> None:
    live = gathered(a_session(version=3))
    with pytest.raises(PreconditionFailed):
        sessions.edit(live, NOW, actor=OWNER, changes={"title": "New"}, versions=versions)
    assert not live.dirty


def test_of_two_edits_of_the_same_version_in_one_commit_the_second_is_refused() -> None:
    live = gathered(a_session())
    sessions.edit(live, NOW, actor=OWNER, changes={"title": "First"}, versions=frozenset({1}))
    with pytest.raises(PreconditionFailed):
        sessions.edit(live, NOW, actor=OWNER, changes={"title": "Second"}, versions=frozenset({1}))
    assert live.session.title == "First"


def test_a_stranger_learns_that_the_session_is_not_theirs_before_anything_of_its_version() -> None:
    with pytest.raises(NotSessionOwner):
        sessions.edit(gathered(a_session()), NOW, actor=STRANGER, changes={}, versions=frozenset({9}))


def test_seats_and_presence_move_the_revision_and_never_the_version() -> None:
    live = gathered(a_session())
    live.put_booking(a_booking())
    live.put_visit(a_visit())
    assert (live.session.version, live.session.revision, live.edited) == (1, 2, False)


def test_every_refusal_says_a_sentence_and_has_a_code_of_its_own() -> None:
    kinds = HubError.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind().message.endswith(".") for kind in kinds)
