"""Ids: 128 bits in hex, the first 48 of them the time. Rows that come one after the other lie one after the other
in every index, so a group commit writes few pages; the other 80 bits are random, so no id can be guessed."""

from __future__ import annotations

import os
import time

RANDOM_BYTES = 10
AT_ONCE = 256
"""Ids whose random part is asked of the system together: a call may cost more than all else that opens a socket."""

_parts: list[str] = []
os.register_at_fork(after_in_child=_parts.clear)


def new_id() -> str:
    """32 hex digits, later ones greater than those of an earlier millisecond. Any thread may ask."""
    return f"{time.time_ns() // 1_000_000:012x}{_random_part()}"


def _random_part() -> str:
    while True:
        try:
            return _parts.pop()
        except IndexError:
            size = RANDOM_BYTES * AT_ONCE
            drawn = os.urandom(size)
            _parts.extend(drawn[at : at + RANDOM_BYTES].hex() for at in range(0, size, RANDOM_BYTES))
