"""The database away, locked or full: nothing half done, nothing acknowledged that is not stored, and back by itself."""

from __future__ import annotations

import asyncio
import gc
import logging
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from hub.domain.model import LeaveReason
from hub.errors import Unavailable
from hub.presence import Presence, Stay
from hub.sealing import Vault
from hub.store import reads
from hub.store.database import AlreadyRunning
from hub.store.sqlite import SqliteDatabase
from tests.domain.factories import DOORS, a_student
from tests.house import NODE, PATIENCE, House
from tests.tables import ask, locked

PAGES_SPARE = 2


class Named:
    """A lease by its name alone."""

    node_id = NODE


def presence_of(house: House, grace: float = 0.0) -> Presence:
    """Presence over the house's ledger, with a grace in seconds."""
    return Presence(house.ledger, Named(), Vault(b"k" * 32), house.clock, doors=DOORS, grace=timedelta(seconds=grace))


async def test_a_file_locked_by_another_program_is_unavailable_and_the_next_call_after_it_succeeds(
    house: House,
) -> None:
    session = await house.create(max_participants=None)
    with locked(house.where):
        outcomes = await house.together(session.id, [house.booking("s-1"), house.booking("s-2")], about=["s-1", "s-2"])
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
        seen = await house.database.read(partial(reads.one_session, session_id=session.id, now=house.clock.now))
        assert seen.seats == 0
    assert house.announced == []
    await house.book(session.id, "s-1", "s-2")
    assert house.session(session.id, "confirmed") == 2


async def test_a_full_disk_is_unavailable_with_nothing_half_done_and_heals_without_a_restart(file: House) -> None:
    session = await file.create(max_participants=None)
    people = [f"s-{number}" for number in range(200)]
    before = file.session(session.id, "revision")

    def nearly_full(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + PAGES_SPARE}")

    await file.database.transact(nearly_full)
    outcomes = await file.together(session.id, [file.booking(person) for person in people], about=people)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert file.session(session.id, "confirmed, revision") == (0, before)
    assert file.ask("SELECT * FROM session_bookings") == []
    assert file.announced == []
    outcomes = await file.together(session.id, [file.booking(person) for person in people], about=people)
    assert {outcome.user_id for outcome in outcomes} == set(people)
    assert file.session(session.id, "confirmed, revision") == (200, before + 1)
    assert file.ask("PRAGMA integrity_check") == ["ok"]


async def test_after_readers_and_the_writer_failed_the_writer_still_writes(file: House) -> None:
    """A reader's connection, with its `query_only`, must not come back as the writer's."""
    session = await file.create(max_participants=None)
    for _ in range(3):
        for work in (file.database.read, file.database.transact):
            with pytest.raises(Unavailable):
                await work(lambda connection: connection.execute(text("SELECT * FROM nowhere")))
    await file.book(session.id, "s-1")
    with pytest.raises(Unavailable):
        await file.database.read(lambda connection: connection.execute(text("DELETE FROM session_bookings")))


async def test_a_connection_that_cannot_be_opened_anew_is_unavailable_until_it_can(file: House) -> None:
    session = await file.create(max_participants=None)
    assert isinstance(file.where, Path)
    folder, away = file.where.parent, file.where.parent.with_name("away")
    look = partial(reads.one_session, session_id=session.id, now=file.clock.now)
    with pytest.raises(Unavailable):
        await file.database.transact(lambda connection: connection.execute(text("SELECT * FROM nowhere")))
    folder.rename(away)
    try:
        with pytest.raises(Unavailable):
            await file.book(session.id, "s-1")
    finally:
        away.rename(folder)
    await file.book(session.id, "s-1")
    assert (await file.database.read(look)).seats == 1


