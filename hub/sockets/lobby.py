"""What all connections of this process share, and who they are."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from hub import views
from hub.limits import Crowd, Rate
from hub.presence import Presence
from hub.rooms import Rooms
from hub.sockets.closing import RESTART, Close
from hub.sockets.messages import Drain
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
    messages: Rate[str]
    people: Crowd[str]
    addresses: Crowd[str]
    total: Crowd[None]
    allowed_origins: frozenset[str]
    draining: bool = False
    connections: set[Closable] = field(default_factory=set)

    def may_talk(self, connection_id: str) -> bool:
        """Count one message of a connection; False when it sends too many."""
        return self.messages.wait(connection_id, time.monotonic()) == 0

    def send_home(self, window: float) -> None:
        """Tell everyone to come back within `window` seconds, each at a moment of its own, and close."""
        for connection in list(self.connections):
            connection.send(Drain(reconnect_in=round(random.uniform(0, window), 1)))
            connection.close(RESTART)
