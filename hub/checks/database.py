"""The database: can it be reached, is it ours, and does it keep what the hub promises."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from hub.checks.finding import CLOCK, DATABASE, DISK, MEETINGS, SQLITE, Finding, green, red, yellow
from hub.logs import printable
from hub.settings import Settings
from hub.store import schema
from hub.store.condition import Condition, Server

FIXED_SQLITE = (3, 51, 3)
OLDEST_SERVER = 130_000
EACH = 7
"""Connections of a process at most."""
MOUNTS = Path("/proc/self/mountinfo")
REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.")
PASSING = {"tmpfs": "in memory, and gone with the machine", "overlay": "in a container's own layer, and gone with it"}
GB = 10**9
OFF_SECONDS, FAR_OFF_SECONDS = 2.0, 60.0

MENDS = (
    ("authentication failed", "correct the user and the password of HUB_DATABASE_URL"),
    ("no password supplied", "add the password to HUB_DATABASE_URL"),
    ("resolve", "correct the host in HUB_DATABASE_URL"),
    ("translate host name", "correct the host in HUB_DATABASE_URL"),
    ("does not exist", "make it (`createdb`, `createuser`), or correct HUB_DATABASE_URL"),
    ("timeout", "something takes the connection and does not answer: look at the server, a firewall, a proxy"),
    ("too many", "raise the server's `max_connections`, or end other clients"),
    ("remaining connection slots", "raise the server's `max_connections`, or end other clients"),
    ("starting up", "wait, and look again"),
)
ELSE = "start the server, or correct the host and the port in HUB_DATABASE_URL"


def findings(settings: Settings, found: Condition, now: datetime) -> Iterator[Finding]:
    """What is to be said of it; `now` by this machine's clock."""
    if found.path is not None:
        yield from _file(found, found.path, now)
    else:
        yield from _answer(found)
        if found.server is not None:
            yield from server(found.server, settings.workers)
    yield from _meetings(found)


def _file(found: Condition, path: Path, now: datetime) -> Iterator[Finding]:
    yield _state(found, path)
    yield _library()
    folder = path.absolute().parent
    if folder.is_dir():
        yield place(kind_of(folder, MOUNTS.read_text() if MOUNTS.exists() else ""), shutil.disk_usage(folder).free)
    if found.last_beat is not None and (found.last_beat - now).total_seconds() > OFF_SECONDS:
        said = f"the last beat in {path} is of {found.last_beat:%Y-%m-%d %H:%M:%S} UTC, which is yet to come"
        yield yellow(CLOCK, said, "set this machine's clock, by NTP: what is recorded would be out of order")


def _state(found: Condition, path: Path) -> Finding:
    folder = path.absolute().parent
    if not found.exists and not folder.is_dir():
        return red(DATABASE, f"the folder of {path} does not exist", "make it, or set HUB_DATABASE_URL")
    if not os.access(folder, os.W_OK | os.X_OK) or (found.exists and not os.access(path, os.R_OK | os.W_OK)):
        # Who looks beside a running hub may be another user than who runs it.
        unwritable = yellow if path.with_name(f"{path.name}-wal").exists() else red
        mend = "give both to the user that runs the hub, and look as that user"
        return unwritable(DATABASE, f"{path} or its folder is not this user's to write", mend)
    if not found.exists:
        return green(DATABASE, f"{path} does not exist yet, and is made at start")
    if found.fault is not None:
        return red(DATABASE, f"{path} is of no use ({_line(found.fault)})", "restore it from a backup")
    if not found.known:
        said = f"{path} is at {found.revision}, which only a newer hub knows"
        return red(DATABASE, said, "run that, or restore a backup")
    if not found.up_to_date:
        return yellow(
            DATABASE, f"{path} is at {found.revision or 'no tables yet'}, not {schema.head()}", "run `hub migrate`"
        )
    if not found.wal:
        said = f"{path} is up to date, but not in WAL mode"
        return yellow(DATABASE, said, "start the hub, which sets it; if it stays so, the file system can't do it")
    if found.intact is None:
        said = f"{path} is up to date, and too large to be read through in a few seconds"
        return green(DATABASE, f"{said}; `PRAGMA integrity_check` does it at leisure")
    return green(DATABASE, f"{path} is intact and up to date")


def _library() -> Finding:
    if sqlite3.sqlite_version_info < FIXED_SQLITE:
        said = (
            f"{sqlite3.sqlite_version} has the WAL-reset fault (mended in 3.51.3); a hub alone on the file keeps clear"
        )
        return yellow(SQLITE, f"{said} of it", "let no other program write or checkpoint it, or take a newer SQLite")
    return green(SQLITE, sqlite3.sqlite_version)


