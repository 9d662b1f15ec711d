"""What lies unsent for a slow peer: whether it takes any of it, and how much it may still ask for. Pure."""

from __future__ import annotations

MOST_ASKED = 512 * 1024
"""Octets of answers to a peer that is slow already, at which it is ended at once: it asks and asks and never reads."""
LOOKS = 4
"""How often in a time-out it is looked whether it takes any."""
MOST_LOOKS = 4 * LOOKS
"""For how long it may stay slow, though it takes some: what it sees is as old as that."""
LEAST_TAKEN = 1024
"""Octets that it must take in a time-out to stay."""


class Backlog:
    """Kept from the moment that a peer is slow until it is no longer."""

    __slots__ = ("_asked", "_idle", "_looks", "_taken")

    def __init__(self, unsent: int) -> None:
        """`unsent` octets lie here now."""
        self._asked = 0
        self._taken = -unsent
        self._idle = 0
        self._looks = 0

    def grow(self, octets: int) -> bool:
        """So much more is to be sent; False when that is too much."""
        self._asked += octets
        return self._asked <= MOST_ASKED

    def look(self, unsent: int) -> bool:
        """Whether it took some since it last did, when `unsent` octets lie here now."""
        taken = self._asked - unsent
        self._looks += 1
        self._idle += 1
        if taken < self._taken + LEAST_TAKEN:
            return False
        self._taken, self._idle = taken, 0
        return True

    @property
    def stuck(self) -> bool:
        """Whether it took nothing in a whole time-out of looks, or takes too long over it."""
        return self._idle >= LOOKS or self._looks >= MOST_LOOKS
