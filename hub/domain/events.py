"""What is announced when a session changed: absolute public state with its revision, and who came and went.

State is absolute, so a lost, repeated or late announcement is cured by the next one; an older revision is dropped.
Secrets have no field here, so they can't travel.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import datetime

from hub.domain.model import LeaveReason, LiveSession, RosterVisibility, Session, Status
from hub.domain.people import Role


@dataclass(frozen=True, slots=True)
class PublicState:
    """What anyone may know of a session at one revision."""

    session: int
    revision: int
    status: Status
    live: int
    peak_live: int
    participants: int
    max_participants: int | None
    starts_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, session: Session, participants: int) -> PublicState:
        """The state of `session` with `participants` seats taken."""
        return cls(
            session.id,
            session.revision,
            session.status,
            session.live,
            session.peak_live,
            participants,
            session.max_participants,
            session.starts_at,
            session.started_at,
            session.ended_at,
        )


@dataclass(frozen=True, slots=True)
class Present:
    """A person who is present, since `joined_at`."""

    id: str
    name: str
    role: Role
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class RosterRule:
    """Who may see names: the host always, participants as `visibility` says."""

    expert_id: str
    visibility: RosterVisibility


@dataclass(frozen=True, slots=True)
class VisitClosed:
    """A visit that ended, for the connection that holds it."""

    visit_id: str
    reason: LeaveReason


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """One committed change of one session. `listing` is set when the catalog changed with it."""

    state: PublicState
    rule: RosterRule
    joined: tuple[Present, ...] = ()
    left: tuple[str, ...] = ()
    closed: tuple[VisitClosed, ...] = ()
    listing: Session | None = None


def without_meeting(session: Session) -> Session:
    """A copy that anyone may see."""
    shown = copy.copy(session)
    shown.meeting_url = None
    shown.sealed_url = None
    shown.sealed_password = None
    return shown


def changed(live: LiveSession, now: datetime) -> SessionChanged:
    """The announcement of what was done to `live`."""
    came, went = live.came_and_went()
    closed = (live.visits[visit_id] for visit_id in live.touched_visits)
    return SessionChanged(
        state=PublicState.of(live.session, live.seats_taken(now)),
        rule=RosterRule(live.session.expert_id, live.session.roster_visibility),
        joined=tuple(present(live, user_id) for user_id in came),
        left=tuple(went),
        closed=tuple(VisitClosed(visit.id, visit.reason) for visit in closed if visit.reason is not None),
        listing=without_meeting(live.session) if live.edited else None,
    )


def born(session: Session) -> SessionChanged:
    """The announcement of a new session."""
    return SessionChanged(
        state=PublicState.of(session, 0),
        rule=RosterRule(session.expert_id, session.roster_visibility),
        listing=without_meeting(session),
    )


def present(live: LiveSession, user_id: str) -> Present:
    """The roster's line for someone with an open visit."""
    person = live.people[user_id]
    since = min(visit.present_since for visit in live.visits_of(user_id))
    return Present(person.id, person.name, person.role, since)
