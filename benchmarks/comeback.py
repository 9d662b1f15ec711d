"""All come back after a restart: a simulation of the paced drain, the delays that are told, and the queues after it."""

from __future__ import annotations

import math
from random import Random

BATCHES, FEWEST, DRAIN_SECONDS = 20, 50, 2.0
"""As `hub.sockets.lobby` sends people home, and `hub.server` spreads it."""
SEED = 7


def drained(people: int) -> float:
    """Seconds from SIGTERM until the last batch is sent home."""
    return (math.ceil(people / _batch(people)) - 1) * DRAIN_SECONDS / BATCHES


def knocks(people: int, window: float, opens: float) -> list[float]:
    """When each of them is at the door again, in order, in seconds since SIGTERM.

    They are sent home in batches, and told to wait some time below `window`, to tenths of a second. Who comes before a
    successor `opens` knocks then.
    """
    dice, batch, pause = Random(SEED), _batch(people), DRAIN_SECONDS / BATCHES
    return sorted(max(opens, one // batch * pause + round(dice.uniform(0, window), 1)) for one in range(people))


def _batch(people: int) -> int:
    return max(FEWEST, math.ceil(people / BATCHES))


def seconds(people: int, window: float, opens: float, *, cpu: float, store: float = 0.0) -> float:
    """Until the last of them is served, by one process that takes `cpu` seconds for each, one after the other.

    Then each waits for the database, which takes `store` seconds for each.
    """
    served = stored = 0.0
    for knock in knocks(people, window, opens):
        served = max(served, knock) + cpu
        stored = max(stored, served) + store
    return stored
