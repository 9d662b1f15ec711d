"""`hub backup`: a whole file under its name or none, whatever it meets; and how it is put back."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.store import backup
from hub.store.backup import NotCopied, back_up
from hub.store.database import Unusable
from tests import history
from tests.bus.listening import until
from tests.running import PATIENCE
from tests.tables import Where, ask, change, dump, holding, locked, rows, tables, url_of
from tests.test_cli import Ended, clean, hub_command

LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); from hub.cli import main; main()"
"""What runs the command where no file may grow any larger."""


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with a history, which nobody uses."""
    folder = tmp_path / "served"
    folder.mkdir()
    await history.make(folder / "hub.db")
    return folder / "hub.db"


async def backed_up(path: Where, copy: Path) -> Ended:
    """`hub backup` to its end."""
    return await hub_command(copy.parent, "backup", str(copy), HUB_DATABASE_URL=url_of(path))


def beside(copy: Path) -> list[str]:
    """What there is where the backup was to be."""
    return sorted(one.name for one in copy.parent.iterdir() if one.name != "served")


async def test_the_copy_is_one_file_for_its_owner_with_all_that_was_stored_and_in_the_log(
    path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    with tables(path) as writer:
        writer.execute("UPDATE users SET name = 'Only in the log' WHERE id = 'ann'")
        ended = await backed_up(path, copy)
        assert holding(path, b"Only in the log") == ["hub.db-wal"]
    assert (ended.code, ended.err) == (0, "")
    assert f"{copy.stat().st_size} bytes, tables at 0004, checked. Keep HUB_SECRET_KEY elsewhere" in ended.out
    assert (beside(copy), copy.stat().st_mode & 0o777) == (["copy.db"], 0o600)
    assert copy.read_bytes()[18:20] == b"\1\1"  # it needs no log
    assert dump(copy) == dump(path)
    assert ask(copy, "SELECT name FROM users WHERE id = 'ann'") == ["Only in the log"]


def test_of_a_log_that_was_long_once_only_the_present_round_is_copied(path: Path, tmp_path: Path) -> None:
    with tables(path) as writer:
        writer.execute("UPDATE live_sessions SET description = ?", ["long " * 200_000])
        writer.execute("UPDATE live_sessions SET description = ''")
        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        writer.execute("UPDATE users SET name = 'Begins another round' WHERE id = 'ann'")
        log = path.with_name("hub.db-wal")
        with log.open("rb") as opened:
            assert 0 < backup._valid(opened.fileno()) < 100_000 < log.stat().st_size
        back_up(url_of(path), tmp_path / "copy.db", lambda: datetime.now(UTC))
        assert dump(tmp_path / "copy.db") == dump(path)


async def test_what_can_not_be_is_refused_in_a_sentence_and_nothing_is_touched(path: Path, tmp_path: Path) -> None:
    (tmp_path / "there.db").write_text("precious")
    (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
    refused: list[tuple[Where, Path, str]] = [
        (path, tmp_path / "there.db", "there.db is there already: a backup is a new file"),
        (path, tmp_path / "link.db", "link.db is there already"),
        (path, tmp_path, "is there already"),
        (path, tmp_path / "no folder" / "copy.db", "there is no folder"),
        (tmp_path / "nothing.db", tmp_path / "copy.db", "there is no database at"),
        (
            "postgresql://db.internal/hub",
            tmp_path / "copy.db",
            "PostgreSQL is backed up by its own tools, `pg_dump` or",
        ),
    ]
    before = beside(tmp_path / "copy.db")
    for source, copy, said in refused:
        ended = await backed_up(source, copy)
        assert (ended.code, ended.err[:5], len(ended.err.splitlines()), said in ended.err) == (2, "hub: ", 1, True)
    assert (beside(tmp_path / "copy.db"), (tmp_path / "there.db").read_text()) == (before, "precious")


def damage(path: Path, page: int) -> None:
    """Fill a page with zeros."""
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))


