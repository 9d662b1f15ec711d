"""What the user wants, against what this connection has asked the hub for: the difference is what is left to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from hub.client.told import UNREACHABLE, Refusal, Visit

WATCHES = 500
"""Sessions that one connection may follow; the hub's bound."""
AT_ONCE = 100
HIGHEST = 2**31 - 1


class Wishes:
    """Sessions to watch, to be in, and the catalog. They outlive connections."""

    def __init__(self) -> None:
        self.stays: dict[int, Visit] = {}
        """Where we are, or are to be again."""
        self.watched: Counter[int] = Counter()
        self.catalog = 0
        self.entered: set[int] = set()
        self.followed: set[int] = set()
        self.follows_catalog = False

    def new_connection(self) -> None:
        """Nothing was asked for yet."""
        self.entered.clear()
        self.followed.clear()
        self.follows_catalog = False

    def watch(self, sessions: Iterable[int]) -> None:
        """Want each once more; raises Refusal for what the hub would refuse."""
        wanted = Counter(sessions)
        for session in wanted:
            if not 1 <= session <= HIGHEST:
                raise Refusal(
                    "invalid_input", f"A session's id is a number from 1 to {HIGHEST}, not {session}.", session
                )
        if len(self.watched.keys() | wanted.keys()) > WATCHES:
            raise Refusal("invalid_input", f"One connection may watch {WATCHES} sessions at most.")
        self.watched.update(wanted)

    def unwatch(self, sessions: Iterable[int]) -> list[int]:
        """Want each once less; which of them nobody wants to hear of any more."""
        done = []
        for session in sessions:
            self.watched[session] -= 1
            if self.watched[session] <= 0:
                del self.watched[session]
                if not self.hears(session):
                    done.append(session)
        return done

    def hears(self, session: int) -> bool:
        """Whether anybody wants to hear of it, or the hub still tells it."""
        return session in self.watched or session in self.stays or session in self.followed

    def to_enter(self) -> list[int]:
        """Sessions to join again; from now on asked for."""
        due = [session for session in self.stays if session not in self.entered]
        self.entered.update(due)
        return due

    def to_watch(self) -> Iterator[list[int]]:
        """Sessions to watch, as many at a time as one message may name; from now on asked for."""
        due = [session for session in self.watched if session not in self.followed]
        self.followed.update(due)
        return _batches(due)

    def to_unwatch(self) -> Iterator[list[int]]:
        """The same, of those that are watched and not wanted."""
        due = [session for session in self.followed if session not in self.watched]
        self.followed.difference_update(due)
        return _batches(due)

    def catalog_turn(self) -> bool | None:
        """Whether to follow the catalog from now on, or no longer; None when it is as it should be."""
        wanted = self.catalog > 0
        if wanted == self.follows_catalog:
            return None
        self.follows_catalog = wanted
        return wanted


def checked(sessions: object) -> frozenset[int]:
    """One or several sessions, as they were given; raises TypeError for what is no whole number at all."""
    if isinstance(sessions, Iterable) and not isinstance(sessions, str | bytes):
        return frozenset(map(checked_one, sessions))
    return frozenset([checked_one(sessions)])


def checked_one(session: object) -> int:
    """The same, of one."""
    if not isinstance(session, int) or isinstance(session, bool):
        raise TypeError(f"A session's id is a whole number, not {session!r:.50}.")
    return session


def _batches(sessions: list[int]) -> Iterator[list[int]]:
    each = iter(sessions)
    return iter(lambda: list(islice(each, AT_ONCE)), [])


def lost(session: int | None = None, why: str = "The connection was lost before the hub answered.") -> Refusal:
    """The refusal of what got no answer."""
    return Refusal(UNREACHABLE, why, session)
