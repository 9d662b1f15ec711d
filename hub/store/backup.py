"""A copy of a SQLite file while a hub writes to it: of one instant, which it tells, whole and checked.

The file is copied as it stands, and its write-ahead log after it. A read transaction holds the log in place meanwhile:
what a checkpoint moves into the file under our hands is still in the log, which wins when the copy is opened. While the
log itself is copied, some milliseconds, nobody may write: so all that was acknowledged by then is there. SQLite's own
ways (its backup API in one step, VACUUM INTO) show the state at their beginning, which may be long before their end.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from sqlalchemy.engine import make_url

from hub.store.database import Unusable

PATIENCE_SECONDS = 30.0
"""How long to wait for the writer, who hardly pauses while much is written."""
PIECE = 1 << 22
LINKLESS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What link(2) says where a file has one name only, as on FAT."""
HEAD, FRAME_HEAD = 32, 24
"""Octets before the frames of a log, and before the page in each."""


class NotCopied(Exception):
    """There is no backup, nor any part of one; the message says why."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was copied: all that was acknowledged before `taken_at`; `size` in bytes, and the tables' revision."""

    taken_at: datetime
    size: int
    revision: str


def back_up(url: str, target: Path, clock: Callable[[], datetime]) -> Backup:
    """Copy the database at `sqlite:///FILE` to `target`, a new file that only its owner may read.

    `target` is there when it is whole, checked and on the disk, else not at all. Raises Unusable when there is nothing
    to be copied or no place for it, and NotCopied. A kill leaves a folder `.hub-backup-…` beside it at most.
    """
    if not url.startswith("sqlite:"):
        raise Unusable(
            "PostgreSQL is backed up by its own tools, `pg_dump` or a base backup with its log: see the README"
        )
    # By its own name: the log lies beside the file, not beside a link to it.
    source = Path(make_url(url).database or "").resolve()
    _refuse_unfit(source, target)
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".hub-backup-", dir=target.parent))
        part = folder / "hub.db"
        taken_at = _take(source, part, clock)
        revision = _check(part)
        _settle(part, target)
        return Backup(taken_at, target.stat().st_size, revision)
    except (OSError, sqlite3.Error) as error:
        raise NotCopied(f"there is no backup at {target}: {_why(error)}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _why(error: OSError | sqlite3.Error) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _refuse_unfit(source: Path, target: Path) -> None:
    if not source.is_file():
        raise Unusable(f"there is no database at {source}")
    if os.path.lexists(target):
        raise Unusable(f"{target} is there already: a backup is a new file")
    if not target.parent.is_dir():
        raise Unusable(f"there is no folder {target.parent}")


def _connect(path: Path) -> sqlite3.Connection:
    name = f"file:{quote(str(path.absolute()))}?mode=rw"
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=PATIENCE_SECONDS)


def _take(source: Path, part: Path, clock: Callable[[], datetime]) -> datetime:
    with ExitStack() as stack:
        # Closed last: to close any descriptor of a file lets go of all locks that this process has on it (fcntl(2)).
        file = os.open(source, os.O_RDONLY)
        stack.callback(os.close, file)
        reader, writer = (stack.enter_context(closing(_connect(source))) for _ in range(2))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        _copy(file, part)
        writer.execute("BEGIN IMMEDIATE")
        log = _beside(source, "-wal")
        if log.exists():
            _copy_log(log, _beside(part, "-wal"))
        taken_at = clock()
        writer.execute("ROLLBACK")
    return taken_at


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _copy(file: int, target: Path) -> None:
    """To the disk piece by piece: whoever commits meanwhile waits behind one of them, not behind all."""
    with _new(target) as copy:
        while piece := os.read(file, PIECE):
            copy.write(piece)
            copy.flush()
            os.fdatasync(copy.fileno())


def _new(path: Path) -> BinaryIO:
    """A file that only its owner may read, from the start."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _copy_log(log: Path, target: Path) -> None:
    """What is valid of the log; while nobody writes to it."""
    with log.open("rb") as file, _new(target) as copy:
        left = _valid(file.fileno())
        while left and (piece := file.read(min(left, PIECE))):
            left -= copy.write(piece)


def _valid(log: int) -> int:
    """How many octets of a log are of its present round (sqlite.org/fileformat2.html §4): it never gets any shorter.

    What is left of rounds before, behind them, has other salts. It may be a hundred times as long.
    """
    head = os.pread(log, HEAD, 0)
    frame = FRAME_HEAD + int.from_bytes(head[8:12], "big")
    known, most = 0, (os.fstat(log).st_size - HEAD) // frame if len(head) == HEAD else 0
    while known < most:
        middle = (known + most + 1) // 2
        if os.pread(log, 8, HEAD + (middle - 1) * frame + 8) == head[16:24]:
            known = middle
        else:
            most = middle - 1
    return HEAD + known * frame if known else 0


def _check(part: Path) -> str:
    """Make it one file, without a log, and look through all of it; the revision of its tables."""
    with closing(_connect(part)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE").fetchone()
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {' '.join(found.split())}")
        if copy.execute("PRAGMA foreign_key_check").fetchone():
            raise sqlite3.DatabaseError("the copy names rows that are not there")
        revision: str = copy.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        return revision


def _settle(part: Path, target: Path) -> None:
    """Give it its name, and have both on the disk."""
    _to_disk(part)
    try:
        os.link(part, target)  # which refuses where a rename would overwrite
    except FileExistsError:
        raise FileExistsError(None, "it came to be meanwhile") from None
    except OSError as error:
        if error.errno not in LINKLESS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(None, "it came to be meanwhile") from None
        part.rename(target)
    part.unlink(missing_ok=True)
    _to_disk(target.parent)


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
