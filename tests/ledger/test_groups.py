"""The ledger's promise: what waits together commits together, and what fails fails alone."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial

import psycopg
import pytest

from hub.domain import booking, sessions
from hub.domain.events import SessionChanged
from hub.domain.model import LiveSession, Session
from hub.errors import AlreadyBooked, HoldExpired, Internal, NotFound, SessionFull, Unavailable
from hub.ledger import Ledger
from tests.domain.factories import HOLD, OWNER, PRICE, a_session, a_student
from tests.house import PATIENCE, House
from tests.tables import tables


def broken(live: LiveSession, now: datetime) -> None:
    """A rule with a bug in it, after it has changed something."""
    live.touch()
    raise ZeroDivisionError("a rule with a bug")


async def test_calls_that_wait_together_are_one_commit_with_one_announcement(house: House) -> None:
    session = await house.create(max_participants=None)
    before = house.session(session.id, "revision")
    people = [f"s-{number}" for number in range(50)]
    outcomes = await house.together(session.id, [house.booking(person) for person in people], about=people)
    assert {outcome.user_id for outcome in outcomes} == set(people)
    assert house.session(session.id, "confirmed, revision") == (50, before + 1)
    assert [change.state.revision for change in house.announced] == [before + 1]
    assert house.announced[0].state.participants == 50


async def test_each_session_of_a_group_gets_a_revision_and_an_announcement_of_its_own(house: House) -> None:
    ids = [(await house.create()).id for _ in range(3)]
    before = dict(house.ask("SELECT id, revision FROM live_sessions"))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(
            *(house.ledger.act(session_id, house.booking("s-1"), about=["s-1"]) for session_id in ids[:2])
        )
    after = dict(house.ask("SELECT id, revision FROM live_sessions"))
    assert after == {ids[0]: before[ids[0]] + 1, ids[1]: before[ids[1]] + 1, ids[2]: before[ids[2]]}
    assert sorted(change.state.session for change in house.announced) == ids[:2]


async def test_a_refusal_fails_alone_and_in_order_of_arrival(house: House) -> None:
    session = await house.create(max_participants=2)
    people = ["s-1", "s-2", "s-3"]
    outcomes = await house.together(session.id, [house.booking(person) for person in people], about=people)
    assert [type(outcome) for outcome in outcomes[2:]] == [SessionFull]
    assert house.ask("SELECT user_id FROM session_bookings ORDER BY user_id") == ["s-1", "s-2"]


async def test_a_rule_with_a_bug_fails_alone_and_leaves_no_trace(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    session = await house.create(max_participants=None)
    before = house.session(session.id, "revision")
    rules = [house.booking("s-1"), broken, house.booking("s-2")]
    outcomes = await house.together(session.id, rules, about=["s-1", "s-2"])
    assert isinstance(outcomes[1], Internal)
    assert [outcomes[0].user_id, outcomes[2].user_id] == ["s-1", "s-2"]
    assert house.session(session.id, "confirmed, revision") == (2, before + len(house.announced))
    assert [record.exc_info and record.exc_info[0] for record in caplog.records if record.name == "hub.ledger"] == [
        ZeroDivisionError
    ]


async def test_a_change_of_nothing_is_no_revision_and_no_announcement(house: House) -> None:
    session = await house.create()
    before = house.session(session.id, "revision")
    assert await house.act(session.id, booking.expire_holds) == 0
    with pytest.raises(NotFound):
        await house.act(session.id + 1, booking.expire_holds)
    assert (house.session(session.id, "revision"), house.announced) == (before, [])


async def test_over_its_bound_the_queue_refuses_at_once_and_takes_calls_again_after(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await house.create(max_participants=None)
    monkeypatch.setattr("hub.ledger.QUEUE_LIMIT", 10)
    people = [f"s-{number}" for number in range(30)]
    outcomes = await house.together(session.id, [house.booking(person) for person in people], about=people)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert len(refused) == 20
    assert house.session(session.id, "confirmed") == 10
    await house.book(session.id, "s-29")


async def test_now_is_the_moment_of_arrival_however_long_the_call_waits(house: House) -> None:
    session = await house.create()
    arrived = house.clock.now
    async with house.held():
        call = asyncio.create_task(house.act(session.id, house.booking("s-1"), about=["s-1"]))
        await asyncio.sleep(0)
        house.clock.pass_by(60)
    assert (await call).created_at == arrived


async def test_a_caller_who_gives_up_does_not_stop_the_commit(house: House) -> None:
    session = await house.create()
    async with house.held():
        impatient = asyncio.create_task(house.act(session.id, house.booking("s-1"), about=["s-1"]))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        patient = asyncio.create_task(house.act(session.id, house.booking("s-2"), about=["s-2"]))
    await patient
    assert house.ask("SELECT user_id FROM session_bookings ORDER BY user_id") == ["s-1", "s-2"]


async def test_one_person_at_once_never_hits_the_unique_index(house: House, caplog: pytest.LogCaptureFixture) -> None:
    session = await house.create(max_participants=None)
    with caplog.at_level(logging.WARNING):
        outcomes = await house.together(session.id, [house.booking("s-1") for _ in range(100)], about=["s-1"])
    assert sum(isinstance(outcome, AlreadyBooked) for outcome in outcomes) == 99
    assert caplog.records == []
    broken = (sqlite3.IntegrityError, psycopg.IntegrityError)
    with tables(house.where) as connection, pytest.raises(broken, match=r"(?i)unique"):
        connection.execute(
            "INSERT INTO session_bookings SELECT 'twin', session_id, user_id, status, created_at, confirmed_at,"
            " cancelled_at, expires_at, price_amount, price_currency FROM session_bookings"
        )


async def test_a_lapsed_hold_is_replaced_in_one_transaction(house: House) -> None:
    session = await house.create(price=PRICE, max_participants=1)
    await house.book(session.id, "s-1")
    house.clock.pass_by(HOLD.total_seconds())
    house.announced.clear()
    before = house.session(session.id, "revision")
    with pytest.raises(HoldExpired):
        await house.act(session.id, partial(booking.cancel, actor=a_student()), about=["s-1"])
    await house.book(session.id, "s-1")
    assert house.ask("SELECT status FROM session_bookings ORDER BY created_at") == ["expired", "pending"]
    assert house.session(session.id, "revision") == before + 1
    assert [change.state.participants for change in house.announced] == [1]


async def test_a_seat_given_back_and_taken_in_one_group_is_sold_once(house: House) -> None:
    session = await house.create(max_participants=1)
    await house.book(session.id, "s-1")
    rules: list[Callable[[LiveSession, datetime], object]] = [
        house.booking("s-2"),
        partial(booking.cancel, actor=a_student("s-1")),
        house.booking("s-3"),
        house.booking("s-1"),
    ]
    outcomes = await house.together(session.id, rules, about=["s-1", "s-2", "s-3"])
    assert [type(outcome).__name__ for outcome in outcomes] == ["SessionFull", "Booking", "Booking", "SessionFull"]
    assert house.ask("SELECT user_id FROM session_bookings WHERE status = 'confirmed'") == ["s-3"]


async def test_creating_announces_the_session_with_its_id_and_without_its_meeting(house: House) -> None:
    def seal(session: Session) -> None:
        session.sealed_url, session.sealed_password = f"sealed address of {session.id}", f"sealed for {session.id}"

    created = await house.ledger.create(a_session(), OWNER.person, seal)
    (born,) = house.announced
    assert (born.state.session, born.state.revision) == (created.id, 1)
    assert born.listing is not None
    listed = born.listing
    assert (listed.meeting_url, listed.sealed_url, listed.sealed_password) == (None, None, None)
    stored = house.session(created.id, "sealed_url, sealed_password")
    assert stored == (f"sealed address of {created.id}", f"sealed for {created.id}")


async def test_an_edit_moves_the_version_and_a_booking_does_not(house: House) -> None:
    session = await house.create()
    version, revision = house.session(session.id, "version, revision")
    await house.book(session.id, "s-1")
    assert house.session(session.id, "version, revision") == (version, revision + 1)
    await house.act(session.id, partial(sessions.edit, actor=OWNER, changes={"title": "Smarter Farming"}))
    assert house.session(session.id, "version, revision, title") == (version + 1, revision + 2, "Smarter Farming")


async def test_a_listener_that_breaks_keeps_nobody_from_an_answer(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    session = await house.create()

    def deaf(change: SessionChanged) -> None:
        raise ZeroDivisionError("a listener with a bug")

    ledger = Ledger(house.database, deaf, house.clock)
    running = asyncio.create_task(ledger.run())
    with caplog.at_level(logging.CRITICAL):
        async with asyncio.timeout(PATIENCE):
            booked = await ledger.act(session.id, house.booking("s-1"), about=["s-1"])
            again = await asyncio.gather(
                ledger.act(session.id, house.booking("s-1"), about=["s-1"]), return_exceptions=True
            )
    running.cancel()
    assert booked.user_id == "s-1"
    assert isinstance(again[0], AlreadyBooked)
