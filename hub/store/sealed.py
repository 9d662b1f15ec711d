"""What is sealed of sessions, for sealing it anew: a batch in one transaction, and nothing but the sealed texts."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, or_, select, update

from hub.domain.model import Session
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
