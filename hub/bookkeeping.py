"""What the log is told of the ledger's groups: those that took long, the first that failed, and that all is well again.

A line names the requests concerned, so that one can be followed from its own line to here, and back by `group`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from hub.errand import Errand

log = logging.getLogger("hub.ledger")

SLOW_SECONDS = 1.0
"""A group that took longer was waited for by people."""
TELL_SECONDS = 10.0
"""Between two lines about groups that fail one after the other."""
NAMED = 20
"""Requests and sessions in a line."""


class Asked(Protocol):
    """A change that was asked for."""

    @property
    def session_id(self) -> int:
        """Of which session."""

    @property
    def errand(self) -> Errand | None:
        """By whom, if that is known."""


class Notes:
    """Tells them. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failing_since: float | None = None
        self._told_at = 0.0
        self._refused = 0

    def committed(
        self,
        group: str,
        calls: Sequence[Asked],
        granted: Sequence[bool],
        revisions: Mapping[int, int],
        seconds: float,
    ) -> None:
        """A group is stored, with these sessions at these revisions, `seconds` after it was begun.

        Who was refused (not `granted`) has no revision: it is somebody else's.
        """
        for call, stored in zip(calls, granted, strict=True):
            if call.errand is not None:
                call.errand.session, call.errand.group = call.session_id, group
                call.errand.revision = revisions.get(call.session_id) if stored else None
        if seconds >= SLOW_SECONDS:
            log.warning("a group took long", extra={**_about(group, calls), "ms": round(seconds * 1000)})
        if self._failing_since is not None:
            away = round(self._clock() - self._failing_since, 1)
            log.warning("changes are stored again", extra={"refused": self._refused, "seconds": away})
            self._failing_since, self._refused = None, 0

    def failed(self, group: str, calls: Sequence[Asked], reason: str | None) -> None:
        """Nothing of a group is stored, and all of it is refused."""
        for call in calls:
            if call.errand is not None:
                call.errand.session, call.errand.group, call.errand.revision = call.session_id, group, None
        now = self._clock()
        self._refused += len(calls)
        if self._failing_since is None or now - self._told_at >= TELL_SECONDS:
            self._failing_since = now if self._failing_since is None else self._failing_since
            self._told_at = now
            more = {"reason": reason, "refused": self._refused}
            log.error("a group was not stored", extra={**_about(group, calls), **more})

    def broke(self, group: str, call: Asked, error: Exception) -> None:
        """A rule has a bug: nothing of its change is stored."""
        if call.errand is not None:
            call.errand.session, call.errand.group, call.errand.revision = call.session_id, group, None
        log.error("a change of session %s broke", call.session_id, exc_info=error, extra=_about(group, [call]))


def _about(group: str, calls: Sequence[Asked]) -> dict[str, object]:
    errands = [call.errand for call in calls if call.errand is not None]
    return {
        "group": group,
        "calls": len(calls),
        "sessions": _some(call.session_id for call in calls),
        "requests": _some(errand.request for errand in errands),
        "given": _some(errand.given for errand in errands if errand.given) or None,
    }


def _some(names: Iterable[object]) -> list[object]:
    return list(dict.fromkeys(names))[:NAMED]
