"""What each message looks like: the examples of the socket's reference. All speak of one session, and fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from hub import news, samples, views
from hub.domain.people import Role
from hub.errors import NotBooked
from hub.sockets import messages

Example = tuple[str, Any]
"""When it is said, and the message: as a client writes it, without what may be left out, or as the hub tells it."""

SESSION = samples.ACTIVE.id
TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9…"  # nosec B105  # an example, no token
_ROSTER = samples.ACTIVE.revision - 1

SAID: Mapping[type[Any], Sequence[Example]] = {
    messages.Auth: [("Who I am", {"type": "auth", "id": 1, "token": TOKEN})],
    messages.Watch: [
        ("Two sessions", {"type": "watch", "id": 2, "sessions": [SESSION, 999]}),
        ("The catalog", {"type": "watch", "id": 3, "catalog": True}),
    ],
    messages.Unwatch: [("One of them", {"type": "unwatch", "id": 4, "sessions": [SESSION]})],
    messages.Join: [("Enter", {"type": "join", "id": 5, "session": SESSION})],
    messages.Leave: [("Go", {"type": "leave", "id": 6, "session": SESSION})],
    messages.AskRoster: [("Who is here?", {"type": "roster", "id": 7, "session": SESSION})],
    messages.Ping: [("Are you there?", {"type": "ping", "id": 8})],
}

TOLD: Mapping[type[Any], Sequence[Example]] = {
    messages.Welcome: [
        ("At first", messages.Welcome(connection="01b8fb99a2409f2e61b07c3dd8451a24", server_time=samples.STARTED))
    ],
    messages.Ok: [
        (
            "To auth",
            messages.Ok(id=1, user=samples.AMINA.id, role=Role.STUDENT, expires_at=samples.ENDED + timedelta(hours=2)),
        ),
        ("To watch: one of the two does not exist", messages.Ok(id=2, missing=[999])),
        ("To join", messages.Ok(id=5, participant=samples.VISIT_ID, meeting=samples.MEETING)),
        ("To leave, and to unwatch", messages.Ok(id=6)),
    ],
    messages.Error: [
        (
            "To a join without a seat",
            messages.error(NotBooked(), 5),
        ),
    ],
    messages.Pong: [("To ping", messages.Pong(id=8))],
    messages.Expiring: [("A minute before the token ends", messages.Expiring(in_=60))],
    messages.Drain: [("Before a restart", messages.Drain(reconnect_in=3.2))],
    news.SessionMessage: [("The whole public state", samples.state())],
    news.RosterMessage: [
        (
            "After join",
            news.RosterMessage(session=SESSION, revision=_ROSTER, participants=[samples.present(samples.AMINA, -40)]),
        ),
    ],
    news.PresenceMessage: [
        (
            "Ben came, someone went",
            news.PresenceMessage(
                session=SESSION,
                revision=samples.ACTIVE.revision,
                previous=_ROSTER,
                joined=[samples.present(samples.BEN, 65)],
                left=[views.GoneView(id="s-7")],
            ),
        ),
    ],
    news.CatalogMessage: [
        ("A session was started", news.CatalogMessage(session=views.listing(samples.ACTIVE, samples.ACTIVE.confirmed))),
    ],
}


def of(kind: type[Any]) -> list[dict[str, Any]]:
    """The examples of one kind of message, as AsyncAPI lists them."""
    return [{"summary": when, "payload": message} for when, message in {**SAID, **TOLD}[kind]]
