"""What the machine gives its driver to do, and what it asked the hub and has no answer to yet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from enum import Enum

from msgspec import Struct

from hub.client.told import Event, Refusal, Visit

ANSWER_SECONDS = 15.0
"""For the hub to answer, and for a connection to be open after it was dialled."""


class Order(Enum):
    """Something to do with the connection."""

    DIAL = "open a socket; it is the one from now on"
    HANG_UP = "close the socket, and hear no more of it"
    WANT_TOKEN = "ask for a token"  # nosec B105  # the name of an order, no secret


class Say(Struct, frozen=True):
    """Send this text frame: JSON in UTF-8."""

    text: bytes


class Answered(Struct, frozen=True):
    """A `join` or `leave` has its answer: of a join the visit, unless it was refused."""

    number: int
    visit: Visit | None = None
    refusal: Refusal | None = None


Effect = Order | Say | Answered | Event


class Kind(Enum):
    """What was asked."""

    AUTH = "auth"
    WATCH = "watch"
    CATALOG = "catalog"
    UNWATCH = "unwatch"
    JOIN = "join"
    REJOIN = "join again"
    LEAVE = "leave"
    ROSTER = "roster"
    PING = "ping"


class Ask(Struct, eq=False):
    """Something asked. `at` is when, on the machine's clock."""

    number: int
    kind: Kind
    sessions: tuple[int, ...]
    at: float
    visit: Visit | None = None
    """Of a leave: what there was before."""
    taken_back: bool = False
    """Of a join: we were asked to leave before it was answered."""
    limited: bool = False
    """Whether the hub has since refused a message unread, which may have been this one."""


class Asks:
    """Under way on this connection, and joins that wait for one."""

    def __init__(self) -> None:
        self._last = 0
        self._under_way: dict[int, Ask] = {}
        self.waiting: dict[int, Ask] = {}

    def make(self, kind: Kind, sessions: Iterable[int], now: float) -> Ask:
        """A new one, with a number of its own."""
        self._last += 1
        return Ask(self._last, kind, tuple(sessions), now)

    def send(self, ask: Ask, now: float) -> None:
        """It is under way from now on."""
        ask.at = now
        self._under_way[ask.number] = ask

    def answered(self, number: object) -> Ask | None:
        """What this is the answer to."""
        return self._under_way.pop(number, None) if isinstance(number, int) else None

    def roster_came(self, session: int) -> None:
        """A roster is the answer to having asked for it."""
        for ask in [one for one in self.of(Kind.ROSTER) if session in one.sessions]:
            del self._under_way[ask.number]

    def of(self, kind: Kind) -> Iterator[Ask]:
        """All of a kind that are under way."""
        return (ask for ask in self._under_way.values() if ask.kind is kind)

    def take_back(self, session: int) -> list[Ask]:
        """Who joins this session does not want to any more: those that are not even sent."""
        for ask in self.of(Kind.JOIN):
            ask.taken_back = ask.taken_back or session in ask.sessions
        return self._take_waiting([ask for ask in self.waiting.values() if session in ask.sessions])

    def limited(self) -> None:
        """The hub refused a message without reading it: which one, it can't say."""
        for ask in self._under_way.values():
            ask.limited = True

    def lost(self) -> list[Ask]:
        """The connection is gone: what gets no answer."""
        gone = list(self._under_way.values())
        self._under_way.clear()
        return gone

    def late(self, now: float) -> list[Ask]:
        """What should have been answered by now."""
        return [ask for ask in self._under_way.values() if ask.at + ANSWER_SECONDS <= now]

    def gave_up(self, now: float) -> list[Ask]:
        """Joins that waited too long for a connection, and wait no more."""
        return self._take_waiting([ask for ask in self.waiting.values() if ask.at + ANSWER_SECONDS <= now])

    def all_waiting(self) -> list[Ask]:
        """Joins that waited, and wait no more."""
        return self._take_waiting(list(self.waiting.values()))

    def due(self) -> float:
        """When the first of all is late."""
        every = (*self._under_way.values(), *self.waiting.values())
        return min((ask.at for ask in every), default=math.inf) + ANSWER_SECONDS

    def _take_waiting(self, asks: list[Ask]) -> list[Ask]:
        for ask in asks:
            del self.waiting[ask.number]
        return asks
