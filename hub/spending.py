"""One request rate for a person or an address, whichever processes they ask: each tells the others what was spent.

Every process decides by its own buckets, at once. What it gave it tells the others a fifth of a second later, and as
soon as someone has taken a twentieth of a minute's worth; they take it out of theirs, below nothing if need be. So who
asks N processes as fast as they can has, before all of them know, (N - 1) twentieths too many, and what is under way
meanwhile; it is paid back by waiting. While others can't be reached nothing is told, then or later, and each process
goes by its own buckets: what lay in a frozen server for over two seconds is not taken out any more.

A note is the time by its process's own clock, and for each key twelve bytes of its keyed hash and how many.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from hub.bus import Bus
from hub.limits import Rate, Standing

TELL_SECONDS = 0.2
SHARE = 20
"""A part of the limit that is told at once."""
KEY_BYTES = 12
MOST_PROCESSES = 1_000
"""Whose clocks are remembered."""
LATE_SECONDS = 2.0
DRIFT = 0.001
"""By how much two clocks may differ in their pace."""
_TIME = struct.Struct("<Q")
_SPENT = struct.Struct(f"<{KEY_BYTES}sI")


@dataclass(slots=True)
class Other:
    """Another process: the time of its last note by its own clock, in microseconds, and when that came by this one's;
    and the least that was ever between the two, in seconds: what is more is delay."""

    sent: int
    came: float
    least: float

    def hear(self, sent: int, now: float) -> bool:
        """Whether a note that was sent then is news, and in time."""
        if sent <= self.sent:
            return False
        between = now - sent / 1e6
        self.least = min(between, self.least + (now - self.came) * DRIFT)
        self.sent, self.came = sent, now
        return between - self.least <= LATE_SECONDS


class Spending:
    """A rate that all processes on a bus share."""

    def __init__(self, per_minute: int, bus: Bus, secret: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        """`secret`, 64 bytes at most, keeps who they are from whoever listens on the bus; `clock` is in seconds."""
        self._rate: Rate[bytes] = Rate(per_minute)
        self._bus = bus
        self._secret = secret
        self._soon = max(1, per_minute // SHARE)
        self._untold: dict[bytes, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._clock = clock
        self._told = 0
        self._others: OrderedDict[bytes, Other] = OrderedDict()
        bus.overhear(self.hear)

    def take(self, kind: str, who: str) -> Standing:
        """Take one of theirs now, if it may be; needs the event loop."""
        key = self._key(kind, who)
        standing = self._rate.take(key, self._clock())
        if not standing.wait:
            spent = self._untold[key] = self._untold.get(key, 0) + 1
            if spent >= self._soon:
                self.tell()
            elif self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(TELL_SECONDS, self.tell)
        return standing

    def tell(self) -> None:
        """Tell the others what was spent here since the last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        untold, self._untold = self._untold, {}
        self._told = max(self._told + 1, int(self._clock() * 1e6))
        spent = [_SPENT.pack(key, count) for key, count in untold.items()]
        self._bus.whisper(b"".join((_TIME.pack(self._told), *spent)))

    def hear(self, origin: bytes, note: bytes) -> None:
        """Another process spent this. What was heard already, comes late, or is no such note counts for nothing."""
        if len(note) % _SPENT.size != _TIME.size:
            return
        now, (sent,) = self._clock(), _TIME.unpack_from(note)
        if self._is_news(origin, sent, now):
            for key, count in _SPENT.iter_unpack(memoryview(note)[_TIME.size :]):
                self._rate.spend(key, count, now)

    def _is_news(self, origin: bytes, sent: int, now: float) -> bool:
        other = self._others.get(origin)
        if other is not None:
            self._others.move_to_end(origin)
            return other.hear(sent, now)
        self._others[origin] = Other(sent, now, now - sent / 1e6)
        if len(self._others) > MOST_PROCESSES:
            self._others.popitem(last=False)
        return True

    def _key(self, kind: str, who: str) -> bytes:
        name = f"{kind}:{who}".encode()
        return hashlib.blake2b(name, digest_size=KEY_BYTES, key=self._secret, person=b"hub.rate").digest()
