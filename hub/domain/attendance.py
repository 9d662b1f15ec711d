"""How long people were there: the union of their visits, within the session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hub.domain.model import Session, Visit
from hub.domain.people import Person


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of one person's visits: `seconds` within the session; no last leaving while a visit is open."""

    seconds: float
    first_joined_at: datetime
    last_left_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attendance:
    """One person's presence, and what `share` of the session it was, from 0 to 1.

    Every visit oldest first; none once only their total is kept.
    """

    person: Person
    total: Total
    share: float
    visits: tuple[Visit, ...] = ()


def attend(session: Session, person: Person, visits: Iterable[Visit], now: datetime) -> Attendance:
    """Sum up one person's visits (one or more) as of `now`."""
    ordered = tuple(sorted(visits, key=lambda visit: (visit.joined_at, visit.id)))
    total = sum_up(session, ordered, now)
    return Attendance(person, total, share(session, total, now), ordered)


def sum_up(session: Session, visits: Iterable[Visit], now: datetime) -> Total:
    """The total of one person's visits (one or more) as of `now`."""
    stays = [(visit.joined_at, visit.left_at) for visit in visits]
    ends = [left for _, left in stays if left is not None]
    seconds = 0.0
    if session.started_at is not None:
        started, until = session.started_at, _until(session, session.started_at, now)
        seconds = union_seconds((max(joined, started), min(left or until, until)) for joined, left in stays)
    return Total(seconds, min(joined for joined, _ in stays), max(ends) if len(ends) == len(stays) else None)


def share(session: Session, total: Total, now: datetime) -> float:
    """How much of the session as it is at `now` somebody was there, from 0 to 1."""
    if session.started_at is None:
        return 0.0
    length = (_until(session, session.started_at, now) - session.started_at).total_seconds()
    return min(1.0, total.seconds / length) if length > 0 else 0.0


def _until(session: Session, started_at: datetime, now: datetime) -> datetime:
    return session.ended_at or max(now, started_at)


def union_seconds(intervals: Iterable[tuple[datetime, datetime]]) -> float:
    """The seconds covered by at least one interval; empty and reversed ones cover nothing."""
    total = 0.0
    reached: datetime | None = None
    for start, end in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds()
            reached = end
    return total