async def test_a_file_that_is_damaged_or_no_database_of_a_hub_is_no_backup(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    (tmp_path / "served" / "other.db").write_text("no database")
    change(tmp_path / "served" / "foreign.db", "CREATE TABLE something (id)")
    change(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    (root,) = ask(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_session_bookings_user'")
    damage(path, root)
    for source, said in (("other.db", "not a database"), ("foreign.db", "alembic_version"), ("hub.db", "damaged")):
        ended = await backed_up(path.with_name(source), copy)
        assert (ended.code, len(ended.err.splitlines()), said in ended.err) == (1, 1, True), ended
        assert beside(copy) == []


async def run(arguments: Sequence[str], path: Path, folder: Path) -> asyncio.subprocess.Process:
    """Python with these arguments, for this database."""
    given = {**os.environ, **clean({"HUB_DATABASE_URL": url_of(path)}, folder)}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={name: value for name, value in given.items() if value is not None},
        stderr=asyncio.subprocess.PIPE,
    )


def size_of(path: Path) -> int:
    """In octets."""
    return path.stat().st_size


@pytest.mark.parametrize("log", [False, True], ids=["file", "log"])
async def test_a_disk_that_is_full_is_told_of_and_leaves_nothing(path: Path, tmp_path: Path, log: bool) -> None:
    copy, size = tmp_path / "copy.db", size_of(path)
    with tables(path) as writer:
        if log:
            writer.execute("UPDATE live_sessions SET description = ?", ["long " * 50_000])
        process = await run(["-c", LIMITED.format(size if log else size // 2), "backup", str(copy)], path, tmp_path)
        async with asyncio.timeout(2 * PATIENCE):
            _, err = await process.communicate()
    assert (process.returncode, beside(copy)) == (1, [])
    assert err.decode().splitlines() == [f"hub: there is no backup at {copy}: File too large"]
    assert (await backed_up(path, copy)).code == 0


@pytest.mark.parametrize(("how", "left"), [(signal.SIGKILL, 1), (signal.SIGINT, 0)])
async def test_killed_half_way_there_is_nothing_under_the_name_and_the_next_one_succeeds(
    path: Path, tmp_path: Path, how: signal.Signals, left: int
) -> None:
    copy = tmp_path / "copy.db"
    stored = dump(path)
    with locked(path):  # it waits for the writer, with the file copied already
        process = await run(["-m", "hub", "backup", str(copy)], path, tmp_path)
        try:
            await until(lambda: bool(list(tmp_path.glob(".hub-backup-*/hub.db"))), "its half")
            process.send_signal(how)
        finally:
            if how is signal.SIGKILL:
                await process.wait()
    async with asyncio.timeout(PATIENCE):
        _, err = await process.communicate()
    assert (process.returncode != 0, b"Traceback" in err, copy.exists(), len(beside(copy))) == (
        True,
        False,
        False,
        left,
    )
    assert (await backed_up(path, copy)).code == 0
    assert dump(copy) == dump(path) == stored


async def test_a_name_that_is_taken_meanwhile_is_left_to_whoever_took_it(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"

    def takes_it() -> datetime:
        copy.write_text("precious")
        return datetime.now(UTC)

    with pytest.raises(NotCopied, match="it came to be meanwhile"):
        back_up(url_of(path), copy, takes_it)
    assert (copy.read_text(), beside(copy)) == ("precious", ["copy.db"])


def test_a_name_that_is_taken_at_the_last_moment_is_left_as_well(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, exists, link = tmp_path / "copy.db", os.path.lexists, os.link

    def looked(at: Path) -> bool:
        there = exists(at)
        if beside(copy) and not there:  # the folder is there: this is the look before the name is given
            copy.write_text("precious")
        return there

    def linked(part: Path, name: Path) -> None:
        looked(name)
        link(part, name)

    monkeypatch.setattr(os.path, "lexists", looked)
    monkeypatch.setattr(os, "link", linked)
    with pytest.raises(NotCopied, match="it came to be meanwhile"):
        back_up(url_of(path), copy, lambda: datetime.now(UTC))
    assert (copy.read_text(), beside(copy)) == ("precious", ["copy.db"])


def test_where_a_file_has_one_name_only_it_is_renamed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: Path) -> None:
        raise PermissionError(errno.EPERM, "no links here, as on FAT")

    monkeypatch.setattr(os, "link", refuse)
    back_up(url_of(path), tmp_path / "copy.db", lambda: datetime.now(UTC))
    assert (beside(tmp_path / "copy.db"), dump(tmp_path / "copy.db")) == (["copy.db"], dump(path))


def test_no_part_is_ever_anybody_else_s_to_read(path: Path, tmp_path: Path) -> None:
    modes = {}

    def look() -> datetime:
        modes.update({one.name: one.stat().st_mode & 0o777 for one in tmp_path.glob(".hub-backup-*/*")})
        return datetime.now(UTC)

    with tables(path) as writer:
        writer.execute("UPDATE users SET name = 'Only in the log' WHERE id = 'ann'")
        before = os.umask(0)
        try:
            back_up(url_of(path), tmp_path / "copy.db", look)
        finally:
            os.umask(before)
    assert modes == {"hub.db": 0o600, "hub.db-wal": 0o600}


async def test_an_old_log_beside_a_restored_file_would_be_taken_for_its_own(path: Path, tmp_path: Path) -> None:
    """Why the README has all three files moved away: SQLite can't tell, and what comes of it is neither."""
    copy = tmp_path / "copy.db"
    back_up(url_of(path), copy, lambda: datetime.now(UTC))
    with tables(path) as writer:
        writer.execute("UPDATE users SET name = 'After the backup' WHERE id = 'ann'")
        shutil.copy(path.with_name("hub.db-wal"), tmp_path / "old-wal")
    for name, said in (("alone", ["Student ann"]), ("beside its log", ["After the backup"])):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(copy, folder / "hub.db")
        if said != ["Student ann"]:
            shutil.copy(tmp_path / "old-wal", folder / "hub.db-wal")
        assert ask(folder / "hub.db", "SELECT name FROM users WHERE id = 'ann'") == said


def test_a_link_to_the_file_is_as_good_as_its_own_name(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with tables(path) as writer:
        writer.execute("UPDATE users SET name = 'Only in the log' WHERE id = 'ann'")
        back_up(url_of(tmp_path / "link.db"), tmp_path / "copy.db", lambda: datetime.now(UTC))
    assert rows(tmp_path / "copy.db", "SELECT name FROM users WHERE id = 'ann'") == [("Only in the log",)]
    with pytest.raises(Unusable):
        back_up(url_of(path), tmp_path / "copy.db", lambda: datetime.now(UTC))
