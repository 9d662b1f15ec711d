"""Signs of life: every peer is pinged now and then, and one that shows none is given up. One timer for all of them."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Protocol

from hub.sockets.wheel import Slotted, Wheel

GRAIN_SECONDS = 0.5
"""How exactly a peer's turn comes, where intervals are long."""


class Peer(Slotted, Protocol):
    """Someone who is listened for. `heard` and `pinged` are times of the event loop."""

    heard: float
    pinged: float
    """When it was asked for a sign of life; 0.0 while nothing is asked."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def silent(self) -> None:
        """None came."""


class Pulse(Wheel[Peer]):
    """Asks each peer every `interval` seconds, and gives it `timeout` seconds to be heard, by whatever it sends."""

    def __init__(self, interval: float, timeout: float) -> None:
        grain = min(GRAIN_SECONDS, interval / 8, timeout / 8)
        super().__init__(math.ceil(max(interval, timeout) / grain) + 2, grain)
        self.interval = interval
        self.timeout = timeout

    def add(self, peer: Peer) -> None:
        """Listen for `peer`; it is first asked at a random moment, lest all who came at once are asked at once."""
        self._enter(peer, self._turns(random.uniform(self.interval / 2, self.interval)))

    def _turns(self, seconds: float) -> int:
        return max(1, min(len(self._slots) - 1, math.ceil(seconds / self._grain)))

    def _came_to(self, peers: set[Peer]) -> None:
        due, now = tuple(peers), asyncio.get_running_loop().time()
        peers.clear()  # each is placed anew
        for peer in due:
            if peer.slot == self._at:  # else it has gone since this turn began
                self._look(peer, now)

    def _look(self, peer: Peer, now: float) -> None:
        if peer.pinged:
            if peer.heard < peer.pinged:
                self.discard(peer)
                peer.silent()
                return
            left = peer.pinged + self.interval - now
            peer.pinged = 0.0
            if left > self._grain / 2:
                self._place(peer, self._turns(left))
                return
        peer.ping()
        peer.pinged = now
        self._place(peer, self._turns(self.timeout))
