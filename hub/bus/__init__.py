"""How processes tell each other that a session changed. A hint, never the truth: a lost message costs seconds.

What is followed is a topic: a session's id, from 1, or CATALOG for whatever changes the list of sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from hub.domain.events import SessionChanged
from hub.tally import Spread

CATALOG = 0
"""The topic of sessions that are created, edited, started, ended or cancelled."""

Deliver = Callable[[SessionChanged, bytes | None], None]
"""Takes a change, and its state as a `session` message where the bus has that ready."""

Hear = Callable[[bytes, bytes], None]
"""Takes who says it, a random name for as long as that process lives, and the note."""


@dataclass(slots=True)
class Figures:
    """What a bus counts since its start."""

    published: int = 0
    """Announcements that a server took."""

    dropped: int = 0
    """Announcements that no server took: it was away, or too many waited."""

    delivered: int = 0
    """Announcements of other processes that were handed on here."""

    undecodable: int = 0
    """Announcements that could not be read."""

    reconnects: int = 0
    """Times that a lost subscription was made anew."""

    delays: Spread = field(default_factory=Spread)
    """Seconds from publishing until it was delivered to all here; through a server, until this process heard itself.

    There it is its beats, and one at a time of the announcements that it follows: by one clock, since those of two
    machines differ by more than the way takes.
    """


class Bus(Protocol):
    """At most once, in order for each publisher, no history. Only `follow` and `answers` wait, and not for long."""

    @property
    def figures(self) -> Figures:
        """What it counts; the same object always."""

    @property
    def healthy(self) -> bool:
        """Whether it works, as far as is known without asking; needs the loop."""

    def subscribe(self, deliver: Deliver, missed: Callable[[], None]) -> None:
        """Call `deliver` with each change of what is followed, on the event loop; `missed` when some may be lost."""

    async def run(self) -> None:
        """Do what there is to do beside, for as long as the hub lives."""

    def publish(self, change: SessionChanged) -> None:
        """Tell every process; this one at once, without waiting and whatever became of the others."""

    async def follow(self, topics: Iterable[int]) -> None:
        """Hear of these topics; when this returns, nothing published later is missed, unless the bus is away."""

    def unfollow(self, topics: Iterable[int]) -> None:
        """Hear of these topics no more."""

    def whisper(self, note: bytes) -> None:
        """Tell the other processes something that is worth nothing later, if they can be reached; never waits."""

    def overhear(self, hear: Hear) -> None:
        """Call `hear` with each note of another process, on the event loop; to be called before `run`."""

    async def answers(self) -> None:
        """Return when other processes can be reached; raises Unavailable."""
