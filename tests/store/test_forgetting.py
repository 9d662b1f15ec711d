"""`hub forget`: nothing names the person any more, nobody else is touched, and attendance adds up as before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from hub.domain import forgetting
from hub.domain.attendance import Attendance
from hub.domain.people import Person
from hub.keeping import Forgotten, StillHosts, forget, prune
from hub.store import keeping as statements
from hub.store.opening import database_at
from hub.store.sqlite import SqliteDatabase
from tests import history
from tests.domain.factories import OWNER, STARTS
from tests.history import ACTIVE, CANCELLED, DAY, LATER, OVER, PAID, attendance
from tests.running import Client, Place, Running, running_twice
from tests.second import Second
from tests.servers import RedisServer
from tests.storm import people_counted, seats_sold_once
from tests.tables import Where, ask, change, dump, holding, rows, tables, url_of
from tests.test_cli import hub_command

ANN = "Student ann"
ALL = (OVER, LATER, ACTIVE, PAID, CANCELLED)
COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"


async def forgotten(where: Where, person: str = "ann") -> Forgotten:
    """Forget them."""
    return await forget(database_at(url_of(where)), person)


def cells(where: Where) -> Iterable[tuple[str, Any]]:
    """Every value of every table there is, and where it stands."""
    if isinstance(where, Path):
        names = ask(where, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    else:
        names = sorted({table for table, _ in rows(where, COLUMNS)})
    assert len(names) >= 8
    for name in names:
        for row in rows(where, f"SELECT * FROM {name}"):
            yield from ((name, value) for value in row)


def naming(where: Where, *words: str) -> list[tuple[str, Any]]:
    """The values that hold one of these words."""
    return [(table, value) for table, value in cells(where) if any(word in str(value) for word in words)]


def nobodies(where: Where) -> list[str]:
    """The ids of those who were forgotten."""
    return ask(where, "SELECT id FROM users WHERE name = ? ORDER BY id", forgetting.NAME)


async def mark(where: Where) -> Any:
    """A history in which ann has an id and a name that nothing else holds; when it was done."""
    now = await history.make(where)
    change(where, "UPDATE session_bookings SET expires_at = ? WHERE id = 'hold-of-ann'", "2099-01-01 00:00:00.000000")
    assert naming(where, ANN) == [("users", ANN)]
    return now


def without(stored: dict[str, list[tuple[Any, ...]]], *people: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that are not of these people, nor of a session, which all of its people change."""
    return {
        table: [row for row in found if not any(person in row for person in people)]
        for table, found in stored.items()
        if table != "live_sessions"
    }


def told(people: Iterable[Attendance], user_id: str, stand_in: Person) -> list[Attendance]:
    """As the attendance must be once `stand_in` has that person's place."""

    def renamed(one: Attendance) -> Attendance:
        visits = tuple(replace(visit, user_id=stand_in.id) for visit in one.visits)
        return replace(one, person=stand_in, visits=visits) if one.person.id == user_id else one

    return sorted(map(renamed, people), key=lambda one: (one.total.first_joined_at, one.person.id))


@pytest.mark.parametrize("pruned", [False, True])
async def test_nothing_names_them_any_more_nobody_else_is_touched_and_attendance_stays(
    where: Where, pruned: bool
) -> None:
    now = await mark(where)
    if pruned:
        assert (await prune(database_at(url_of(where)), STARTS + DAY / 2)).people == 3
    attended, before = await attendance(where, now), dump(where)
    done = await forgotten(where)
    assert list(done.told()) == [
        f"5 bookings and {4 if pruned else 6} visits or totals are a forgotten person's now; 2 seats became free"
    ]
    (anonymous,) = nobodies(where)
    assert anonymous.startswith("forgotten-")
    ids = [value for _, value in cells(where)]
    assert "ann" not in ids
    assert naming(where, ANN) == []
    assert without(dump(where), anonymous) == without(before, "ann")
    stand_in = Person(anonymous, forgetting.NAME, attended[OVER][0].person.role)
    after = await attendance(where, now)
    for session in (OVER, LATER, CANCELLED):
        assert after[session] == told(attended[session], "ann", stand_in)
    for session in ALL:
        assert people_counted(where, session) == []
    assert seats_sold_once(where, ACTIVE) == []


