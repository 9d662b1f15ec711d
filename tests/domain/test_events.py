"""What is announced: absolute state, who came and went as stored, and nothing that is secret."""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.domain import booking, presence, sessions
from hub.domain.events import Present, PublicState, SessionChanged, VisitClosed, changed, without_meeting
from hub.domain.model import BookingStatus, LeaveReason, LiveSession, RosterVisibility, Status
from hub.domain.people import Actor
from tests.domain.factories import (
    DOORS,
    HOLD,
    NOW,
    OWNER,
    SECOND,
    STARTS,
    a_booking,
    a_session,
    a_student,
    a_visit,
    gathered,
)

ACTIVE = Status.ACTIVE


def join(live: LiveSession, actor: Actor, tab: str, now: datetime = STARTS) -> None:
    presence.join(live, now, actor=actor, visit_id=tab, connection_id=tab, node_id="n-1", doors=DOORS)


def leave(live: LiveSession, tab: str) -> None:
    presence.leave(live, STARTS + SECOND, visit_id=tab, at=None, reason=LeaveReason.LEFT)


def a_room(*present: str) -> LiveSession:
    """An active session in which s-1 to s-3 hold seats and `present` are there, each on the connection `old-<id>`."""
    seats = [a_booking(user_id) for user_id in ("s-1", "s-2", "s-3")]
    visits = [a_visit(user_id, f"old-{user_id}") for user_id in present]
    return gathered(a_session(status=ACTIVE, max_participants=9), bookings=seats, visits=visits)


def test_the_public_state_is_the_session_with_its_seats_and_its_revision() -> None:
    session = a_session(status=ACTIVE, live=2, peak_live=5, revision=7)
    assert PublicState.of(session, 3) == PublicState(
        session=1,
        revision=7,
        status=ACTIVE,
        live=2,
        peak_live=5,
        participants=3,
        max_participants=2,
        starts_at=STARTS,
        started_at=STARTS,
        ended_at=None,
    )


def test_seats_are_announced_as_the_clock_has_them() -> None:
    live = gathered(a_session(), bookings=[a_booking("s-1"), a_booking("s-2", BookingStatus.PENDING)])
    assert [changed(live, now).state.participants for now in (NOW, NOW + HOLD)] == [2, 1]


def test_who_joined_and_who_left_are_named() -> None:
    live = a_room("s-1")
    join(live, a_student("s-2"), "new")
    leave(live, "old-s-1")
    said = changed(live, STARTS)
    assert said.joined == (Present("s-2", "Student s-2", a_student().role, STARTS),)
    assert said.left == ("s-1",)
    assert said.closed == (VisitClosed("old-s-1", LeaveReason.LEFT),)
    assert (said.state.live, said.state.revision, said.listing) == (1, 2, None)


def test_who_came_and_went_within_one_commit_was_never_seen() -> None:
    live = a_room()
    join(live, a_student("s-1"), "new")
    leave(live, "new")
    said = changed(live, STARTS)
    assert (said.joined, said.left, said.state.live, said.state.peak_live) == ((), (), 0, 1)


def test_who_reconnects_within_one_commit_was_never_away() -> None:
    live = a_room("s-1")
    leave(live, "old-s-1")
    join(live, a_student("s-1"), "new")
    said = changed(live, STARTS)
    assert (said.joined, said.left, said.state.live) == ((), (), 1)
    assert [closed.visit_id for closed in said.closed] == ["old-s-1"]


def test_a_second_tab_joins_nobody_and_its_closing_removes_nobody() -> None:
    live = a_room("s-1")
    join(live, a_student("s-1"), "new")
    leave(live, "old-s-1")
    assert (changed(live, STARTS).joined, changed(live, STARTS).left) == ((), ())


def test_a_person_who_comes_with_two_tabs_comes_once_and_since_the_first() -> None:
    live = a_room()
    join(live, a_student("s-1"), "one")
    join(live, a_student("s-1"), "two", STARTS + SECOND)
    assert [(who.id, who.joined_at) for who in changed(live, STARTS).joined] == [("s-1", STARTS)]


def test_the_end_sends_everyone_away_with_the_reason() -> None:
    live = a_room("s-1", "s-2")
    sessions.end(live, STARTS + SECOND, actor=OWNER)
    said = changed(live, STARTS + SECOND)
    assert (set(said.left), said.state.status, said.state.live) == ({"s-1", "s-2"}, Status.ENDED, 0)
    assert {closed.reason for closed in said.closed} == {LeaveReason.SESSION_ENDED}


def test_the_catalog_hears_of_edits_and_moves_and_not_of_seats() -> None:
    live = gathered(a_session())
    booking.book(live, NOW, actor=a_student(), booking_id="new", hold=HOLD)
    assert changed(live, NOW).listing is None
    sessions.edit(live, NOW, actor=OWNER, changes={"title": "New"})
    listing = changed(live, NOW).listing
    assert listing is not None
    assert (listing.title, listing.version) == ("New", 2)


def test_the_rule_of_the_roster_travels_along() -> None:
    said = changed(gathered(a_session(roster_visibility=RosterVisibility.HOST)), NOW)
    assert (said.rule.expert_id, said.rule.visibility) == (OWNER.id, RosterVisibility.HOST)


def leaves(value: Any) -> list[Any]:
    """Every plain value inside an announcement."""
    if is_dataclass(value):
        return [leaf for field in fields(value) for leaf in leaves(getattr(value, field.name))]
    return [leaf for entry in value for leaf in leaves(entry)] if isinstance(value, tuple) else [value]


def test_no_announcement_carries_the_meeting_even_when_it_is_what_changed() -> None:
    live = a_room("s-1")
    join(live, a_student("s-2"), "new")
    sessions.edit(live, STARTS, actor=OWNER, changes={"meeting_url": "https://meet.example/new-secret"})
    said = changed(live, STARTS)
    assert said.listing is not None
    assert not [leaf for leaf in leaves(said) if "secret" in str(leaf) or "sealed" in str(leaf)]
    assert live.session.meeting_url == "https://meet.example/new-secret"


def test_hiding_the_meeting_hides_nothing_else_and_leaves_the_session_alone() -> None:
    session = a_session()
    hidden = asdict(without_meeting(session))
    assert {name for name, value in asdict(session).items() if hidden[name] != value} == {
        "meeting_url",
        "sealed_url",
        "sealed_password",
    }
    assert session == a_session()


def test_an_announcement_stays_as_it_was_said_though_the_session_moves_on() -> None:
    live = gathered(a_session())
    sessions.edit(live, NOW, actor=OWNER, changes={"title": "Then"})
    said = changed(live, NOW)
    live.session.title = "Now"
    assert said.listing is not None
    assert said.listing.title == "Then"


def history() -> list[SessionChanged]:
    """Ten commits: people come, one after the other."""
    live = gathered(a_session(status=ACTIVE, max_participants=None))
    said = []
    for number in range(10):
        live.changed = False
        live.put_booking(a_booking(f"s-{number}"))
        join(live, a_student(f"s-{number}"), f"v-{number}")
        said.append(changed(live, STARTS + timedelta(seconds=number)))
    return said


def newest(known: PublicState, heard: PublicState) -> PublicState:
    """What a client does: drop what is not newer."""
    return heard if heard.revision > known.revision else known


@given(st.lists(st.sampled_from(history()), max_size=25))
def test_lost_repeated_and_disordered_announcements_are_cured_by_the_newest(heard: list[SessionChanged]) -> None:
    first, last = history()[0].state, history()[-1].state
    *_, shown = accumulate((message.state for message in [*heard, history()[-1], *heard]), newest, initial=first)
    assert shown == last
