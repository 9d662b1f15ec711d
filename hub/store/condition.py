"""What state a database is in, looked at from outside: nothing is locked, made or changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from hub.store import schema
from hub.store.postgresql import dialed
from hub.values import shown


@dataclass(frozen=True, slots=True)
class Condition:
    """`fault` says why it can't be read or trusted; `revision` is where its tables are, None where there are none.

    `name` is what it may be called in public; `path` is its file, if it is one.
    """

    name: str
    path: Path | None
    exists: bool
    fault: str | None = None
    revision: str | None = None

    @property
    def up_to_date(self) -> bool:
        """Whether the tables are those that this version of the hub knows."""
        return self.revision == schema.head()

    @property
    def known(self) -> bool:
        """Whether this version of the hub can bring the tables up to date."""
        return self.revision is None or schema.knows(self.revision)


def condition(url: str) -> Condition:
    """The condition of the file behind `sqlite:///FILE`, or of the database at `postgresql://…`."""
    return _of_file(Path(make_url(url).database or "")) if url.startswith("sqlite:") else _of_server(url)


def _of_file(path: Path) -> Condition:
    if not path.exists():
        return Condition(str(path), path, exists=False)
    engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            intact = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            revision = schema.current(connection)
    except SQLAlchemyError as error:
        return Condition(str(path), path, exists=True, fault=f"it can't be read: {error.__cause__}")
    finally:
        engine.dispose()
    fault = None if intact == "ok" else f"it is damaged: {intact}"
    return Condition(str(path), path, exists=True, fault=fault, revision=revision)


def _of_server(url: str) -> Condition:
    address = dialed(url)
    name = shown(url)
    engine = create_engine(address, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            revision = schema.current(connection)
    except SQLAlchemyError as error:
        return Condition(name, None, exists=True, fault=f"it can't be reached: {str(error.__cause__).strip()}")
    finally:
        engine.dispose()
    return Condition(name, None, exists=True, revision=revision)