def kind_of(folder: Path, mounts: str) -> str:
    """The kind of file system that holds `folder`, from the text of /proc/self/mountinfo; "" if not told."""
    best, kind = "", ""
    real = os.path.realpath(folder)
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split()[4].replace("\\040", " ")
        if len(point) >= len(best) and os.path.commonpath([real, point]) == point:
            best, kind = point, after.split()[0]
    return kind


def place(kind: str, free: int) -> Finding:
    """Whether a file may lie in a file system of this kind with so many bytes left."""
    said = f"{free / GB:.1f} GB free"
    if kind.startswith(REMOTE):
        said = f"the database lies on a file system of the network ({kind}), where locks and WAL do not hold"
        return red(DISK, said, "put it on a local disk, or take PostgreSQL")
    if free < GB / 10:
        return red(DISK, said, "make room: without it nothing can be booked or recorded")
    if free < GB:
        return yellow(DISK, said, "make room before it is full")
    if kind in PASSING:
        return yellow(DISK, f"{said}, but {PASSING[kind]}", "put the database on a disk or a volume of its own")
    return green(DISK, said)


def _answer(found: Condition) -> Iterator[Finding]:
    if found.fault is not None:
        mend = next((mend for word, mend in MENDS if word in found.fault), ELSE)
        yield red(DATABASE, f"{found.name} can't be reached: {_line(found.fault)}", mend)
    elif found.up_to_date:
        yield green(DATABASE, f"{found.name} answers, its tables are at {found.revision}")
    elif not found.known:
        yield green(DATABASE, f"{found.name} answers, its tables are at {found.revision}, which is newer: that is fine")
    else:
        said = f"the tables of {found.name} are at {found.revision or 'none yet'}, not {schema.head()}"
        yield red(DATABASE, said, "run `hub migrate`")


def _line(fault: str) -> str:
    """libpq's sentences have lines, and what a server says in them has anything."""
    return printable(" ".join(fault.split()))


def server(said: Server, workers: int) -> Iterator[Finding]:
    """What is to be said of a server that answers, for so many processes."""
    if said.number < OLDEST_SERVER:
        yield red(DATABASE, f"PostgreSQL {said.version} is too old", "take 13 or later")
    if said.standby:
        yield red(DATABASE, "this server is a standby, and takes no writes", "name the primary in HUB_DATABASE_URL")
    for name, value in (("synchronous_commit", said.synchronous_commit), ("fsync", said.fsync)):
        if value == "off":
            lost = f"{name} is off: a crash of the server loses what was acknowledged"
            yield yellow(DATABASE, lost, f"set `{name} = on`")
    if said.isolation != "read committed":
        told = f"default_transaction_isolation is {said.isolation}: changes of one session are begun again and again"
        yield yellow(DATABASE, told, "set it to `read committed` for the hub's user or database")
    yield _room(said, workers)
    yield _clock(said.ahead)


def _room(said: Server, workers: int) -> Finding:
    wanted = (
        f"PostgreSQL {said.version} takes {said.room} connections of this user, {workers} workers take {EACH * workers}"
    )
    mend = (
        f"allow {EACH * (workers + 1)} or more (`max_connections`, `ALTER ROLE … CONNECTION LIMIT`), or fewer workers"
    )
    if said.room < EACH * workers:
        return red(DATABASE, wanted, mend)
    if said.room < EACH * (workers + 1):
        return yellow(DATABASE, f"{wanted}, and one more {EACH} while they are replaced", mend)
    return green(DATABASE, wanted)


def _clock(ahead: float) -> Finding:
    said = f"the database's is {abs(ahead):.1f} s {'before' if ahead > 0 else 'behind'} this machine's"
    mend = "set both by NTP: the hub goes by the database's, whoever signs tokens by another"
    if abs(ahead) >= FAR_OFF_SECONDS:
        return red(CLOCK, said, mend)
    return yellow(CLOCK, said, mend) if abs(ahead) >= OFF_SECONDS else green(CLOCK, said)


def _meetings(found: Condition) -> Iterator[Finding]:
    waiting = found.waiting
    if waiting is None:
        return
    if waiting.lost:
        said = f"{waiting.lost} sessions hold something that no key here opens, {waiting.ahead} of them not over"
        mend = "add the old key to HUB_SECRET_KEYS_ACCEPTED, or have their experts set the meeting anew"
        yield (red if waiting.ahead else yellow)(MEETINGS, said, mend)
    if waiting.stale > waiting.lost:
        said = f"{waiting.stale - waiting.lost} sessions are not sealed with HUB_SECRET_KEY"
        yield yellow(MEETINGS, said, "run `hub reseal` before the old key goes")
    if not waiting.stale:
        yield green(MEETINGS, "all sealed with HUB_SECRET_KEY")
