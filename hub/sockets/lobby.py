"""What all connections of this process share, and who they are."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Protocol

from hub import views
from hub.audit import Audit
from hub.limits import Crowd, Pace, Rate
from hub.presence import Presence
from hub.rooms import Rooms
from hub.sockets.closing import RESTART, Close
from hub.sockets.messages import Drain
from hub.tally import Traffic
from hub.tokens import Tokens


class Closable(Protocol):
    """A connection, as the lobby needs it."""

    def send(self, message: views.View) -> None:
        """Tell the client."""

    def close(self, close: Close) -> None:
        """End the socket."""


@dataclass(slots=True, kw_only=True)
class Lobby:
    """The services behind the sockets, and their limits."""

    tokens: Tokens
    presence: Presence
    rooms: Rooms
    clock: Callable[[], datetime]
    max_message_bytes: int
    messages: Pace
    noise: Pace
    """Of frames that are no messages."""
    visits: Rate[str] | None
    """That a person begins, on however many sockets one after the other: each is a change, and a line of the log."""
    people: Crowd[str]
    addresses: Crowd[str]
    total: Crowd[None]
    allowed_origins: frozenset[str]
    audit: Audit
    traffic: Traffic = field(default_factory=Traffic)
    present: Crowd[str] = field(default_factory=lambda: Crowd(None))
    """In a session, by a socket that is open."""
    draining: bool = False
    connections: set[Closable] = field(default_factory=set)
    batches: int = 20
    """In how many batches a drain sends people home, at most."""
    fewest: int = 50
    """How many it sends at once, at least."""

    async def drain(self, window: float, seconds: float, hurried: Callable[[], bool]) -> None:
        """Let nobody in any more, and send everyone home in batches over `seconds`; at once as soon as `hurried`.

        Everyone who went at the same instant would do all that a leave costs at the same instant, here and in the
        processes that they come back to.
        """
        self.draining = True
        batch = max(self.fewest, math.ceil(len(self.connections) / self.batches))
        while self.connections:
            self.send_home(window, batch)
            if self.connections and not hurried():
                await asyncio.sleep(seconds / self.batches)

    def send_home(self, window: float, most: int | None = None) -> None:
        """Tell `most` (None: all) to come back within `window` seconds, each at a moment of its own, and close."""
        for connection in list(islice(self.connections, most)):
            connection.send(Drain(reconnect_in=round(random.uniform(0, window), 1)))
            connection.close(RESTART)
