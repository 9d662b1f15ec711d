"""Which token to say, when to ask for another, and when there is none better."""

from __future__ import annotations

from enum import Enum

BAD_TOKEN = frozenset({"unauthenticated", "token_expired", "forbidden", "invalid_input"})
"""Codes that say that another token is needed; any other refusal of `auth` is of the moment."""
LEAST_SECONDS = 1.0


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
        self.asking = False
        """Whether a token was asked for that has not come yet."""
        self.renew_at: float | None = None
        self._said: str | None = None
        self._held: str | None = None
        self._spent: str | None = None
        self._ends_at = 0.0
        self._second_chance = False
        self._open = False

    def new_connection(self) -> None:
        """Nobody was told anything yet."""
        self.asking = self._open = False
        self.renew_at = None
        self._second_chance = True

    def opened(self) -> None:
        """From now on tokens are for renewal."""
        self._open = True

    def accepted(self) -> None:
        """The hub took what was said."""
        self._held = self._said

    def ended(self) -> None:
        """The hub closed by 4401: what it had taken is worth nothing any more."""
        self._spent, self._held = self._held, None

    def anew(self) -> None:
        """Another person may come: nothing is held against any token."""
        self._spent = self._held = None

    def offer(self, token: str | None, now: float) -> Turn:
        """A token has come; None: there is none."""
        self.asking = False
        if token is not None and token != self._spent and not (self._open and token == self._held):
            self._said = token
            self.renew_at = None
            return Turn.SAY
        if self._open:
            return self.later(now)
        return Turn.NOBODY if token is None else Turn.REFUSED

    def refused(self, now: float) -> Turn:
        """The hub does not take the token that was said."""
        self._spent = self._said
        if self._open:
            return self.later(now)
        if self._second_chance:
            self._second_chance = False
            return Turn.ASK
        return Turn.REFUSED

    def expiring(self, seconds: float, now: float, chance: float) -> None:
        """The hub warns: ask for another in time, not at once: a token shorter than the warning would be asked for
        without a pause, and those of many end together."""
        self._ends_at = now + seconds
        self.renew_at = now + seconds * (0.25 + 0.25 * chance)

    def later(self, now: float) -> Turn:
        """There was no better token: ask again when half of what is left is over."""
        self.renew_at = now + max(LEAST_SECONDS, (self._ends_at - now) / 2)
        return Turn.LATER
