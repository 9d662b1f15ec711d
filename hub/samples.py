"""One session's life, from its creation to its attendance: what the examples of both references are made from.

The values go through the rules and views that real ones go through, so none shows what the hub would not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hub import news, views
from hub.domain import events
from hub.domain.attendance import attend
from hub.domain.model import Booking, BookingStatus, LeaveReason, RosterVisibility, Session, Status, Visit
from hub.domain.people import Actor, Person, Role

STARTS = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
STARTED = STARTS + timedelta(seconds=4)
ENDED = STARTS + timedelta(minutes=58, seconds=30)
BOOKED = STARTS - timedelta(days=3, hours=2)
CREATED = STARTS - timedelta(days=18)

JANE = Person("e-7", "Dr. Jane Smith", Role.EXPERT)
AMINA = Person("s-1", "Amina Otieno", Role.STUDENT)
BEN = Person("s-2", "Ben Kimani", Role.STUDENT)

SCHEDULED = Session(
    id=12,
    title="Smart Farming Q&A Session",
    description="Bring your questions on sensors, soil and irrigation.",
    instructor=JANE.name,
    expert_id=JANE.id,
    course_id="smart-farming",
    starts_at=STARTS,
    duration_minutes=60,
    timezone="Africa/Nairobi",
    max_participants=50,
    price=None,
    roster_visibility=RosterVisibility.PARTICIPANTS,
    status=Status.SCHEDULED,
    created_at=CREATED,
)
ACTIVE = replace(
    SCHEDULED, status=Status.ACTIVE, started_at=STARTED, live=41, peak_live=43, confirmed=45, version=2, revision=188
)
OVER = replace(ACTIVE, status=Status.ENDED, ended_at=ENDED, live=0, version=3, revision=271)
CALLED_OFF = replace(SCHEDULED, status=Status.CANCELLED, version=2, revision=47)

SEAT = Booking(
    id="01b8ebb94d805f0c3a9be1d24477c0a1",
    session_id=SCHEDULED.id,
    user_id=AMINA.id,
    status=BookingStatus.CONFIRMED,
    created_at=BOOKED,
    confirmed_at=BOOKED,
)
GIVEN_BACK = replace(SEAT, status=BookingStatus.CANCELLED, cancelled_at=BOOKED + timedelta(hours=1))
MEETING = views.Meeting(url="https://meet.example/smart-farming", password="sow-and-grow")  # nosec B106  # an example
VISIT_ID = "01b8fb99a240a1e94c07d3b85f62ee10"

NEW_SESSION: Mapping[str, Any] = {
    "title": SCHEDULED.title,
    "description": SCHEDULED.description,
    "startsAt": views.instant(STARTS),
    "durationMinutes": SCHEDULED.duration_minutes,
    "timezone": SCHEDULED.timezone,
    "maxParticipants": SCHEDULED.max_participants,
    "meetingUrl": MEETING.url,
    "meetingPassword": MEETING.password,
}
"""What an expert says to create it."""


def actor(person: Person) -> Actor:
    """`person`, signed in."""
    return Actor(person.id, person.name, person.role, ENDED)


def seen(session: Session, person: Person, booking: Booking | None = None) -> views.SessionView:
    """`session` as `person` sees it."""
    return views.session_view(session, session.confirmed, actor(person), booking)


def detail() -> views.SessionDetail:
    """The running session as Amina sees it, who has a seat."""
    return views.session_detail(ACTIVE, ACTIVE.confirmed, actor(AMINA), SEAT, MEETING, STARTED)


def attendance() -> views.AttendanceView:
    """Who was there: Amina once, Ben with a break."""
    lines = (
        attend(OVER, AMINA, [_visit("1", AMINA, -40, 3510, LeaveReason.SESSION_ENDED)], ENDED),
        attend(
            OVER,
            BEN,
            [_visit("2", BEN, 65, 1200, LeaveReason.DISCONNECTED), _visit("3", BEN, 1260, 3000, LeaveReason.LEFT)],
            ENDED,
        ),
    )
    return views.AttendanceView(
        session_id=OVER.id,
        started_at=OVER.started_at,
        ended_at=OVER.ended_at,
        peak_live=OVER.peak_live,
        people=[views.attendance_line(line) for line in lines],
    )


def _visit(name: str, person: Person, came: float, went: float, reason: LeaveReason) -> Visit:
    joined = STARTS + timedelta(seconds=came)
    return Visit(
        id=name,
        session_id=OVER.id,
        user_id=person.id,
        connection_id=name,
        node_id="1",
        joined_at=joined,
        present_since=joined,
        left_at=STARTS + timedelta(seconds=went),
        reason=reason,
    )


def present(person: Person, seconds: float) -> views.PresentView:
    """`person`, there since so many seconds after the planned start."""
    return views.present(events.Present(person.id, person.name, person.role, STARTS + timedelta(seconds=seconds)))


def state() -> news.SessionMessage:
    """What watchers of the running session are told."""
    return news.session_message(events.PublicState.of(ACTIVE, ACTIVE.confirmed))
