"""What the hub tells, typed: states, people, and all that a listener may be told. Instants are in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct


class Told(Struct, frozen=True, rename="camel"):
    """The base of all that is told; as JSON, members are named as in the hub's messages."""


class SessionState(Told, frozen=True, tag_field="type", tag="session"):
    """A session's whole public state at `revision`. Told newer each time, never the same twice.

    `live` people are present now, `participants` seats of `max_participants` (None: no limit) are taken. Only the first
    one of a new connection may be older than the last one told: the hub's database may have been set back.
    """

    session: int
    revision: int
    status: str
    live: int
    peak_live: int
    participants: int
    max_participants: int | None
    starts_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.status in ("ended", "cancelled")


class Person(Told, frozen=True):
    """Someone who is present."""

    id: str
    name: str
    role: str
    joined_at: datetime


class Meeting(Told, frozen=True):
    """Where the session takes place."""

    url: str | None
    password: str | None

    def __repr__(self) -> str:
        return "Meeting(...)"  # for those who may see it, which a log is not


class Visit(Told, frozen=True):
    """That we are in a session: our visit's id, and the meeting while we may see it."""

    participant: str
    meeting: Meeting | None


class Identity(Told, frozen=True):
    """Who the hub knows us as, until when."""

    user: str
    role: str
    expires_at: datetime


class Connection(Told, frozen=True):
    """The connection changed. `connecting` first; `open` once the hub has welcomed us and, with a token, knows us;
    `waiting` for `retry_in` seconds from when it was told; `stopped` for good, by us (`code` None) or sent away.

    `code` is of the close that ended the last connection (RFC 6455 §7.4), `reason` says it in words.
    """

    name: Literal["connecting", "open", "waiting", "stopped"]
    retry_in: float | None = None
    code: int | None = None
    reason: str | None = None


class PersonChanged(Told, frozen=True):
    """Who the hub knows us as changed; None: as nobody, and anyone may watch."""

    person: Identity | None


class RosterChanged(Told, frozen=True):
    """Who is present changed: `people` by id, in order of arrival; None when the hub shows it to us no more."""

    session: int
    people: Mapping[str, Person] | None
    joined: tuple[Person, ...] = ()
    left: tuple[Person, ...] = ()


class CatalogChanged(Told, frozen=True):
    """A session was created, edited, started, ended or cancelled: as in REST, without the caller's own members."""

    session: Mapping[str, Any]


class Missing(Told, frozen=True):
    """A session that is to be watched can't be: it does not exist (`not_found`), or the hub said no."""

    session: int
    code: str
    message: str


class Joined(Told, frozen=True):
    """We are in this session; `again` after a reconnect."""

    session: int
    visit: Visit
    again: bool


class Ejected(Told, frozen=True):
    """We are out of this session without having asked: over, seat cancelled, or not let in again."""

    session: int
    code: str
    message: str


class Refused(Told, frozen=True):
    """The token was refused or ended, and there was no better one: we go on as a watcher."""

    code: str
    message: str


Event = (
    Connection | PersonChanged | SessionState | RosterChanged | CatalogChanged | Missing | Joined | Ejected | Refused
)

UNREACHABLE = "unreachable"


class Refusal(Exception):
    """What the hub refused: `code` as in its REST answers, or `unreachable`: not connected, or no answer."""

    def __init__(self, code: str, message: str, session: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.session = session
