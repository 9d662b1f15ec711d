"""When to come back: by the close's code, and never all at once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

FIRST_CEILING = 0.5
SOON_CEILING = 4.0
"""Of the first waits after a loss: the hub holds its people for a grace (by default 10 s), and this is a part of it."""
OF_OUTAGE = 0.4
"""Of how long it has been away, from then on."""
LONGEST_CEILING = 30.0
STEADY_SECONDS = 5.0
"""A connection that was open for so long has succeeded: the next wait is a first one again."""
TOO_MUCH_PAUSE = 10.0
LONGEST_DRAIN = 1_800.0
"""Half of the longest grace that a hub can have, over which it spreads those who come back."""


class Come(Enum):
    """What a close code asks of a client."""

    BACK = auto()
    WITH_NEW_TOKEN = auto()
    AFTER_A_PAUSE = auto()
    NEVER = auto()


CLOSES: Mapping[int, Come] = {
    1009: Come.NEVER,
    1012: Come.BACK,
    4008: Come.BACK,
    4400: Come.NEVER,
    4401: Come.WITH_NEW_TOKEN,
    4403: Come.NEVER,
    4429: Come.AFTER_A_PAUSE,
}
"""The hub's close codes. Any other end, a lost network among them, is one to come back from."""


class Pace:
    """How long to wait: full jitter, from nothing to a ceiling that doubles with each try in vain, and grows beyond
    SOON_CEILING only as the outage does: whoever can come back within the hub's grace is not to sleep it away."""

    def __init__(self) -> None:
        self._tries = 0
        self._lost_at = 0.0

    def steady(self) -> None:
        """It went well: begin anew."""
        self._tries = 0

    def wait(self, come: Come, chance: float, told: float, now: float) -> float:
        """Seconds; `chance` is from 0 to 1, `told` what the hub asked to wait at least (`Retry-After`)."""
        if self._tries == 0:
            self._lost_at = now
        longest = min(LONGEST_CEILING, max(SOON_CEILING, OF_OUTAGE * (now - self._lost_at)))
        ceiling = min(longest, doubled(self._tries))
        self._tries += 1
        pause = TOO_MUCH_PAUSE if come is Come.AFTER_A_PAUSE else 0.0
        return max(pause, told) + chance * ceiling


def doubled(tries: int) -> float:
    """The ceiling after so many tries, in seconds, of what is asked again on an open connection."""
    return min(LONGEST_CEILING, FIRST_CEILING * (1 << min(tries, 10)))


def drained(told: float, chance: float) -> float:
    """Seconds until coming back to a hub that drains: what it told, or, where no hub would tell that, a soon one."""
    return told if 0 <= told <= LONGEST_DRAIN else chance * SOON_CEILING