async def test_their_seats_become_free_their_visits_end_and_what_is_over_stays_as_it_was(where: Where) -> None:
    await mark(where)
    sessions = "SELECT id, revision, version, confirmed, live FROM live_sessions ORDER BY id"
    before = {number: numbers for number, *numbers in rows(where, sessions)}
    await forgotten(where)
    after = {number: numbers for number, *numbers in rows(where, sessions)}
    for session in (OVER, LATER, CANCELLED):
        assert after[session] == before[session]
    revision, version, confirmed, live = before[ACTIVE]
    assert after[ACTIVE] == [revision + 1, version, confirmed - 1, live - 1]
    revision, version, *counts = before[PAID]
    assert after[PAID] == [revision + 1, version, *counts]
    (anonymous,) = nobodies(where)
    booked = "SELECT session_id, status FROM session_bookings WHERE user_id = ? ORDER BY session_id"
    assert rows(where, booked, anonymous) == [
        (OVER, "confirmed"), (LATER, "confirmed"), (ACTIVE, "cancelled"), (PAID, "cancelled"), (CANCELLED, "cancelled"),
    ]  # fmt: skip
    assert ask(where, "SELECT reason FROM session_participants WHERE id = 'a-6'") == ["cancelled"]


async def test_forgotten_again_nothing_happens_and_nobody_unknown_is_harmed(where: Where) -> None:
    await mark(where)
    await forgotten(where)
    stored = dump(where)
    for person in ("ann", "nobody", "", "Student ben", nobodies(where)[0] + "x"):
        done = await forgotten(where, person)
        assert (done.known, list(done.told())) == (False, ["nobody of this id is known"])
    assert dump(where) == stored


async def test_an_expert_is_forgotten_once_all_their_sessions_are_over(where: Where) -> None:
    await mark(where)
    stored = dump(where)
    with pytest.raises(StillHosts, match=r"own sessions that are not over: 3, 4. End or cancel these first"):
        await forgotten(where, OWNER.id)
    assert dump(where) == stored
    ended = ("ended", "2025-08-27 13:00:00.000000", ACTIVE, PAID)
    change(where, "UPDATE live_sessions SET status = ?, ended_at = ? WHERE id IN (?, ?)", *ended)
    assert (await forgotten(where, OWNER.id)).complete
    assert naming(where, OWNER.name) == []
    assert OWNER.id not in [value for _, value in cells(where)]
    (anonymous,) = nobodies(where)
    shown = "SELECT DISTINCT expert_id, instructor, meeting_url, sealed_url, sealed_password FROM live_sessions"
    assert rows(where, shown) == [(anonymous, forgetting.NAME, None, None, None)]
    assert naming(where, ANN) == [("users", ANN)]


