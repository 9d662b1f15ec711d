"""Token buckets: how often someone may do something. In memory, bounded, pure but for its own table."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

K = TypeVar("K")

KNOWN = 50_000
"""Buckets kept at most; the one unused for longest goes first, and was most likely full again."""


ENOUGH = 1 - 1e-9
"""Of an action: waiting as long as was told must not fail by the last digit of a float."""


@dataclass(slots=True)
class Bucket:
    """What is left for one key, as of `at` (seconds of a monotonic clock); below nothing where others spent, too."""

    left: float
    at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How one stands after asking: whole actions that are `left`, and the seconds until all are back (`full`).

    `wait` is 0.0 where the action was taken, else the seconds until one may be.
    """

    left: int
    full: float
    wait: float = 0.0


class Pace:
    """`per_minute` actions, all of them at once if need be; None for no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self.per_minute = per_minute

    def bucket(self, at: float) -> Bucket:
        """A full one."""
        return Bucket(self.per_minute or 0, at)

    def wait(self, bucket: Bucket, at: float) -> float:
        """Take one action out of `bucket` at `at` seconds: 0 when it may, else the seconds to wait (none is taken)."""
        if self.per_minute is None:
            return 0.0
        self._fill(bucket, at, self.per_minute)
        if bucket.left >= ENOUGH:
            bucket.left -= 1
            return 0.0
        return (1 - bucket.left) * 60 / self.per_minute

    def spend(self, bucket: Bucket, count: int, at: float) -> None:
        """Take `count` that were taken elsewhere, whatever is left; nobody has to wait for over two minutes by it."""
        if self.per_minute is not None:
            self._fill(bucket, at, self.per_minute)
            bucket.left = max(-self.per_minute, bucket.left - count)

    @staticmethod
    def _fill(bucket: Bucket, at: float, per_minute: int) -> None:
        bucket.left = min(per_minute, bucket.left + (at - bucket.at) * per_minute / 60)
        bucket.at = at


class Rate(Generic[K]):
    """A pace for each key."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._pace = Pace(per_minute)
        self._buckets: OrderedDict[K, Bucket] = OrderedDict()

    def take(self, key: K, at: float) -> Standing:
        """Take one action of `key` at `at` seconds, if it may."""
        bucket = self._bucket(key, at)
        wait = self._pace.wait(bucket, at)
        return Standing(max(0, int(bucket.left)), (self.per_minute - bucket.left) * 60 / self.per_minute, wait)

    def spend(self, key: K, count: int, at: float) -> None:
        """Take `count` actions that `key` took elsewhere."""
        self._pace.spend(self._bucket(key, at), count, at)

    def _bucket(self, key: K, at: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = self._pace.bucket(at)
            if len(self._buckets) > KNOWN:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket


class Crowd(Generic[K]):
    """How many are here for each key, `most` at once; None for no limit."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._here: dict[K, int] = {}

    def enter(self, key: K) -> bool:
        """Count one more; False, uncounted, when that is too many."""
        here = self._here.get(key, 0)
        if self.most is not None and here >= self.most:
            return False
        self._here[key] = here + 1
        return True

    @property
    def keys(self) -> int:
        """For how many of them someone is here."""
        return len(self._here)

    def here(self, key: K) -> int:
        """How many are here for `key`."""
        return self._here.get(key, 0)

    def exit(self, key: K) -> None:
        """Count one less."""
        here = self._here.get(key, 0)
        if here > 1:
            self._here[key] = here - 1
        else:
            self._here.pop(key, None)


LETTERS = 64
"""Of an address. A proxy that is believed passes on what it was told, of any length; an IPv6 address has 45 at most."""


class Addresses(Crowd[str]):
    """A crowd by address, as `network` counts it."""

    def enter(self, key: str) -> bool:
        """Count one more; False, uncounted, when that is too many."""
        return super().enter(network(key))

    def here(self, key: str) -> int:
        """How many are here from the same network."""
        return super().here(network(key))

    def exit(self, key: str) -> None:
        """Count one less."""
        super().exit(network(key))


def network(address: str) -> str:
    """Who counts as one by an address: all of an IPv6 /64, which is the least that anyone is given (RFC 6177).

    Never more than `LETTERS` letters, so it may be kept: what is no address counts by its first ones.
    """
    address = address[:LETTERS]
    return address if ":" not in address else _network(address)


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(found) >> 64 << 64)) + "/64"
