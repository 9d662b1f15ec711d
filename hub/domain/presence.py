"""Who is here. People are counted, connections are kept: the first one of a person joins, the last one leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hub.domain.model import BookingStatus, LeaveReason, LiveSession, Status, Visit
from hub.domain.people import Actor, Role
from hub.domain.sessions import doors_are_open, doors_open_at
from hub.errors import NotActive, NotBooked, PaymentRequired, TokenExpired


def join(
    live: LiveSession,
    now: datetime,
    *,
    actor: Actor,
    visit_id: str,
    connection_id: str,
    node_id: str,
    doors: timedelta,
) -> Visit:
    """Let a connection in; joining again on the same connection answers the visit it already has."""
    if actor.until <= now:
        raise TokenExpired()
    _may_join(live, now, actor)
    session = live.session
    if not doors_are_open(session, now, doors):
        if session.status is Status.SCHEDULED:
            opens = doors_open_at(session, doors).isoformat(timespec="seconds").replace("+00:00", "Z")
            raise NotActive(f"The doors of this session open at {opens}.")
        raise NotActive(f"This session is {session.status}: nobody can join it any more.")
    for visit in live.visits_of(actor.id):
        if visit.connection_id == connection_id:
            return visit
    live.meet(actor.person)
    visit = Visit(
        id=visit_id,
        session_id=session.id,
        user_id=actor.id,
        connection_id=connection_id,
        node_id=node_id,
        joined_at=now,
        present_since=live.present_since(actor.id, now),
    )
    live.put_visit(visit)
    return visit


def _may_join(live: LiveSession, now: datetime, actor: Actor) -> None:
    if actor.role is Role.EXPERT and actor.id == live.session.expert_id:
        return
    booking = None if actor.seats_of is None else live.booking_of(actor.seats_of)
    if booking is None or booking.lapsed(now):
        raise NotBooked()
    if booking.status is BookingStatus.PENDING:
        raise PaymentRequired()


def leave(live: LiveSession, now: datetime, *, visit_id: str, at: datetime | None, reason: LeaveReason) -> bool:
    """Close one visit at `at` (None: now). A visit that is no longer open stays as it was recorded.

    By visit id and never by person: a late clean-up must not remove the connection that replaced its own.
    """
    visit = live.visits.get(visit_id)
    if visit is None or visit.left_at is not None:
        return False
    live.put_visit(replace(visit, left_at=max(at or now, visit.joined_at), reason=reason))
    return True


def lose_node(live: LiveSession, now: datetime, *, node_id: str, at: datetime, reason: LeaveReason) -> int:
    """Close every open visit of a process that is gone; answers how many there were.

    They end `at` its last sign of life, or before, when their socket had dropped and that was recorded.
    """
    lost = [visit for visit in live.open_visits() if visit.node_id == node_id]
    for visit in lost:
        if visit.dropped_at is None:
            live.put_visit(replace(visit, left_at=max(at, visit.joined_at), reason=reason))
        else:
            ended = max(visit.dropped_at, visit.joined_at)
            live.put_visit(replace(visit, left_at=ended, reason=LeaveReason.DISCONNECTED))
    return len(lost)


def recount(live: LiveSession, now: datetime) -> bool:
    """Set the live count to the people with an open visit, if it differs. Needs everyone loaded."""
    live.must_know_everyone()
    people = len({visit.user_id for visit in live.open_visits()})
    if people == live.session.live:
        return False
    live.set_live(people)
    return True
