"""What clients say and what they are answered, typed; the WebSocket's reference is made from these."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub import news, strictjson, views
from hub.domain.people import Role
from hub.errors import Fault, HubError, InvalidInput
from hub.wording import told

MessageId = Annotated[str, Meta(max_length=128)] | Annotated[int, Meta(ge=-(2**53), le=2**53)] | float | None
SessionId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
WATCH_AT_ONCE = 100


class ClientMessage(Struct, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """What a client says; `id` comes back on the answer."""

    id: MessageId = None


class Auth(ClientMessage, tag="auth"):
    """Say who you are, or renew it. Another person's token is refused."""

    token: str


class Watch(ClientMessage, tag="watch"):
    """Follow sessions, the catalog, or both."""

    sessions: Annotated[list[SessionId], Meta(max_length=WATCH_AT_ONCE)] = []
    catalog: bool = False


class Unwatch(ClientMessage, tag="unwatch"):
    """Stop following."""

    sessions: Annotated[list[SessionId], Meta(max_length=WATCH_AT_ONCE)] = []
    catalog: bool = False


class Join(ClientMessage, tag="join"):
    """Be present in a session."""

    session: SessionId


class Leave(ClientMessage, tag="leave"):
    """Be present no longer."""

    session: SessionId


class AskRoster(ClientMessage, tag="roster"):
    """Ask for the roster again."""

    session: SessionId


class Ping(ClientMessage, tag="ping"):
    """Ask whether the other side is there."""


Incoming = Auth | Watch | Unwatch | Join | Leave | AskRoster | Ping


class Welcome(views.View, tag_field="type", tag="welcome"):
    """The first message of every connection."""

    connection: str
    server_time: views.Instant
    protocol: int = 1


class Ok(views.View, tag_field="type", tag="ok"):
    """Done. Beside `id` come `user`, `role` and `expiresAt` after `auth`; `missing` after `watch`; `participant`
    (this connection's visit id) and `meeting` after `join`."""

    id: MessageId
    user: str | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    expires_at: views.Instant | UnsetType = UNSET
    missing: list[int] | UnsetType = UNSET
    participant: str | UnsetType = UNSET
    meeting: views.Meeting | UnsetType | None = UNSET


class Error(views.View, tag_field="type", tag="error"):
    """Refused; the socket stays open. With `session` and no `id` it is news: the seat that a join rested on is gone."""

    id: MessageId
    code: str
    message: str
    session: int | UnsetType = UNSET


class Pong(views.View, tag_field="type", tag="pong"):
    """The answer to `ping`."""

    id: MessageId


class Expiring(views.View, tag_field="type", tag="expiring"):
    """The token ends in so many seconds: renew it with `auth`."""

    in_: int = msgspec.field(name="in")


class Drain(views.View, tag_field="type", tag="drain"):
    """The hub restarts: come back after so many seconds; your presence is held meanwhile."""

    reconnect_in: float


Outgoing = (
    Welcome
    | Ok
    | Error
    | Pong
    | Expiring
    | Drain
    | news.SessionMessage
    | news.RosterMessage
    | news.PresenceMessage
    | news.CatalogMessage
)

_decode = msgspec.json.Decoder(Incoming).decode  # typed from text: a third of what converting the parsed value costs

TYPES = {kind.__struct_config__.tag: kind for kind in Incoming.__args__}


def read(text: str) -> Incoming:
    """The message in a text frame; raises InvalidInput."""
    value = strictjson.parse(text)
    if not isinstance(value, dict):
        raise InvalidInput("A message must be one JSON object.")
    try:
        message: Incoming = _decode(text)
        return message
    except msgspec.ValidationError as error:
        if not isinstance(value.get("type"), str) or value["type"] not in TYPES:
            known = ", ".join(sorted(map(str, TYPES)))
            raise _refusal(value, f"`type` must be one of: {known}", "/type") from None
        raise _refusal(value, *told(str(error))) from None


def _refusal(value: dict[str, Any], detail: str, pointer: str) -> InvalidInput:
    refusal = InvalidInput(f"The message is not valid: {detail}.", errors=[Fault(pointer, detail)])
    refusal.members["id"] = readable_id(value.get("id"))
    return refusal


def readable_id(value: Any) -> MessageId:
    """`value` if a client may use it as an id, else None."""
    if isinstance(value, str):
        return value if len(value) <= 128 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= 2**53 else None


def error(refusal: HubError, message_id: MessageId = None, session: int | UnsetType = UNSET) -> Error:
    """How a refusal is told."""
    return Error(id=refusal.members.get("id", message_id), code=refusal.code, message=refusal.message, session=session)
