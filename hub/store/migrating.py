"""Bringing the tables of PostgreSQL up to date beside hubs that work with them."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from hub.store import schema
from hub.store.database import Unusable

log = logging.getLogger("hub.store")

KEY = 0x68_75_62
"""Of the advisory lock of whoever migrates."""
TURN_SECONDS = 0.2
"""How long a statement waits for a table. Others wait behind it, and a hub gives up on them after two seconds."""
PAUSE_SECONDS = 1.0
TRIES = 60
OTHERS_SECONDS = 600.0
"""How long another who migrates is waited for: an index of a large table takes its time."""
LOCK_NOT_AVAILABLE = "55P03"


def migrate(engine: Engine) -> str:
    """Apply every migration not yet applied, and leave tables of a newer version alone; the revision reached.

    Raises Unusable when somebody else keeps the tables for a minute. Killed at any moment it leaves the tables as some
    revision has them, or with an index that is not used yet, and can be run again.
    """
    for attempt in range(TRIES):
        if attempt:
            log.warning("somebody uses the tables: trying again")
            time.sleep(PAUSE_SECONDS)
        with engine.connect() as connection:
            _alone(connection)
            try:
                return _upgraded(connection)
            except OperationalError as error:
                if state_of(error) != LOCK_NOT_AVAILABLE:
                    raise
    raise Unusable("somebody keeps the tables locked (a backup, a long query): run `hub migrate` again when it is done")


def _upgraded(connection: Connection) -> str:
    at = schema.current(connection)
    if at is not None and not schema.knows(at):
        return at  # this is the version before, going on or brought back
    connection.exec_driver_sql(f"SET lock_timeout = '{TURN_SECONDS}s'")
    connection.commit()
    return schema.upgrade(connection)


def _alone(connection: Connection) -> None:
    """Wait until nobody else migrates, and keep others from it until the connection ends.

    By asking again and again: who waits in the server holds a snapshot there, and an index that is built beside others
    waits for all of them to go.
    """
    deadline = time.monotonic() + OTHERS_SECONDS
    told = False
    while True:
        mine = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({KEY})").scalar_one()
        connection.commit()
        if mine:
            return
        if time.monotonic() > deadline:
            raise Unusable("another `hub migrate` has been at work for ten minutes: see what it waits for")
        if not told:
            log.warning("another `hub migrate` is at work: waiting for it")
            told = True
        time.sleep(TURN_SECONDS)


def state_of(error: DBAPIError) -> str | None:
    """PostgreSQL's code of an error (appendix A); None where the server said none."""
    return getattr(error.orig, "sqlstate", None)
