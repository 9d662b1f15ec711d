"""A change of keys: `hub reseal` seals all anew, whatever happens meanwhile, and nobody sees a difference."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub import resealing
from hub.domain.model import Session
from hub.sealing import PASSWORD, URL, Vault
from hub.store import sealed
from hub.store.opening import database_at
from hub.store.sqlite import SqliteDatabase
from tests.bus.listening import until
from tests.domain.factories import OWNER, a_session
from tests.house import house_on
from tests.running import free_port, kill, spawn
from tests.servers import PostgresServer
from tests.tables import Where, ask, change, dump, locked, rows, tables, url_of
from tests.test_cli import Ended, clean, hub_command

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
ADDRESS = "https://meet.example/{id}?pwd=canary-5ec2e7"
SECRET = "canary-of-{id}"
SEALED = "SELECT id, meeting_url, sealed_url, sealed_password FROM live_sessions ORDER BY id"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def text(key: bytes) -> str:
    """As the environment has it."""
    return base64.b64encode(key).decode()


async def reseal(where: Where, folder: Path, *accepted: bytes, key: bytes = NEW) -> Ended:
    """`hub reseal` to its end."""
    keys = {"HUB_SECRET_KEY": text(key), "HUB_SECRET_KEYS_ACCEPTED": ",".join(map(text, accepted))}
    return await hub_command(folder, "reseal", HUB_DATABASE_URL=url_of(where), **keys)


def sealing(key: bytes) -> Callable[[Session], None]:
    """Seals both secrets of a session."""
    vault = Vault(key)

    def seal(session: Session) -> None:
        session.meeting_url = None
        session.sealed_url = vault.seal(ADDRESS.format(id=session.id), session.id, URL)
        session.sealed_password = vault.seal(SECRET.format(id=session.id), session.id)

    return seal


async def stock(where: Where, number: int) -> None:
    """Sessions 1 to `number`, sealed with OLD."""
    async with house_on(database_at(url_of(where)), where) as house:
        for _ in range(number):
            await house.ledger.create(a_session(meeting_url=None), OWNER.person, sealing(OLD))


def secrets(where: Where, key: bytes) -> dict[int, tuple[str, str]]:
    """What is sealed, opened with this key alone."""
    vault = Vault(key)
    return {
        number: (vault.open(url, number, URL), vault.open(password, number, PASSWORD))
        for number, _, url, password in rows(where, SEALED)
    }


def as_sealed(*numbers: int) -> dict[int, tuple[str, str]]:
    """What `stock` sealed of these."""
    return {number: (ADDRESS.format(id=number), SECRET.format(id=number)) for number in numbers}


def unsealed(where: Where) -> dict[str, list[Any]]:
    """All that is stored, but what is sealed."""
    hidden = {value for _, *values in rows(where, SEALED) for value in values}
    return {table: [[one for one in row if one not in hidden] for row in found] for table, found in dump(where).items()}


async def test_K1_after_a_change_of_keys_all_opens_with_the_new_one_and_nothing_else_changed(
    where: Where, tmp_path: Path
) -> None:
    await stock(where, 3)
    before = unsealed(where)
    ended = await reseal(where, tmp_path, OTHER, OLD)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "hub: 3 sessions were sealed anew with HUB_SECRET_KEY\n"
    assert secrets(where, NEW) == as_sealed(1, 2, 3)
    assert unsealed(where) == before  # revisions and versions too
    once = rows(where, SEALED)
    ended = await reseal(where, tmp_path)
    assert (ended.code, ended.out) == (0, "hub: 0 sessions were sealed anew with HUB_SECRET_KEY\n")
    assert rows(where, SEALED) == once


async def test_K1_what_does_not_open_is_told_and_left_for_whoever_finds_its_key(where: Where, tmp_path: Path) -> None:
    await stock(where, 3)
    foreign = Vault(OTHER).seal(SECRET.format(id=2), 2)
    change(where, "UPDATE live_sessions SET sealed_password = ? WHERE id = 2", foreign)
    ended = await reseal(where, tmp_path, OLD)
    assert ended.code == 1
    told = ended.out.splitlines()
    assert told[0] == "hub: 2 sessions were sealed anew with HUB_SECRET_KEY"
    assert told[1].startswith("hub: 1 sessions hold something that none of the keys opens, and were left so: 2. Add")
    assert "canary" not in ended.out + ended.err
    assert ask(where, "SELECT sealed_password FROM live_sessions WHERE id = 2") == [foreign]
    ended = await reseal(where, tmp_path, OTHER)
    assert (ended.code, ended.out) == (0, "hub: 1 sessions were sealed anew with HUB_SECRET_KEY\n")
    assert secrets(where, NEW) == as_sealed(1, 2, 3)


async def test_K1_addresses_that_a_version_before_left_in_the_clear_are_sealed(where: Where, tmp_path: Path) -> None:
    await stock(where, 2)
    change(where, "UPDATE live_sessions SET meeting_url = ?, sealed_url = NULL WHERE id = 1", ADDRESS.format(id=1))
    # It knows nothing of the other column, so what it wrote last is the clear one.
    stale = Vault(OLD).seal("https://meet.example/stale", 2, URL)
    change(where, "UPDATE live_sessions SET meeting_url = ?, sealed_url = ? WHERE id = 2", ADDRESS.format(id=2), stale)
    ended = await reseal(where, tmp_path, OLD)
    assert ended.code == 0
    assert ask(where, "SELECT meeting_url FROM live_sessions") == [None, None]
    assert secrets(where, NEW) == as_sealed(1, 2)


def clear_file(path: Path) -> list[str]:
    """The files of a database that hold a canary."""
    return [one.name for one in path.parent.glob(f"{path.name}*") if b"canary" in one.read_bytes()]


@pytest.mark.parametrize("scrubbed", [True, False], ids=["K1-scrubbed", "control"])
async def test_nothing_of_an_address_that_was_in_the_clear_is_left_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scrubbed: bool
) -> None:
    async def nothing(database: SqliteDatabase) -> None:
        pass

    path = tmp_path / "hub.db"
    await stock(path, 2)
    with tables(path) as other:
        other.execute("PRAGMA secure_delete=OFF")  # as it is by default, but not in every build
        other.execute("UPDATE live_sessions SET meeting_url = ?, sealed_url = NULL", ["canary" * 5000])
        other.execute("UPDATE live_sessions SET meeting_url = 'https://meet.example/?pwd=canary'")
    assert clear_file(path) != []
    if not scrubbed:
        monkeypatch.setattr(SqliteDatabase, "scrub", nothing)
    assert (await reseal(path, tmp_path, OLD)).code == 0
    assert (clear_file(path) == []) is scrubbed


@asynccontextmanager
async def held(where: str, statement: str) -> AsyncIterator[None]:
    """Another program's transaction under way, committed at the end."""
    with tables(where) as other:
        other.execute("BEGIN")
        other.execute(statement)
        yield
        other.execute("COMMIT")


