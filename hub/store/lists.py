"""Lists of sessions: every filter and order is SQL, and its queries are built once for each shape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select

from hub.domain.booking import BOOKABLE
from hub.domain.model import Status
from hub.store.reads import Page, Seen, bookings_of, seats_taken, sessions_with_seats
from hub.store.recent import Recent
from hub.store.tables import live_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions, in what order; None asks for nothing."""

    statuses: tuple[Status, ...] = ()
    expert_id: str | None = None
    course_id: str | None = None
    free: bool | None = None
    available: bool | None = None
    starts_after: datetime | None = None
    starts_before: datetime | None = None
    q: str | None = None
    sort: str = "startsAt"


ORDERS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "startsAt": (live_sessions.c.starts_at, live_sessions.c.id),
    "-startsAt": (live_sessions.c.starts_at.desc(), live_sessions.c.id.desc()),
    "createdAt": (live_sessions.c.created_at, live_sessions.c.id),
    "-createdAt": (live_sessions.c.created_at.desc(), live_sessions.c.id.desc()),
    "-live": (live_sessions.c.live.desc(), live_sessions.c.id.desc()),
}

BOOKABLE_VALUES = sorted(status.value for status in BOOKABLE)
_table = live_sessions.c
_has_room = and_(
    _table.status.in_(BOOKABLE_VALUES), or_(_table.max_participants.is_(None), seats_taken < _table.max_participants)
)
_mentions = or_(
    *(
        func.lower(column).like(func.lower(bindparam("q")), escape="/")
        for column in (_table.title, _table.description, _table.instructor)
    )
)
# What each filter asks of a row; a filter that is a truth value stands for its opposite too.
CONDITIONS: dict[str, ColumnElement[bool]] = {
    "expert_id": _table.expert_id == bindparam("expert_id"),
    "course_id": _table.course_id == bindparam("course_id"),
    "free": _table.price_amount.is_(None),
    "available": _has_room,
    "starts_after": _table.starts_at >= bindparam("starts_after"),
    "starts_before": _table.starts_at < bindparam("starts_before"),
    "q": _mentions,
}


@lru_cache(maxsize=512)
def _queries(
    statuses: tuple[Status, ...], shape: tuple[tuple[str, bool], ...], sort: str
) -> tuple[Select[*tuple[Any, ...]], Select[int]]:
    """The page's query and the count's for filters of this shape; building them costs more than running them."""
    conditions = [CONDITIONS[name] if wanted else ~CONDITIONS[name] for name, wanted in shape]
    if statuses:
        conditions.append(or_(*(_table.status == status.value for status in statuses)))
    columns = (live_sessions.c.id, live_sessions.c.revision, seats_taken)
    rows = select(*columns).where(*conditions).order_by(*ORDERS[sort])
    total = select(func.count()).select_from(live_sessions).where(*conditions)
    return rows.limit(bindparam("limit")).offset(bindparam("offset")), total


def sessions_page(
    connection: Connection, wanted: SessionFilter, page: Page, now: datetime, viewer: str | None = None
) -> tuple[list[Seen], int]:
    """One page of sessions as `viewer` (a user id) sees them, and how many there are in all."""
    asked = {name: value for name in CONDITIONS if (value := getattr(wanted, name)) not in (None, ())}
    shape = tuple((name, value is not False) for name, value in asked.items())
    rows_query, total_query = _queries(wanted.statuses, shape, wanted.sort)
    values: dict[str, Any] = {name: value for name, value in asked.items() if not isinstance(value, bool)}
    values["now"] = now
    if wanted.q is not None:
        values["q"] = f"%{_literally(wanted.q)}%"
    rows = connection.execute(rows_query, {**values, "limit": page.limit, "offset": page.offset}).all()
    recent = Recent.of(connection)
    found = {session_id: (revision, seats) for session_id, revision, seats in rows}
    sessions = recent.sessions(found, partial(sessions_with_seats, connection, now))
    bookings = bookings_of(connection, viewer, found, now)
    seen = [Seen(session, seats, bookings.get(session.id)) for session, seats in sessions.values()]

    def ask() -> int:
        return connection.execute(total_query, values).scalar_one()

    if wanted.available is not None:  # the clock moves this count without any commit
        return seen, ask()
    return seen, recent.count(connection, (wanted.statuses, shape, *map(str, asked.values())), ask)


def _literally(words: str) -> str:
    for letter in "/%_":
        words = words.replace(letter, f"/{letter}")
    return words
