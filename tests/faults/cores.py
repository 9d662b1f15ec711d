"""How long something took, without the time for which the test itself stood in line for a core.

On a busy machine that can be longer than what is measured, and it is not the hub's. Whatever else keeps this thread,
its own work, a lock, a call that blocks, counts: a hub in the test's own loop may be the reason.
"""

from __future__ import annotations

import time
from pathlib import Path


def stood_in_line() -> float:
    """For how many seconds this thread was ready and had no core, since it began; 0 where nobody tells."""
    try:
        told = Path("/proc/thread-self/schedstat").read_text()
    except OSError:
        return 0.0
    return int(told.split()[1]) / 1e9


class Watch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._line = stood_in_line()

    @property
    def in_line(self) -> float:
        """Seconds without a core until now."""
        return stood_in_line() - self._line

    @property
    def seconds(self) -> float:
        """All others."""
        return time.monotonic() - self._began - self.in_line
