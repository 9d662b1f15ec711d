"""Who did what, with what result: a line for each change, each refusal and each sign-in; reads only where wanted.

Members say it, not sentences: `action`, `result` (`ok` or a refusal's code), `actor`, `role`, `address` and what
belongs to the action. Never what a client said beside that: no query, body, header, token or text of a message.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from hub import errors
from hub.domain.people import Actor
from hub.limits import LETTERS, Pace, Rate, network

log = logging.getLogger("hub.audit")

OK = "ok"
READS = ("GET", "HEAD", "OPTIONS")
ADDRESS_LINES = 120
"""Lines a minute about one person or network, all at once if need be. What is over is only counted."""
ALL_LINES = 1200
"""Of all people together, and as many of all networks: under 1 GB a day, whoever comes."""
TELL_SECONDS = 10.0
"""After how many seconds it is told how many were left out."""
LONGEST = 200
"""Letters of a path."""
ALARMING = frozenset(
    {
        *(kind.code for kind in (errors.Unauthenticated, errors.TokenExpired, errors.Forbidden, errors.RateLimited)),
        errors.NotSessionOwner.code,
        errors.InvalidSignature.code,
    }
)
"""Results that are warnings: who was not let in, or wanted too much (ASVS 16.3.1 to 16.3.3)."""

SECRET = re.compile(r"eyJ[\w-]+\.[\w.-]*")
"""A JSON Web Token, which someone may have put into a path."""


LEVELS = {level: logging.getLevelName(level) for level in (logging.INFO, logging.WARNING)}
BLANK = vars(logging.makeLogRecord({}))
"""A record before anything is said. Made by `Logger.log`, one costs three times as much, and looks at its `extra`."""


class Share:
    """The lines that there may be of one kind of those who come."""

    def __init__(self, at: float) -> None:
        self._each = Rate[str](ADDRESS_LINES)
        self._all = Pace(ALL_LINES)
        self._bucket = self._all.bucket(at)

    def take(self, who: str, at: float) -> bool:
        """Take a line about them at `at` seconds, if there is one left."""
        return not self._each.take(who, at).wait and self._all.wait(self._bucket, at) == 0


class Audit:
    """Tells them. `wanted` is `all`, `changes` (with refusals), or `refusals` alone: what is refused is always told."""

    def __init__(self, wanted: str = "changes", clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds, to which the bounds go by."""
        self.reads = wanted == "all"
        self.changes = wanted != "refusals"
        self._clock = clock
        # Apart: addresses cost nothing, and whoever has many of them must not hide what people do.
        self._people, self._strangers = Share(clock()), Share(clock())
        self._left_out = 0
        self._tell_at = 0.0

    def wants(self, method: str, status: int) -> bool:
        """Whether a request that was answered so gets a line."""
        return status >= 400 or (self.reads if method in READS else self.changes)

    def tell(self, action: str, result: str, actor: Actor | None, address: str, /, **members: object) -> None:
        """Write a line, whatever there were before; `members` that are None are left out."""
        level = logging.WARNING if result in ALARMING else logging.INFO
        if log.isEnabledFor(level):
            at = time.time()
            record = logging.LogRecord.__new__(logging.LogRecord)
            said = record.__dict__
            said.update(BLANK, name=log.name, levelno=level, levelname=LEVELS[level], msg=WORDS[action], created=at)
            said["msecs"] = int(at % 1 * 1000)
            said["action"], said["result"] = action, result
            if actor is not None:
                said["actor"], said["role"] = actor.id, actor.role.value
            said["address"] = address[:LETTERS]
            said.update(members)
            log.handle(record)

    def tell_some(self, action: str, result: str, actor: Actor | None, address: str, /, **members: object) -> None:
        """The same of what nothing else limits, while there are not too many from there."""
        if self.has_room(actor, address):
            self.tell(action, result, actor, address, **members)

    def has_room(self, actor: Actor | None, address: str) -> bool:
        """Whether there is room for one more line about them, which is taken; what has none is counted."""
        at = self._clock()
        if self._strangers.take(network(address), at) if actor is None else self._people.take(actor.id, at):
            if self._left_out and at >= self._tell_at:
                self._tell_left_out()
            return True
        if not self._left_out:
            self._tell_at = at + TELL_SECONDS
        self._left_out += 1
        if at >= self._tell_at:
            self._tell_left_out()
        return False

    def _tell_left_out(self) -> None:
        left_out, self._left_out = self._left_out, 0
        log.warning("lines were left out", extra={"action": "left_out", "lines": left_out})


WORDS = {
    "request": "a request",
    "open": "a handshake",
    "auth": "a sign-in",
    "join": "a join",
    "leave": "a leave",
    "message": "a message",
    "close": "the end of a socket",
}
"""Every action, for people. Fixed: what clients send stands in members alone."""


def path_of(path: str) -> str:
    """A path as it may stand in a line: not endless, and without a token that was put into it."""
    return SECRET.sub("[token]", path[:LONGEST])