async def test_K1_killed_half_way_it_goes_on_where_it_was(fresh_postgres: str, tmp_path: Path) -> None:
    number = resealing.BATCH + 50
    await stock(fresh_postgres, number)
    done = f"SELECT count(*) FROM live_sessions WHERE sealed_url LIKE '{Vault(NEW).key_id}.%'"
    keys = {"HUB_SECRET_KEY": text(NEW), "HUB_SECRET_KEYS_ACCEPTED": text(OLD), "HUB_DATABASE_URL": fresh_postgres}
    environment = {**os.environ, **clean(keys, tmp_path)}
    given = {name: value for name, value in environment.items() if value is not None}
    async with held(fresh_postgres, f"SELECT id FROM live_sessions WHERE id = {number - 10} FOR UPDATE"):
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "hub", "reseal", env=given)
        try:
            await until(lambda: ask(fresh_postgres, WAITING) != [0], "its waiting for the row")
        finally:
            process.kill()
            await process.wait()
    assert ask(fresh_postgres, done) == [resealing.BATCH]
    ended = await reseal(fresh_postgres, tmp_path, OLD)
    assert (ended.code, ended.out) == (0, "hub: 50 sessions were sealed anew with HUB_SECRET_KEY\n")
    assert secrets(fresh_postgres, NEW) == as_sealed(*range(1, number + 1))


@pytest.mark.parametrize("protected", [True, False], ids=["K1-locked", "control"])
async def test_an_edit_made_meanwhile_is_not_undone(
    fresh_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    await stock(fresh_postgres, 1)
    if not protected:
        # FOR KEY SHARE waits for nobody who edits: as good as none.
        monkeypatch.setattr(sealed, "STALE", sealed.STALE.with_for_update(read=True, key_share=True))
    edited = Vault(OLD).seal("edited meanwhile", 1)
    async with held(fresh_postgres, f"UPDATE live_sessions SET sealed_password = '{edited}'"):
        command = asyncio.create_task(reseal(fresh_postgres, tmp_path, OLD))
        await until(lambda: ask(fresh_postgres, WAITING) != [0], "its waiting for the row")
    assert (await command).code == 0
    found = secrets(fresh_postgres, NEW)[1][1]
    assert (found == "edited meanwhile") is protected


async def test_somebody_who_holds_a_session_for_long_ends_it_with_a_sentence(
    fresh_postgres: str, tmp_path: Path
) -> None:
    await stock(fresh_postgres, 1)
    with locked(fresh_postgres):
        ended = await reseal(fresh_postgres, tmp_path, OLD)
    assert ended.code == 1
    assert ended.out.splitlines()[0] == "hub: 0 sessions were sealed anew with HUB_SECRET_KEY"
    assert ended.out.splitlines()[1].endswith("Run this again: it goes on where it was")


async def test_it_is_refused_without_a_key_without_tables_and_beside_a_hub_on_sqlite(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    ended = await hub_command(tmp_path, "reseal")
    assert (ended.code, ended.err[:21]) == (2, "hub: HUB_SECRET_KEY: ")
    empty = postgres_server.database()
    ended = await reseal(empty, tmp_path)
    assert (ended.code, "run `hub migrate`" in ended.err) == (2, True)
    postgres_server.drop(empty)
    hub = await spawn(tmp_path, free_port())
    try:
        ended = await reseal(hub.where, tmp_path)
        assert (ended.code, len(ended.err.splitlines())) == (2, 1)
        assert ended.err.startswith("hub: Another hub process is using this SQLite file")
    finally:
        await kill(hub)
