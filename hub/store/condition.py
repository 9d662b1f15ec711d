"""What state a database is in, looked at from outside: nothing is locked, made or changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, NullPool, create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from hub.store import schema, sealed
from hub.store.postgresql import dialed
from hub.store.tables import nodes
from hub.values import shown

READ_SECONDS = 3.0
"""How long the reading of a file, or the server's counting, may take; then that part is not known."""
STEPS = 20_000
"""Of SQLite between two looks at the clock."""

SETTINGS = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),
  current_setting('synchronous_commit'), current_setting('fsync'), current_setting('default_transaction_isolation'),
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0),
  (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
  (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Server:
    """What a PostgreSQL says of itself; `ahead` is by how many seconds its clock is before this machine's.

    `room` is how many connections it takes of ordinary users, of this one, and to this database.
    """

    version: str
    number: int
    standby: bool
    synchronous_commit: str
    fsync: str
    isolation: str
    room: int
    ahead: float


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of the keys that meetings may be sealed with (`Vault.key_ids`); `own` is the one that seals."""

    all: Sequence[str]
    own: str


@dataclass(slots=True)
class Condition:
    """`fault` says why it can't be read or trusted; `revision` is where its tables are, None where there are none.

    `name` is what it may be called in public; `path` is its file, if it is one. What is None was not to be found out:
    `intact` of a file that is too large to be read through, `waiting` (for `hub reseal`) of tables that are not ours.
    """

    name: str
    path: Path | None = None
    exists: bool = True
    fault: str | None = None
    revision: str | None = None
    intact: bool | None = None
    wal: bool = True
    server: Server | None = None
    waiting: sealed.Waiting | None = None
    last_beat: datetime | None = None

    @property
    def up_to_date(self) -> bool:
        """Whether the tables are those that this version of the hub knows."""
        return self.revision == schema.head()

    @property
    def known(self) -> bool:
        """Whether this version of the hub can bring the tables up to date."""
        return self.revision is None or schema.knows(self.revision)


def condition(url: str, keys: Keys | None = None) -> Condition:
    """The condition of the file behind `sqlite:///FILE`, or of the database at `postgresql://…`. It may block long.

    With `keys`, what is sealed is counted as well.
    """
    return _of_file(Path(make_url(url).database or ""), keys) if url.startswith("sqlite:") else _of_server(url, keys)


def _of_file(path: Path, keys: Keys | None) -> Condition:
    found = Condition(str(path), path, exists=path.exists())
    if not found.exists:
        return found
    # A reader of a closed file in WAL mode leaves a log and its index there, which belong to whoever ran it: a hub of
    # another user could not open them. `immutable` makes none, and is right as long as there is no log.
    closed = not path.with_name(f"{path.name}-wal").exists()
    how = {"mode": "ro", "uri": "true"} | ({"immutable": "1"} if closed else {})
    # Made of its parts: one that is parsed has its quotes undone before SQLite sees them.
    engine = create_engine(URL.create("sqlite", database=f"file:{quote(str(path))}", query=how))
    try:
        found.wal = _header(path)[18:20] != b"\x01\x01"
        with engine.connect() as connection:
            _read_through(connection, found)
            _tables(connection, found, keys)
    except (SQLAlchemyError, OSError) as error:
        found.fault = f"it can't be read: {error.__cause__ or error}"
    finally:
        engine.dispose()
    return found


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(20)


def _read_through(connection: Connection, found: Condition) -> None:
    deadline = time.monotonic() + READ_SECONDS
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    try:
        said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    except OperationalError as error:
        if "interrupted" not in str(error.orig):
            raise
        return
    finally:
        driver.set_progress_handler(None, STEPS)
    found.intact = said == "ok"
    if not found.intact:
        found.fault = f"it is damaged: {said}"


def _tables(connection: Connection, found: Condition, keys: Keys | None) -> None:
    found.revision = schema.current(connection)
    if not found.up_to_date:
        return
    found.last_beat = connection.execute(select(func.max(nodes.c.last_beat))).scalar_one()
    if keys is not None:
        found.waiting = sealed.waiting(connection, keys.all, keys.own)


def _of_server(url: str, keys: Keys | None) -> Condition:
    found = Condition(shown(url))
    engine = create_engine(dialed(url), poolclass=NullPool, hide_parameters=True, isolation_level="AUTOCOMMIT")
    try:
        with closing(engine.connect()) as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = on")
            found.server = _server(connection)
            connection.exec_driver_sql(f"SET statement_timeout = '{READ_SECONDS}s'")
            _tables(connection, found, keys)
    except SQLAlchemyError as error:
        if found.server is None:
            found.fault = str(error.__cause__).strip()
    finally:
        engine.dispose()
    return found


def _server(connection: Connection) -> Server:
    version, number, standby, commit, fsync, isolation, *rooms = connection.exec_driver_sql(SETTINGS).one()
    room = min(room for room in rooms if room is not None)
    return Server(version.split()[0], number, standby, commit, fsync, isolation, room, _ahead(connection))


def _ahead(connection: Connection) -> float:
    """Off by half the way there and back at most."""
    before = datetime.now(UTC)
    there: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return (there - before - (datetime.now(UTC) - before) / 2).total_seconds()
