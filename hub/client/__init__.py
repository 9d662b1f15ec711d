"""A client of the hub, for other programs: one socket that comes back by itself.

    async with connect("http://127.0.0.1:8000", token=fresh_token) as hub:
        visit = await hub.join(12)
        async for state in hub.watch(12):
            print(state.live)

It comes back after every end that is one to come back from, when the hub says or with full jitter, and says again what
is wanted: who we are, by a fresh token; what is joined; what is watched. Knows nothing of the server it comes with.
"""

from __future__ import annotations

from functools import partial

from hub.client.address import address
from hub.client.hub import Hub, Token
from hub.client.lines import Dial, Ear, Line, WebSocketLine
from hub.client.streams import Catalog, Watch
from hub.client.told import (
    CatalogChanged,
    Connection,
    Ejected,
    Event,
    Identity,
    Joined,
    Meeting,
    Missing,
    Person,
    PersonChanged,
    Refusal,
    Refused,
    RosterChanged,
    SessionState,
    Visit,
)

__all__ = [
    "Catalog",
    "CatalogChanged",
    "Connection",
    "Dial",
    "Ear",
    "Ejected",
    "Event",
    "Hub",
    "Identity",
    "Joined",
    "Line",
    "Meeting",
    "Missing",
    "Person",
    "PersonChanged",
    "Refusal",
    "Refused",
    "RosterChanged",
    "SessionState",
    "Token",
    "Visit",
    "Watch",
    "connect",
]


def connect(url: str = "http://127.0.0.1:8000", *, token: Token | None = None) -> Hub:
    """A hub's client, to be used by `async with`. `url` is http(s)://host, or the whole address ws(s)://host/ws.

    `token` answers a fresh token, or None for a watcher; it may be async. It is asked at each connect, and in time
    before the present token ends. While it raises, or has not answered after 15 s, we watch as nobody, and it is asked
    again and again. A token is never in the address. Raises ValueError for a url that is none.
    """
    return Hub(partial(WebSocketLine, address(url)), token)
