"""The hub's messages as a client reads them, and what it says. What a newer hub adds is passed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from hub.client.told import Meeting, Person, SessionState, Told


class Welcome(Told, frozen=True, tag_field="type", tag="welcome"):
    """The first message of every connection."""

    connection: str


class Ok(Told, frozen=True, tag_field="type", tag="ok"):
    """Done, with what was asked for."""

    id: Any = None
    user: str = ""
    role: str = ""
    expires_at: datetime | None = None
    missing: tuple[int, ...] = ()
    participant: str = ""
    meeting: Meeting | None = None


class Error(Told, frozen=True, tag_field="type", tag="error"):
    """Refused; with `session` and no `id` it is news: we are out of it."""

    code: str
    message: str
    id: Any = None
    session: int | UnsetType = UNSET


class Pong(Told, frozen=True, tag_field="type", tag="pong"):
    """The answer to a ping."""

    id: Any = None


class Expiring(Told, frozen=True, tag_field="type", tag="expiring"):
    """The token ends in so many seconds."""

    seconds: float = msgspec.field(name="in")


class Drain(Told, frozen=True, tag_field="type", tag="drain"):
    """The hub restarts: come back after so many seconds."""

    reconnect_in: float


class Whole(Told, frozen=True, tag_field="type", tag="roster"):
    """Everyone present at `revision`."""

    session: int
    revision: int
    participants: tuple[Person, ...]


class Gone(Told, frozen=True):
    """Someone who left."""

    id: str


class Change(Told, frozen=True, tag_field="type", tag="presence"):
    """Who came and went since `previous`."""

    session: int
    revision: int
    previous: int
    joined: tuple[Person, ...]
    left: tuple[Gone, ...]


class Catalog(Told, frozen=True, tag_field="type", tag="catalog"):
    """A session as in REST."""

    session: dict[str, Any]


Message = Welcome | Ok | Error | Pong | Expiring | Drain | SessionState | Whole | Change | Catalog

_decode = msgspec.json.Decoder(Message).decode
say = msgspec.json.Encoder().encode
"""A message of ours as JSON in UTF-8."""


def read(payload: bytes | str) -> Message | None:
    """A text frame's message; None for one that this client does not know."""
    try:
        message: Message = _decode(payload)
    except msgspec.DecodeError:
        return None
    return message
