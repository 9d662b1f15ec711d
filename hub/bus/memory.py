"""The bus of a hub that is one process."""

from __future__ import annotations

from hub.bus import Deliver
from hub.domain.events import SessionChanged


class MemoryBus:
    """Delivers at once, in order, without serializing."""

    def __init__(self) -> None:
        self._deliver: list[Deliver] = []

    def publish(self, change: SessionChanged) -> None:
        """Tell every subscriber."""
        for deliver in self._deliver:
            deliver(change)

    def subscribe(self, deliver: Deliver) -> None:
        """Call `deliver` with each change from now on."""
        self._deliver.append(deliver)
