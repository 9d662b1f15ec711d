"""Signs of life: every peer is pinged now and then, and one that shows none is given up. One timer for all of them."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Protocol

GRAIN_SECONDS = 0.5
"""How exactly a peer's turn comes, where intervals are long."""


class Peer(Protocol):
    """Someone who is listened for. `heard` and `pinged` are times of the event loop."""

    heard: float
    pinged: float
    """When it was asked for a sign of life; 0.0 while nothing is asked."""
    slot: int
    """Where its turn is, -1 for nowhere: the pulse's own note."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def silent(self) -> None:
        """None came."""


class Pulse:
    """Asks each peer every `interval` seconds, and gives it `timeout` seconds to be heard, by whatever it sends.

    Peers lie in slots of a wheel, each where its turn will come: a peer costs a place in a set, and no timer.
    """

    def __init__(self, interval: float, timeout: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self._grain = min(GRAIN_SECONDS, interval / 8, timeout / 8)
        size = math.ceil(max(interval, timeout) / self._grain) + 2
        self._slots: list[set[Peer]] = [set() for _ in range(size)]
        self._at = 0
        self._timer: asyncio.TimerHandle | None = None
        self._peers = 0

    def add(self, peer: Peer) -> None:
        """Listen for `peer`; it is first asked at a random moment, lest all who came at once are asked at once."""
        if self._timer is None:
            self._wait(asyncio.get_running_loop())
        self._peers += 1
        self._place(peer, random.uniform(self.interval / 2, self.interval))

    def discard(self, peer: Peer) -> None:
        """Listen no more."""
        if peer.slot < 0:
            return
        self._slots[peer.slot].discard(peer)
        peer.slot = -1
        self._peers -= 1
        if not self._peers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _place(self, peer: Peer, seconds: float) -> None:
        turns = max(1, min(len(self._slots) - 1, math.ceil(seconds / self._grain)))
        peer.slot = (self._at + turns) % len(self._slots)
        self._slots[peer.slot].add(peer)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._grain, self._turn)

    def _turn(self) -> None:
        # Turns are counted, not the clock: who was frozen gives everyone as many turns as ever to be heard.
        loop = asyncio.get_running_loop()
        self._wait(loop)
        self._at = (self._at + 1) % len(self._slots)
        peers, self._slots[self._at] = self._slots[self._at], set()
        for peer in peers:
            if peer.slot == self._at:  # else it has gone since this turn began
                self._look(peer, loop.time())

    def _look(self, peer: Peer, now: float) -> None:
        if peer.pinged:
            if peer.heard < peer.pinged:
                self.discard(peer)
                peer.silent()
                return
            left = peer.pinged + self.interval - now
            peer.pinged = 0.0
            if left > self._grain / 2:
                self._place(peer, left)
                return
        peer.ping()
        peer.pinged = now
        self._place(peer, self.timeout)
