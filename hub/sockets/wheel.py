"""One timer for many peers: each lies in a slot of a wheel, and has its turn when the wheel comes to it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar


class Slotted(Protocol):
    """Someone who lies in a wheel."""

    slot: int
    """Where, -1 for nowhere: the wheel's own note."""


P = TypeVar("P", bound=Slotted)


class Wheel(ABC, Generic[P]):
    """A peer costs a place in a set, and no timer. While there are any, it turns by a slot every `grain` seconds.

    Turns are counted, not the clock: a process that was frozen gives everyone as many as ever.
    """

    def __init__(self, slots: int, grain: float) -> None:
        self._grain = grain
        self._slots: list[set[P]] = [set() for _ in range(slots)]
        self._at = 0
        self._peers = 0
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def _came_to(self, peers: set[P]) -> None:
        """The wheel has come to the slot of these."""

    def discard(self, peer: P) -> None:
        """Let it lie here no more."""
        if peer.slot < 0:
            return
        self._slots[peer.slot].discard(peer)
        peer.slot = -1
        self._peers -= 1
        if not self._peers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _enter(self, peer: P, turns: int) -> None:
        """A new peer, whose slot comes after so many turns."""
        if self._timer is None:
            self._wait()
        self._peers += 1
        self._place(peer, turns)

    def _place(self, peer: P, turns: int) -> None:
        peer.slot = (self._at + turns) % len(self._slots)
        self._slots[peer.slot].add(peer)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._grain, self._turn)

    def _turn(self) -> None:
        self._wait()
        self._at = (self._at + 1) % len(self._slots)
        self._came_to(self._slots[self._at])
