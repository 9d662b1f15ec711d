"""A person becomes nobody: what is to come is called off, what has been stays, of somebody without a name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from hub.domain.booking import BOOKABLE, release
from hub.domain.model import BookingStatus, LeaveReason, LiveSession
from hub.domain.people import Person

NAME = "Forgotten person"


def nobody(person: Person, code: str) -> Person:
    """Who takes the place of `person`; `code` must say nothing of them, and be nobody else's."""
    return Person(f"forgotten-{code}", NAME, person.role)


def forget(live: LiveSession, now: datetime, *, person_id: str, stand_in: Person) -> bool:
    """Free the person's seat while it could still be used, end their visits, and take their name off what they held.

    Answers whether a seat became free. A session of theirs that is not over keeps its name. The rows of their bookings
    and visits still are to be made those of `stand_in`.
    """
    session, mine = live.session, live.booking_of(person_id)
    taken = mine is not None and session.status in BOOKABLE and not mine.lapsed(now)
    if mine is not None and taken:
        release(live, now, mine)
    elif mine is not None and mine.lapsed(now):
        live.put_booking(replace(mine, status=BookingStatus.EXPIRED))
    for visit in live.visits_of(person_id):
        live.put_visit(replace(visit, left_at=max(now, visit.joined_at), reason=LeaveReason.CANCELLED))
    if session.expert_id == person_id and session.status not in BOOKABLE:
        session.expert_id, session.instructor = stand_in.id, stand_in.name
        session.meeting_url = session.sealed_url = session.sealed_password = None
        live.touch_details()
    return taken
