"""One request rate for a person or an address, whichever processes they ask: each tells the others what was spent.

Every process decides by its own buckets, at once. What it gave it tells the others a fifth of a second later, and as
soon as someone has taken a twentieth of a minute's worth; they take it out of theirs, below nothing if need be. So who
asks N processes as fast as they can has, before all of them know, (N - 1) twentieths too many, and what is under way
meanwhile; it is paid back by waiting. While others can't be reached nothing is told, then or later, and each process
goes by its own buckets.

A note is a number that grows, and for each key twelve bytes of its keyed hash and how many.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import time
from collections import OrderedDict

from hub.bus import Bus
from hub.limits import Rate, Standing

TELL_SECONDS = 0.2
SHARE = 20
"""A part of the limit that is told at once."""
KEY_BYTES = 12
MOST_PROCESSES = 1_000
"""Whose numbers are remembered."""
_NUMBER = struct.Struct("<Q")
_SPENT = struct.Struct(f"<{KEY_BYTES}sI")


class Spending:
    """A rate that all processes on a bus share."""

    def __init__(self, per_minute: int, bus: Bus, secret: bytes) -> None:
        """`secret`, 64 bytes at most, keeps who they are from whoever listens on the bus."""
        self._rate: Rate[bytes] = Rate(per_minute)
        self._bus = bus
        self._secret = secret
        self._soon = max(1, per_minute // SHARE)
        self._untold: dict[bytes, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self._heard: OrderedDict[bytes, int] = OrderedDict()
        bus.overhear(self.hear)

    def take(self, kind: str, who: str) -> Standing:
        """Take one of theirs now, if it may be; needs the event loop."""
        key = self._key(kind, who)
        standing = self._rate.take(key, time.monotonic())
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
        self._number += 1
        spent = [_SPENT.pack(key, count) for key, count in untold.items()]
        self._bus.whisper(b"".join((_NUMBER.pack(self._number), *spent)))

    def hear(self, origin: bytes, note: bytes) -> None:
        """Another process spent this. What was heard already, or is no such note, counts for nothing."""
        if len(note) % _SPENT.size != _NUMBER.size:
            return
        (number,) = _NUMBER.unpack_from(note)
        if number <= self._heard.get(origin, 0):
            return
        self._heard[origin] = number
        self._heard.move_to_end(origin)
        if len(self._heard) > MOST_PROCESSES:
            self._heard.popitem(last=False)
        now = time.monotonic()
        for key, count in _SPENT.iter_unpack(memoryview(note)[_NUMBER.size :]):
            self._rate.spend(key, count, now)

    def _key(self, kind: str, who: str) -> bytes:
        name = f"{kind}:{who}".encode()
        return hashlib.blake2b(name, digest_size=KEY_BYTES, key=self._secret, person=b"hub.rate").digest()
