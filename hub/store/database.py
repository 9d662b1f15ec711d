"""What a database is to the rest of the hub, and the border where driver errors end."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from hub.errors import Unavailable

__all__ = [
    "AWAY",
    "AlreadyRunning",
    "Connection",
    "Database",
    "Locked",
    "NotMigrated",
    "Unusable",
    "border",
    "snapshot",
    "tell_refusal",
]

T = TypeVar("T")
log = logging.getLogger("hub.store")

AWAY = "The database can't be reached right now; nothing was changed."
TELL_SECONDS = 10.0
KNOWN = 100
_told: dict[str, float] = {}


class Unusable(Exception):
    """There is no working with this database; the message says why."""


class AlreadyRunning(Unusable):
    """Another hub process is using this SQLite file; one machine is one process, many need PostgreSQL and Redis."""


class NotMigrated(Exception):
    """The tables can't be brought up to date; the message says why."""


class Locked(Unavailable):
    """Somebody else holds a lock on what was to be changed; nothing was changed."""


class Database(ABC):
    """Where the truth is. `transact` writes, `read` reads; both take a function of a connection.

    The function may be run more than once: whatever it did before counts for nothing then.
    """

    shared: bool
    """Whether other processes may use it at the same time: then its clock is the one that counts."""

    retries = 0
    """Transactions that were begun again."""

    @abstractmethod
    def claim(self) -> None:
        """Make sure that this process may use it; raises AlreadyRunning."""

    @abstractmethod
    async def open(self) -> None:
        """Get ready to work; raises Unusable when that can't come to be without somebody's help."""

    @abstractmethod
    async def migrate(self) -> str:
        """Bring the tables up to date; the revision reached. Only while not open. Raises Unusable."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way and let go."""

    @abstractmethod
    async def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one write transaction; raises `Unavailable` with nothing done, unless it says otherwise."""

    @abstractmethod
    async def scrub(self) -> None:
        """Leave nothing in the file of what was overwritten, where that is in our hands. May raise `Unavailable`."""

    @abstractmethod
    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read-only connection; each statement sees the newest commit. May raise `Unavailable`."""


@contextmanager
def border() -> Iterator[None]:
    """Driver errors become `Unavailable`; what only our own bugs can cause passes as it is."""
    try:
        yield
    except (IntegrityError, DataError):
        raise
    except DBAPIError as error:
        tell_refusal("the database refused", error)
        raise Unavailable.because(AWAY, error.orig) from error


def tell_refusal(what: str, error: DBAPIError) -> None:
    """Log what a driver said, and the same again only after a while: a full disk refuses hundreds of times a second."""
    said, at = str(error.orig).strip(), time.monotonic()
    if at - _told.get(said, -TELL_SECONDS) >= TELL_SECONDS:
        if len(_told) >= KNOWN:
            _told.clear()
        _told[said] = at
        log.warning("%s: %s", what, said)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Make the reads inside see one moment of the database."""
    isolation = "" if connection.dialect.name == "sqlite" else " ISOLATION LEVEL REPEATABLE READ"
    connection.exec_driver_sql(f"BEGIN{isolation}")
    try:
        yield
    finally:
        connection.exec_driver_sql("COMMIT")
