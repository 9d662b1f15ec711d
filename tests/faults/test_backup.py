"""A backup made while three hundred writes a second go on, and a hub that is started on it elsewhere."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.beside import beside
from tests.faults.checker import Log, findings, stored, unmatched
from tests.faults.truth import Eye, until_same
from tests.faults.writing import Writing, writing
from tests.running import PATIENCE
from tests.second import Second
from tests.tables import Where, ask, change, tables, url_of
from tests.test_cli import hub_process

figures = logging.getLogger("figures")

LEASE = 3.0
SETTINGS = {"lease_seconds": LEASE, "leave_grace_seconds": 10.0, "count_interval_ms": 100}
FILLING = 1_000
"""Sessions with long descriptions, so that copying takes as long as it does in the field."""
GO_ON_SECONDS = 1.0
TAKEN = re.compile(r"holds all that was acknowledged before (\S+):")


def fill(path: Path, session: int) -> None:
    """Many sessions more, of 20 KB each."""
    described = ask(path, "SELECT name FROM pragma_table_info('live_sessions')")
    columns = ", ".join(name for name in described if name not in ("id", "description"))
    many = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {FILLING})"
    long = f"SELECT hex(randomblob(10000)), {columns} FROM live_sessions, n WHERE id = ?"
    change(path, f"{many} INSERT INTO live_sessions (description, {columns}) {long}", session)


@contextmanager
def pinned(path: Path) -> Iterator[None]:
    """What is written meanwhile stays in the log."""
    with tables(path) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM users").fetchall()
        yield
        other.execute("ROLLBACK")


def put(copy: Path, folder: Path) -> Path:
    """It, in a place of its own, as whoever restores it puts it."""
    folder.mkdir()
    shutil.copy(copy, folder / "hub.db")
    return folder / "hub.db"


def lost(path: Path, written: Writing, at: datetime) -> list[str]:
    """What was acknowledged by then and is not in this file; or the other way round."""
    return [*unmatched(stored(path), written.log(at, LEASE)), *written.unbooked(path, at)]


def is_wrong(path: Path, written: Writing, at: datetime) -> bool:
    """Whether something is lost, or the file is none that can be read: a checkpoint may have been under way."""
    try:
        return lost(path, written, at) != []
    except sqlite3.DatabaseError:
        return True


async def until_well(path: Where, log: Log) -> list[str]:
    """What is wrong, as soon as nothing is: a new hub first closes the visits of the one before."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        wrong = findings(path, log, {"alive": LEASE, "draining": LEASE})
        if not wrong or asyncio.get_running_loop().time() > deadline:
            return wrong
        await asyncio.sleep(0.1)


async def wrong_when_served(second: Second, copy: Path, session: int, written: Writing, at: datetime) -> list[str]:
    """What a new hub on this copy makes of it, against all that was acknowledged by then."""
    async with beside(second, copy, **SETTINGS) as hub:
        wrong = await until_well(hub.where, written.log(at, LEASE))
        async with Eye.at(hub, [session]) as eye:
            await until_same(hub.where, [eye], PATIENCE)
        await hub.book(session, "somebody-new")
    return wrong


async def test_all_that_was_acknowledged_until_the_copying_ended_is_in_the_backup_and_nothing_is_wrong(
    tmp_path: Path, second: Second
) -> None:
    path, copy, plain = tmp_path / "hub.db", tmp_path / "copy.db", tmp_path / "plain.db"
    async with beside(second, path, **SETTINGS) as hub:
        session = (await hub.create(rosterVisibility="host"))["id"]
        fill(path, session)
        async with writing(hub, session) as written:
            begun = datetime.now(UTC)
            await asyncio.sleep(GO_ON_SECONDS)
            began = datetime.now(UTC)
            ended = await hub_process(tmp_path, "backup", str(copy), HUB_DATABASE_URL=url_of(path))
            over = datetime.now(UTC)
            with pinned(path):
                await asyncio.sleep(GO_ON_SECONDS)
                late = datetime.now(UTC)
                shutil.copy(path, plain)
    assert (ended.code, ended.err) == (0, ""), ended
    said = TAKEN.search(ended.out)
    assert said is not None, ended.out
    taken = datetime.fromisoformat(said[1])
    length, until_taken = (over - began).total_seconds(), (taken - began).total_seconds()
    figures.info(
        "a backup of %.0f MB took %.2f s, holds all of the first %.2f s, at %.0f writes/s, each in %.2f (%.2f before)",
        copy.stat().st_size / 1e6, length, until_taken, written.acknowledged(began, over) / length,
        written.slowest(began, over), written.slowest(begun, began),
    )  # fmt: skip
    assert began < taken < over
    assert written.acknowledged(began, taken) > 0
    restored = put(copy, tmp_path / "elsewhere")
    assert lost(restored, written, taken) == []
    assert await wrong_when_served(second, restored, session, written, taken) == []
    assert is_wrong(put(plain, tmp_path / "control"), written, late)  # control: the file without its log