async def test_broken_off_anywhere_and_run_again_nothing_names_them_and_attendance_stays(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = await mark(where)
    attended = await attendance(where, now)

    def stops(connection: Connection, session_id: int, at: int, **given: Any) -> Any:
        done = HAND_OVER(connection, session_id=session_id, **given)
        if session_id == at:
            raise RuntimeError("the power went")
        return done

    for session in ALL:
        monkeypatch.setattr(statements, "hand_over", partial(stops, at=session))
        with pytest.raises(RuntimeError, match="the power went"):
            await forgotten(where)
    monkeypatch.undo()
    assert (await forgotten(where)).known
    assert "ann" not in [value for _, value in cells(where)]
    assert naming(where, ANN) == []
    after = await attendance(where, now)
    for session in (OVER, LATER, CANCELLED):
        assert [one.total for one in after[session]] == [one.total for one in attended[session]]


HAND_OVER = statements.hand_over


async def test_who_comes_back_while_being_forgotten_is_told_of(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    await mark(where)

    def comes_back(connection: Connection, session_id: int, **given: Any) -> Any:
        done = HAND_OVER(connection, session_id=session_id, **given)
        if session_id == OVER:
            connection.execute(text("UPDATE session_bookings SET user_id = 'ann' WHERE user_id LIKE 'forgotten-%'"))
        return done

    monkeypatch.setattr(statements, "hand_over", comes_back)
    done = await forgotten(where)
    assert (done.known, done.complete) == (True, False)
    assert "take away their tokens first" in list(done.told())[1]
    monkeypatch.undo()
    assert (await forgotten(where)).complete
    assert "ann" not in [value for _, value in cells(where)]


@pytest.fixture
async def hub(fresh_postgres: str, redis_server: RedisServer, second: Second) -> AsyncIterator[Running]:
    """Two processes that run meanwhile."""
    async with running_twice(Place(fresh_postgres, redis_server.url(14), second)) as listening:
        yield listening


async def test_beside_running_hubs_all_who_look_on_see_it_and_who_comes_back_is_somebody_new(
    hub: Running, tmp_path: Path
) -> None:
    session = (await hub.create())["id"]
    for person in ("ann", "ben"):
        await hub.book(session, person)
    async with Client.at(hub, "ann") as ann, Client.at(hub) as watcher, Client.at(hub, "e-7", "expert") as host:
        assert (await ann.ask(type="join", session=session))["type"] == "ok"
        await watcher.ask(type="watch", sessions=[session])
        await watcher.expect("session", participants=2, live=1)
        await host.ask(type="watch", sessions=[session])
        await host.expect("roster")
        ended = await hub_command(tmp_path, "forget", "ann", HUB_DATABASE_URL=url_of(hub.where))
        assert (ended.code, ended.out.count("1 bookings and 1 visits")) == (0, 1)
        await watcher.expect("session", participants=1, live=0)
        await host.expect("roster", participants=[])
        assert (await ann.expect("error"))["code"] == "not_booked"
        assert "ann" not in [value for _, value in cells(hub.where)]
        await hub.book(session, "ann")
        assert (await ann.ask(type="join", session=session))["type"] == "ok"
        await watcher.expect("session", participants=2, live=1)
    people = (await hub.call("GET", f"/{session}/attendance")).json()["data"]["people"]
    assert [(one["id"][:10], one["name"]) for one in people] == [("forgotten-", forgetting.NAME), ("ann", "Ann")]


@pytest.mark.parametrize("scrubbed", [True, False], ids=["scrubbed", "control"])
async def test_nothing_of_them_is_left_in_the_file_or_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scrubbed: bool
) -> None:
    async def nothing(database: SqliteDatabase) -> None:
        pass

    path = tmp_path / "hub.db"
    await mark(path)
    with tables(path) as other:
        other.execute("PRAGMA secure_delete=OFF")  # as it is by default, but not in every build
        other.execute("INSERT INTO users (id, name, role) VALUES ('canary-sub', 'Canary Name', 'student')")
        other.execute("UPDATE session_bookings SET user_id = 'canary-sub' WHERE user_id = 'cho'")
        # What was theirs once, and lies in pages that are free.
        other.execute("UPDATE live_sessions SET description = ?", ["canary-sub, Canary Name " * 5000])
        other.execute("UPDATE live_sessions SET description = ''")
    assert holding(path, b"canary-sub") != []
    assert holding(path, b"Canary Name") != []
    if not scrubbed:
        monkeypatch.setattr(SqliteDatabase, "scrub", nothing)
    ended = await hub_command(tmp_path, "forget", "canary-sub", HUB_DATABASE_URL=url_of(path))
    assert (ended.code, ended.err, "anary" in ended.out) == (0, "", False)
    assert (holding(path, b"canary-sub") + holding(path, b"Canary Name") == []) is scrubbed
