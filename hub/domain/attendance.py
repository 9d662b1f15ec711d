"""How long people were there: the union of their visits, within the session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hub.domain.model import Session, Visit
from hub.domain.people import Person


@dataclass(frozen=True, slots=True)
class Attendance:
    """One person's presence: `seconds` within the session, `share` of it from 0 to 1, every visit oldest first."""

    person: Person
    seconds: float
    share: float
    visits: tuple[Visit, ...]

    @property
    def first_joined_at(self) -> datetime:
        """When the person first came."""
        return self.visits[0].joined_at

    @property
    def last_left_at(self) -> datetime | None:
        """When the person last went; None while a visit is open."""
        ends = [visit.left_at for visit in self.visits]
        return None if None in ends else max(end for end in ends if end is not None)


def attend(session: Session, person: Person, visits: Iterable[Visit], now: datetime) -> Attendance:
    """Sum up one person's visits (one or more) as of `now`."""
    ordered = tuple(sorted(visits, key=lambda visit: (visit.joined_at, visit.id)))
    if session.started_at is None:
        return Attendance(person, 0.0, 0.0, ordered)
    until = session.ended_at or max(now, session.started_at)
    seconds = union_seconds(
        (max(visit.joined_at, session.started_at), min(visit.left_at or until, until)) for visit in ordered
    )
    length = (until - session.started_at).total_seconds()
    return Attendance(person, seconds, min(1.0, seconds / length) if length > 0 else 0.0, ordered)


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
