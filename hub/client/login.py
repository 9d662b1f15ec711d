"""Which token to say, when to ask for another, and when there is none better."""

from __future__ import annotations

import math
from enum import Enum

from hub.client.pace import doubled

BAD_TOKEN = frozenset({"unauthenticated", "token_expired", "forbidden", "invalid_input"})
"""Codes that say that another token is needed; any other refusal of `auth` is of the moment."""
LEAST_SECONDS = 1.0
TOKEN_SECONDS = 15.0
"""For a token that was asked for to come."""


class Turn(Enum):
    """What to do with a token that was asked for, or after it was refused."""

    SAY = "say it"
    ASK = "ask for another"
    NOBODY = "go on as a watcher"
    REFUSED = "go on as a watcher, and tell that the token was refused"
    LATER = "ask again later"


class Login:
    """One connection's tokens after the other. Times are the machine's."""

    def __init__(self) -> None:
        self.asked_at: float | None = None
        """When a token was asked for that has not come yet."""
        self.ask_at: float | None = None
        """When to ask for another one."""
        self.settled = False
        """Whether it is known on this connection who we are, be it nobody."""
        self._said: str | None = None
        self._held: str | None = None
        self._spent: str | None = None
        self._ends_at = 0.0
        self._second_chance = False
        self._tries = 0

    def new_connection(self) -> None:
        """Nobody was told anything yet."""
        self.asked_at = self.ask_at = None
        self.settled = False
        self._second_chance = True
        self._tries = 0

    @property
    def due(self) -> float:
        """When there is something to do: to ask, or to give up having asked."""
        late = math.inf if self.asked_at is None else self.asked_at + TOKEN_SECONDS
        return late if self.ask_at is None else min(late, self.ask_at)

    def ask(self, now: float) -> None:
        """A token is asked for."""
        self.asked_at, self.ask_at = now, None

    def accepted(self) -> None:
        """The hub took what was said: from now on tokens are for renewal."""
        self._held, self.settled = self._said, True

    def ended(self) -> None:
        """The hub closed by 4401: what it had taken is worth nothing any more."""
        self._spent, self._held = self._held, None

    def anew(self) -> None:
        """Another person may come: nothing is held against any token."""
        self._spent = self._held = None

    def offer(self, token: str | None, now: float) -> Turn:
        """A token has come; None: there is none."""
        self.asked_at = None
        if token is not None and token != self._spent and not (self.settled and token == self._held):
            self._said = token
            self.ask_at = None
            return Turn.SAY
        if self.settled:
            return self.later(now)
        return self._as_nobody(Turn.NOBODY if token is None else Turn.REFUSED)

    def refused(self, now: float) -> Turn:
        """The hub does not take the token that was said."""
        self._spent = self._said
        if self.settled:
            return self.later(now)
        if self._second_chance:
            self._second_chance = False
            return Turn.ASK
        return self._as_nobody(Turn.REFUSED)

    def expiring(self, seconds: float, now: float, chance: float) -> None:
        """The hub warns: ask for another in time, not at once: a token shorter than the warning would be asked for
        without a pause, and those of many end together."""
        self._ends_at = now + seconds
        self.ask_at = now + seconds * (0.25 + 0.25 * chance)

    def later(self, now: float, chance: float = 0.0, pause: float = 0.0) -> Turn:
        """There was no token, or the hub could not look at it: ask again. If it was to renew one, when half of what is
        left is over; else after `pause` and by `chance`, at a ceiling that doubles."""
        self.asked_at = None
        if self.settled:
            self.ask_at = now + max(LEAST_SECONDS, (self._ends_at - now) / 2)
        else:
            self.ask_at = now + pause + chance * doubled(self._tries)
            self._tries += 1
        return Turn.LATER

    def _as_nobody(self, turn: Turn) -> Turn:
        self.settled = True
        return turn
