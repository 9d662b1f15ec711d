"""How long a peer may take over a request and its answer. One timer looks at all of them, an eighth at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hub.sockets.wheel import Slotted, Wheel

SLOTS = 8
GRAIN_SECONDS = 0.25
"""From one eighth to the next, where bounds are long: each peer is looked at every two seconds."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds; what is over is noticed two seconds later at most."""

    head: float = 10.0
    """From connecting, and then from its first octet, until a request's head is whole."""
    body: float = 30.0
    """From then until its body is."""
    take: float = 20.0
    """How long a peer may take nothing to speak of, of what lies here for it."""


class Peer(Slotted, Protocol):
    """Someone who is waited for."""

    def look(self, now: float) -> None:
        """The time by the watch, for the peer to see whether it is late."""


class Watch(Wheel[Peer]):
    """Lets each peer look at the time. A request costs nothing but to note it."""

    def __init__(self, bounds: Bounds) -> None:
        shortest = min(bounds.head, bounds.body, bounds.take)
        super().__init__(SLOTS, min(GRAIN_SECONDS, shortest / (5 * SLOTS)))
        self.bounds = bounds
        self.now = 0.0

    def add(self, peer: Peer) -> None:
        """Let it look from now on, first when all others have."""
        self._enter(peer, 0)

    def _came_to(self, peers: set[Peer]) -> None:
        self.now += self._grain
        for peer in tuple(peers):
            peer.look(self.now)
