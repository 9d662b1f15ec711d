"""`hub prune`: visits of sessions that are long over go, what they add up to stays, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from hub import keeping
from hub.keeping import prune
from hub.store import keeping as statements
from hub.store.opening import database_at
from tests import history
from tests.bus.listening import until
from tests.domain.factories import STARTS
from tests.history import ACTIVE, CANCELLED, DAY, LATER, OTHER_NODE, OVER, attendance
from tests.running import free_port, kill, spawn
from tests.servers import PostgresServer
from tests.tables import Where, ask, change, dump, holding, rows, tables, url_of
from tests.test_cli import clean, hub_command

LONG_OVER = STARTS + DAY / 2
"""Only the first session was over by then."""
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def visits(where: Where) -> list[Any]:
    """The ids of the visits that are kept."""
    return ask(where, "SELECT id FROM session_participants ORDER BY id")


async def test_totals_stay_as_they_were_and_only_old_visits_go(where: Where) -> None:
    now = await history.make(where)
    before, stored = await attendance(where, now), dump(where)
    assert [one.person.id for one in before[OVER]] == ["ann", "ben", "cho"]
    assert [one.total.seconds for one in before[OVER]] == [217.125, 247.375, 30.25]
    pruned = await prune(database_at(url_of(where)), LONG_OVER)
    assert list(pruned.told()) == [
        "of 1 sessions that were over before 2025-08-26T01:00:00Z, 5 visits were erased and 3 totals kept; "
        "1 dead processes were erased"
    ]
    after = await attendance(where, now)
    assert after[OVER] == [replace(one, visits=()) for one in before[OVER]]
    assert {session: after[session] for session in after if session != OVER} == {
        session: before[session] for session in before if session != OVER
    }
    left = dump(where)
    assert left.pop("attendance_totals") != stored.pop("attendance_totals") == []
    kept = left.pop("session_participants")
    assert kept == [row for row in stored.pop("session_participants") if row[1] != OVER]
    assert left == stored  # no revision moved, and nobody is told


async def test_pruned_again_nothing_happens_and_later_the_rest_goes_with_dead_processes(where: Where) -> None:
    now = await history.make(where)
    before = await attendance(where, now)
    for _ in range(2):
        pruned = await prune(database_at(url_of(where)), now)
        again = await prune(database_at(url_of(where)), now)
        assert (again.sessions, again.people, again.visits, again.nodes) == (0, 0, 0, 0)
    assert (pruned.sessions, pruned.people) == (0, 0)
    assert visits(where) == ["a-6", "b-2", "c-3"]
    assert ask(where, "SELECT id FROM nodes ORDER BY id") == ["n-1"]  # it lives
    after = await attendance(where, now)
    for session in (OVER, LATER, CANCELLED):
        assert after[session] == [replace(one, visits=()) for one in before[session]]
    assert after[ACTIVE] == before[ACTIVE]


async def test_a_dry_run_says_what_a_run_then_does_and_changes_nothing(where: Where) -> None:
    now = await history.make(where)
    stored = dump(where)
    said = await prune(database_at(url_of(where)), now, dry=True)
    assert dump(where) == stored
    done = await prune(database_at(url_of(where)), now)
    assert replace(said, dry=False) == done
    assert (done.sessions, done.people, done.visits, done.nodes) == (3, 6, 8, 1)
    assert [told.replace("would be", "were") for told in said.told()] == list(done.told())


async def test_a_dead_process_that_a_kept_visit_names_stays(where: Where) -> None:
    now = await history.make(where)
    change(where, "UPDATE session_participants SET node_id = ? WHERE id = 'c-3'", OTHER_NODE)
    for dry in (True, False):
        assert (await prune(database_at(url_of(where)), now, dry=dry)).nodes == 0
    assert ask(where, "SELECT id FROM nodes ORDER BY id") == ["n-1", OTHER_NODE]


async def test_a_session_whose_visits_did_not_all_end_is_left_whole(where: Where) -> None:
    now = await history.make(where)
    change(where, "UPDATE session_participants SET left_at = NULL, reason = NULL WHERE id = 'c-1'")
    pruned = await prune(database_at(url_of(where)), LONG_OVER)
    assert (pruned.sessions, pruned.visits) == (0, 0)
    assert len((await attendance(where, now))[OVER][0].visits) == 3


async def test_in_small_batches_it_is_the_same(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    now = await history.make(where)
    before = await attendance(where, now)
    monkeypatch.setattr(keeping, "BATCH", 1)
    monkeypatch.setattr(keeping, "WINDOW", 1)
    pruned = await prune(database_at(url_of(where)), now)
    assert (pruned.sessions, pruned.people, pruned.visits) == (3, 6, 8)
    assert (await attendance(where, now))[OVER] == [replace(one, visits=()) for one in before[OVER]]


def broken(times: int) -> Callable[..., tuple[int, int]]:
    """`condense`, which breaks after so many batches."""
    left = [times]

    def condense(connection: Connection, **given: Any) -> tuple[int, int]:
        done = CONDENSE(connection, **given)
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("the power went")
        return done

    return condense


CONDENSE = statements.condense


async def test_broken_off_anywhere_and_run_again_nothing_is_lost_or_counted_twice(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = await history.make(where)
    before = await attendance(where, now)
    monkeypatch.setattr(keeping, "BATCH", 1)
    for batches in range(3):
        monkeypatch.setattr(statements, "condense", broken(batches))
        with pytest.raises(RuntimeError, match="the power went"):
            await prune(database_at(url_of(where)), now)
        for session, people in (await attendance(where, now)).items():
            assert [replace(one, visits=()) for one in people] == [replace(one, visits=()) for one in before[session]]
    monkeypatch.undo()
    assert (await prune(database_at(url_of(where)), now)).complete
    assert (await attendance(where, now))[OVER] == [replace(one, visits=()) for one in before[OVER]]


async def test_control_totals_stored_apart_from_the_erasing_lose_a_visit(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = await history.make(where)
    before = await attendance(where, now)

    def apart(connection: Connection, **given: Any) -> tuple[int, int]:
        connection.exec_driver_sql("DELETE FROM session_participants WHERE session_id = 1 AND user_id = 'ann'")
        connection.commit()
        raise RuntimeError("the power went")

    monkeypatch.setattr(statements, "condense", apart)
    with pytest.raises(RuntimeError, match="the power went"):
        await prune(database_at(url_of(where)), now)
    assert len((await attendance(where, now))[OVER]) < len(before[OVER])


async def test_killed_half_way_it_goes_on_where_it_was(fresh_postgres: str, tmp_path: Path) -> None:
    now = await history.make(fresh_postgres)
    before = await attendance(fresh_postgres, now)
    given = {**os.environ, **clean({"HUB_DATABASE_URL": fresh_postgres}, tmp_path)}
    command = (sys.executable, "-m", "hub", "prune", "--older-than", "90d")
    with tables(fresh_postgres) as other:
        other.execute("BEGIN")
        other.execute("SELECT id FROM live_sessions WHERE id = 2 FOR UPDATE")
        process = await asyncio.create_subprocess_exec(
            *command, env={name: value for name, value in given.items() if value is not None}
        )
        try:
            await until(lambda: ask(fresh_postgres, WAITING) != [0], "its waiting for the row")
        finally:
            process.kill()
            await process.wait()
        other.execute("ROLLBACK")
    assert visits(fresh_postgres) == ["a-4", "a-5", "a-6", "b-2", "c-2", "c-3"]
    ended = await hub_command(tmp_path, *command[3:], HUB_DATABASE_URL=fresh_postgres)
    assert (ended.code, ended.out.count("of 2 sessions"), ended.out.count("3 visits were erased")) == (0, 1, 1)
    after = await attendance(fresh_postgres, now)
    assert after[OVER] == [replace(one, visits=()) for one in before[OVER]]


async def test_somebody_who_holds_a_session_for_long_ends_it_with_a_sentence(
    fresh_postgres: str, tmp_path: Path
) -> None:
    await history.make(fresh_postgres)
    with tables(fresh_postgres) as other:
        other.execute("BEGIN")
        other.execute("SELECT id FROM live_sessions WHERE id = 2 FOR UPDATE")
        ended = await hub_command(tmp_path, "prune", "--older-than", "90d", HUB_DATABASE_URL=fresh_postgres)
        other.execute("ROLLBACK")
    assert ended.code == 1
    assert ended.out.splitlines()[1].startswith("hub: not all were reached: ")
    assert ended.out.splitlines()[1].endswith("Run this again: it goes on where it was")


async def test_the_running_hub_is_not_held_up_by_what_prune_holds(fresh_postgres: str) -> None:
    """Prune locks a session that is over, one at a time: bookings and joins of others pass while it stands still."""
    await history.make(fresh_postgres)
    with tables(fresh_postgres) as other, tables(fresh_postgres) as busy:
        other.execute("BEGIN")
        other.execute("SELECT id FROM session_participants WHERE id = 'a-1' FOR UPDATE")  # half of a batch is done
        pruning = asyncio.create_task(prune(database_at(fresh_postgres), LONG_OVER))
        await until(lambda: ask(fresh_postgres, WAITING) != [0], "its waiting for the row")
        busy.execute("SET lock_timeout = '1s'")
        assert busy.execute("SELECT id FROM live_sessions WHERE id > 1 FOR UPDATE").fetchall() != []
        assert busy.execute("SELECT id FROM users FOR KEY SHARE").fetchall() != []
        with pytest.raises(psycopg.errors.LockNotAvailable):
            busy.execute("SELECT id FROM live_sessions WHERE id = 1 FOR UPDATE")
        other.execute("ROLLBACK")
    assert (await pruning).visits == 5


async def test_nothing_of_old_visits_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    await history.make(path)
    assert rows(path, "UPDATE session_participants SET connection_id = 'canary' WHERE id = 'a-1' RETURNING id")
    assert (await hub_command(tmp_path, "prune", "--older-than", "90d", HUB_DATABASE_URL=url_of(path))).code == 0
    assert holding(path, b"canary") == []


@pytest.mark.parametrize(
    ("age", "said"),
    [
        ("90", "--older-than takes a number and s, m, h or d"),
        ("ninety days", "--older-than takes a number and s, m, h or d"),
        ("9999999d", "--older-than 9999999d is before any calendar begins"),
    ],
)
async def test_an_age_that_is_none_is_refused_in_a_sentence(tmp_path: Path, age: str, said: str) -> None:
    ended = await hub_command(tmp_path, "prune", "--older-than", age)
    assert (ended.code, len(ended.err.splitlines()), said in ended.err) == (2, 1, True)


async def test_it_is_refused_without_tables_and_beside_a_hub_on_sqlite(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    empty = postgres_server.database()
    ended = await hub_command(tmp_path, "prune", "--older-than", "90d", HUB_DATABASE_URL=empty)
    postgres_server.drop(empty)
    assert (ended.code, "run `hub migrate`" in ended.err) == (2, True)
    hub = await spawn(tmp_path, free_port())
    try:
        for command in (("prune", "--older-than", "90d"), ("forget", "ann")):
            ended = await hub_command(tmp_path, *command, HUB_DATABASE_URL=url_of(hub.where))
            assert (ended.code, ended.err.startswith("hub: Another hub process is using this SQLite file")) == (2, True)
    finally:
        await kill(hub)
