"""What someone wants of the ledger: a name goes down with it, and what became of it comes up, both for the log."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Errand:
    """`request` names who asks: an answer's X-Request-ID, or a connection; `given` is the name that the edge gave.

    Once the ledger has answered: the `session`, the `group` of changes that it was decided in, and the `revision` that
    was stored, if it was.
    """

    request: str
    given: str | None = None
    session: int | None = None
    group: str | None = None
    revision: int | None = None


CURRENT: ContextVar[Errand | None] = ContextVar("errand", default=None)
"""That of the task that runs."""
