"""What is sealed of sessions, for sealing it anew: a batch in one transaction, and nothing but the sealed texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from hub.domain.model import Session, Status
from hub.store.mapping import session_of
from hub.store.tables import live_sessions

_columns = live_sessions.c
# Locked as the ledger locks them, in the order of their ids: an edit is before this or after it, never between.
STALE = (
    select(live_sessions)
    .where(
        _columns.id > bindparam("after"),
        or_(
            _columns.meeting_url.is_not(None),
            _columns.sealed_url.not_like(bindparam("own")),
            _columns.sealed_password.not_like(bindparam("own")),
        ),
    )
    .order_by(_columns.id)
    .limit(bindparam("most"))
    .with_for_update()
)
SEALED = (
    update(live_sessions)
    .where(_columns.id == bindparam("row_id"))
    .values(
        meeting_url=bindparam("meeting_url"),
        sealed_url=bindparam("sealed_url"),
        sealed_password=bindparam("sealed_password"),
    )
)


def reseal(
    connection: Connection, *, after: int, most: int, key_id: str, seal: Callable[[Session], bool]
) -> dict[int, bool]:
    """Have `seal` change the next `most` sessions after `after` that hold anything not sealed with `key_id`.

    Revision and version stay: nobody sees a difference. Answers what `seal` said of each, in the order of their ids;
    nothing when there are no more.
    """
    asked = {"after": after, "most": most, "own": f"{key_id}.%"}
    found = [session_of(row) for row in connection.execute(STALE, asked)]
    answers = {session.id: seal(session) for session in found}
    rows = [
        {
            "row_id": session.id,
            "meeting_url": session.meeting_url,
            "sealed_url": session.sealed_url,
            "sealed_password": session.sealed_password,
        }
        for session in found
    ]
    if rows:
        connection.execute(SEALED, rows)
    return answers


@dataclass(frozen=True, slots=True)
class Waiting:
    """Sessions that hold something not sealed with the own key, and those of them that no key opens.

    `ahead` are those of the latter that are not over: people will want to know where they take place.
    """

    stale: int
    lost: int
    ahead: int


def waiting(connection: Connection, key_ids: Sequence[str], own: str) -> Waiting:
    """How many wait for `reseal`, told by the names of the keys alone: `own` seals, `key_ids` open."""
    sealed = (_columns.sealed_url, _columns.sealed_password)
    stale = or_(_columns.meeting_url.is_not(None), *(column.not_like(f"{own}.%") for column in sealed))
    lost = or_(*(and_(*(column.not_like(f"{key_id}.%") for key_id in key_ids)) for column in sealed))
    ahead = and_(lost, _columns.status.in_([Status.SCHEDULED.value, Status.ACTIVE.value]))
    counts = (func.count().filter(one) for one in (stale, lost, ahead))
    found = connection.execute(select(*counts).select_from(live_sessions)).one()
    return Waiting(found[0], found[1], found[2])