async def test_a_second_process_on_the_file_is_refused_and_let_in_after_the_first(tmp_path: Path) -> None:
    first, second = (SqliteDatabase(f"sqlite:///{tmp_path / 'hub.db'}") for _ in range(2))
    await first.open()
    with pytest.raises(AlreadyRunning, match="Another hub"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


async def test_a_leave_during_an_outage_is_recorded_after_it_with_its_own_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.presence.RETRY_SECONDS", 0.01)
    session = await house.create()
    await house.book(session.id, "s-1")
    await house.join(session.id, "s-1", "v-1")
    left = house.clock.pass_by(5)
    presence = presence_of(house)
    with locked(house.where):
        presence.leave_surely(Stay(session.id, "v-1", "s-1", NODE), LeaveReason.DISCONNECTED, left)
        house.clock.pass_by(60)
        with pytest.raises(Unavailable):
            await house.book(session.id, "s-2")
    await presence.close(PATIENCE)
    assert ask(house.where, "SELECT left_at FROM session_participants") == [f"{left:%Y-%m-%d %H:%M:%S.%f}"]
    assert house.session(session.id, "live") == 0


async def test_a_leave_that_is_told_twice_is_recorded_once_and_no_task_dies_of_it(house: House) -> None:
    session = await house.create()
    await house.book(session.id, "s-1")
    presence = presence_of(house)
    died: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: died.append(context))
    await presence.join(Stay(session.id, "v-1", "s-1", NODE), a_student(), "c-1")
    left = house.clock.pass_by(5)
    with locked(house.where):
        for _ in range(2):
            presence.leave_surely(Stay(session.id, "v-1", "s-1", NODE), LeaveReason.DISCONNECTED, left)
        with pytest.raises(Unavailable):
            await house.book(session.id, "s-2")
    await presence.close(PATIENCE)
    gc.collect()
    assert died == []
    assert house.ask("SELECT id, reason FROM session_participants") == [("v-1", "disconnected")]


async def test_who_left_during_an_outage_and_comes_back_on_the_same_connection_gets_a_visit_of_their_own(
    house: House,
) -> None:
    session = await house.create()
    await house.book(session.id, "s-1")
    presence = presence_of(house)
    await presence.join(Stay(session.id, "v-1", "s-1", NODE), a_student(), "c-1")
    left = house.clock.pass_by(5)
    with locked(house.where):
        presence.leave_surely(Stay(session.id, "v-1", "s-1", NODE), LeaveReason.LEFT, left)
        with pytest.raises(Unavailable):
            await house.book(session.id, "s-2")
    house.clock.pass_by(5)
    await presence.join(Stay(session.id, "v-2", "s-1", NODE), a_student(), "c-1")
    await presence.close(PATIENCE)
    rows = house.ask("SELECT id, reason FROM session_participants ORDER BY joined_at")
    assert rows == [("v-1", "left"), ("v-2", None)]
    assert house.session(session.id, "live, peak_live") == (1, 1)


async def test_a_join_whose_meeting_password_does_not_open_is_let_in_without_it_and_logged_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    session = await house.create(sealed_password="sealed with another key")
    await house.book(session.id, "s-1", "s-2")
    presence = presence_of(house)
    with caplog.at_level(logging.ERROR):
        for number in (1, 2):
            stay = Stay(session.id, f"v-{number}", f"s-{number}", NODE)
            meeting = await presence.join(stay, a_student(f"s-{number}"), f"c-{number}")
            assert (meeting.url, meeting.password) == (session.meeting_url, None)
    assert house.session(session.id, "live") == 2
    (told,) = caplog.records
    assert f"session {session.id}" in told.message


async def test_a_socket_that_goes_while_it_joins_is_dropped_once_at_its_first_time(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    session = await house.create()
    await house.book(session.id, "s-1")
    presence = presence_of(house, grace=0.05)
    stay = Stay(session.id, "v-1", "s-1", NODE)
    await presence.join(stay, a_student(), "c-1")
    dropped = house.clock.pass_by(5)
    with caplog.at_level(logging.ERROR):
        house.forget()
        presence.drop(stay, dropped)
        presence.drop(stay, house.clock.pass_by(60))
        async with asyncio.timeout(PATIENCE):
            await house.news.wait()
        await presence.close(PATIENCE)
    assert caplog.records == []
    assert house.ask("SELECT left_at, reason FROM session_participants") == [
        (f"{dropped:%Y-%m-%d %H:%M:%S.%f}", "disconnected")
    ]
