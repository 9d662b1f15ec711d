"""How processes tell each other that a session changed. A hint, never the truth: a lost message costs seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hub.domain.events import SessionChanged

Deliver = Callable[[SessionChanged], None]


class Bus(Protocol):
    """At most once, in order for each publisher, no history. Nothing here waits or raises."""

    def publish(self, change: SessionChanged) -> None:
        """Tell every process, this one included."""

    def subscribe(self, deliver: Deliver) -> None:
        """Call `deliver` with each change, on the event loop."""
