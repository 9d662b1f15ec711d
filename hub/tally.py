"""Plain counts, kept where things happen and read when somebody asks: a delivery must not pay for being counted."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for whatever takes a while, in seconds."""

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})
KNOWN_ENDS = frozenset({1000, 1001, 1002, 1005, 1006, 1007, 1009})
"""Close codes that are told apart where they are not ours: a peer may say any other number (RFC 6455 §7.4)."""
OTHER = "other"
"""What a caller chose freely, all together."""


class Spread:
    """How values are spread: `counts[i]` of them are at most `bounds[i]`, the last of them more; `total` is the sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        """`bounds` ascend."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class Deliveries:
    """What became of the messages that rooms had for those who listen."""

    sent: int = 0

    conflated: int = 0
    """Not sent to a slow reader, since a newer one took its place."""

    dropped: int = 0
    """Kept for a slow reader that was gone, or had no right to it any more, before it caught up."""


@dataclass(slots=True)
class Traffic:
    """What passes the doors of one process. No key holds anything that a caller may choose."""

    sockets: Deliveries = field(default_factory=Deliveries)
    streams: Deliveries = field(default_factory=Deliveries)

    closes: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Sockets that ended, by close code."""

    slow_closes: int = 0
    """Those of them that took too little or showed no sign of life."""

    refusals: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By where it was refused (`http`, `handshake`, `message`) and its code."""

    answers: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By method, route and status."""

    answer_seconds: dict[tuple[str, ...], Spread] = field(default_factory=dict)
    """Until an answer began, by method and route."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """An answer began, `seconds` after its request; `route` is a template, or another word of ours."""
        asked = method if method in METHODS else OTHER, route
        self.answers[*asked, str(status)] += 1
        spread = self.answer_seconds.get(asked)
        if spread is None:
            spread = self.answer_seconds[asked] = Spread()
        spread.add(seconds)

    def closed(self, code: int, *, ours: bool, slow: bool) -> None:
        """A socket ended by this close code, one of our own table or whatever came from elsewhere."""
        self.closes[(str(code) if ours or code in KNOWN_ENDS else OTHER),] += 1
        self.slow_closes += slow
