"""A session's life: what it may become, who may change it, and what each role may see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hub.domain.model import Booking, BookingStatus, LeaveReason, LiveSession, Session, Status
from hub.domain.people import Actor, Role
from hub.errors import (
    CapacityBelowSeats,
    Fault,
    InvalidInput,
    InvalidTransition,
    NotSessionOwner,
    PreconditionFailed,
)

MOVES: Mapping[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset({Status.ACTIVE, Status.CANCELLED}),
    Status.ACTIVE: frozenset({Status.ENDED}),
    Status.ENDED: frozenset(),
    Status.CANCELLED: frozenset(),
}

PAST_SLACK = timedelta(minutes=5)
"""How far in the past a start may lie: clocks differ, and forms take a while to fill in."""

EDITABLE_WHILE_ACTIVE = frozenset({"title", "description", "meeting_url", "sealed_url", "sealed_password"})


def may_create(actor: Actor) -> None:
    """Refuse all but experts."""
    actor.needs(Role.EXPERT)


def owns(session: Session, actor: Actor) -> None:
    """Refuse all but the session's own expert."""
    if actor.role is not Role.EXPERT or actor.id != session.expert_id:
        raise NotSessionOwner()


def starts_in_time(starts_at: datetime, now: datetime) -> None:
    """Refuse a start that lies in the past by more than PAST_SLACK."""
    if starts_at < now - PAST_SLACK:
        raise InvalidInput.of([Fault("/startsAt", "a session can't start in the past")])


def can_move(session: Session, to: Status) -> bool:
    """Whether the lifecycle allows this step."""
    return to in MOVES[session.status]


def may_see_meeting(session: Session, actor: Actor, booking: Booking | None, now: datetime, doors: timedelta) -> bool:
    """The owner always; the holder of a confirmed seat from the opening of the doors until the end."""
    if actor.role is Role.EXPERT and actor.id == session.expert_id:
        return True
    has_seat = booking is not None and booking.status is BookingStatus.CONFIRMED
    return has_seat and doors_are_open(session, now, doors)


def doors_open_at(session: Session, doors: timedelta) -> datetime:
    """When a scheduled session starts to let people in."""
    return session.starts_at - doors


def doors_are_open(session: Session, now: datetime, doors: timedelta) -> bool:
    """Whether people may join at `now`."""
    if session.status is Status.SCHEDULED:
        return now >= doors_open_at(session, doors)
    return session.status is Status.ACTIVE


def edit(
    live: LiveSession,
    now: datetime,
    *,
    actor: Actor,
    changes: Mapping[str, Any],
    versions: frozenset[int] | None = None,
) -> LiveSession:
    """Change the named fields; `versions` are those the caller will accept as the present one (None: any)."""
    session = live.session
    owns(session, actor)
    if versions is not None and session.version not in versions:
        raise PreconditionFailed()
    changes = {name: value for name, value in changes.items() if getattr(session, name) != value}
    _check_edit(live, now, changes)
    if changes:
        for name, value in changes.items():
            setattr(session, name, value)
        live.touch_details()
    return live


def _check_edit(live: LiveSession, now: datetime, changes: Mapping[str, Any]) -> None:
    session = live.session
    if not changes:
        return
    if session.status is Status.ACTIVE and not EDITABLE_WHILE_ACTIVE.issuperset(changes):
        raise InvalidTransition(
            "While a session is active only its title, description and meeting can be edited; the rest only before."
        )
    if session.status not in (Status.SCHEDULED, Status.ACTIVE):
        raise InvalidTransition(f"A session that is {session.status} can't be edited.")
    if "starts_at" in changes:
        starts_in_time(changes["starts_at"], now)
    capacity = changes.get("max_participants")
    if capacity is not None and capacity < live.seats_taken(now):
        raise CapacityBelowSeats(f"{live.seats_taken(now)} seats are taken: the capacity can't fall to {capacity}.")


def start(live: LiveSession, now: datetime, *, actor: Actor) -> LiveSession:
    """Begin: everyone with a seat may join."""
    owns(live.session, actor)
    _move(live, Status.ACTIVE)
    live.session.started_at = now
    return live


def end(live: LiveSession, now: datetime, *, actor: Actor) -> LiveSession:
    """Finish: every open visit closes with this very instant. Needs everyone loaded."""
    owns(live.session, actor)
    live.must_know_everyone()
    _move(live, Status.ENDED)
    live.session.ended_at = max(now, live.session.started_at or now)
    _close_visits(live, live.session.ended_at, LeaveReason.SESSION_ENDED)
    return live


def cancel(live: LiveSession, now: datetime, *, actor: Actor) -> LiveSession:
    """Call it off: bookings and visits end with it. Needs everyone loaded."""
    owns(live.session, actor)
    live.must_know_everyone()
    _move(live, Status.CANCELLED)
    for booking in list(live.bookings.values()):
        if booking.takes_a_seat and booking.lapsed(now):
            live.put_booking(replace(booking, status=BookingStatus.EXPIRED))
        elif booking.takes_a_seat:
            live.put_booking(replace(booking, status=BookingStatus.CANCELLED, cancelled_at=now))
    _close_visits(live, now, LeaveReason.CANCELLED)
    return live


def _move(live: LiveSession, to: Status) -> None:
    if not can_move(live.session, to):
        raise InvalidTransition(f"A session that is {live.session.status} can't become {to}.")
    live.touch_details()
    live.session.status = to


def _close_visits(live: LiveSession, at: datetime, reason: LeaveReason) -> None:
    for visit in live.open_visits():
        live.put_visit(replace(visit, left_at=max(at, visit.joined_at), reason=reason))
