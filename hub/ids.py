"""Ids: 128 bits in hex, the first 48 of them the time. Rows that come one after the other lie one after the other
in every index, so a group commit writes few pages; the other 80 bits are random, so no id can be guessed."""

from __future__ import annotations

import os
import time


def new_id() -> str:
    """32 hex digits, later ones greater than those of an earlier millisecond."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
