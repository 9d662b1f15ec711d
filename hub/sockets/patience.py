"""How long a peer may take over a request and its answer. One timer looks at all of them, an eighth at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

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


class Peer(Protocol):
    """Someone who is waited for."""

    slot: int
    """In which eighth it is, -1 for none: the watch's own note."""

    def look(self, now: float) -> None:
        """The time by the watch, for the peer to see whether it is late."""


class Watch:
    """Lets each peer look at the time. A peer costs a place in a set, and a request nothing but to note the time.

    Turns are counted, not the clock: to a process that was frozen nobody is late.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.now = 0.0
        self._grain = min(GRAIN_SECONDS, min(bounds.head, bounds.body, bounds.take) / (5 * SLOTS))
        self._slots: list[set[Peer]] = [set() for _ in range(SLOTS)]
        self._at = 0
        self._peers = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, peer: Peer) -> None:
        """Let it look from now on, first when all others have."""
        if self._timer is None:
            self._wait()
        self._peers += 1
        peer.slot = self._at
        self._slots[self._at].add(peer)

    def discard(self, peer: Peer) -> None:
        """No more."""
        if peer.slot < 0:
            return
        self._slots[peer.slot].discard(peer)
        peer.slot = -1
        self._peers -= 1
        if not self._peers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._grain, self._turn)

    def _turn(self) -> None:
        self._wait()
        self.now += self._grain
        self._at = (self._at + 1) % SLOTS
        for peer in tuple(self._slots[self._at]):
            peer.look(self.now)
