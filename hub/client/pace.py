"""When to come back: by the close's code, and never all at once."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

FIRST_CEILING = 0.5
LONGEST_CEILING = 30.0
STEADY_SECONDS = 5.0
"""A connection that was open for so long has succeeded: the next wait is a first one again."""
TOO_MUCH_PAUSE = 10.0


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
    """How long to wait: full jitter, from nothing to a ceiling that doubles with each try in vain."""

    def __init__(self) -> None:
        self._tries = 0

    def steady(self) -> None:
        """It went well: begin anew."""
        self._tries = 0

    def wait(self, come: Come, chance: float, told: float) -> float:
        """Seconds; `chance` is from 0 to 1, `told` what the hub asked to wait at least (`Retry-After`)."""
        ceiling = min(LONGEST_CEILING, FIRST_CEILING * (1 << min(self._tries, 10)))
        self._tries += 1
        pause = TOO_MUCH_PAUSE if come is Come.AFTER_A_PAUSE else 0.0
        return max(pause, told) + chance * ceiling
