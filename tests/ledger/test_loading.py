"""What a rule gets to see: the people concerned, and nobody under a lease that is gone."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime
from functools import partial

import pytest
from sqlalchemy import Connection

from hub.domain import presence, sessions
from hub.domain.model import LeaveReason, LiveSession
from hub.errors import Internal, LeaseLost, Unavailable
from hub.store import reads
from hub.store.database import snapshot
from tests.domain.factories import OWNER, PRICE
from tests.house import NODE, PATIENCE, House


def look(live: LiveSession, now: datetime) -> tuple[set[str], set[str]]:
    """A rule that changes nothing: whose bookings and whose visits are here."""
    return (
        {booking.user_id for booking in live.bookings.values()},
        {visit.user_id for visit in live.visits.values()},
    )


async def test_only_the_people_concerned_are_loaded(house: House) -> None:
    session = await house.create(max_participants=None)
    await house.book(session.id, "s-1", "s-2", "s-3")
    for person in ("s-1", "s-2"):
        await house.join(session.id, person, f"v-{person}")
    assert await house.act(session.id, look, about=["s-2", "s-3"]) == ({"s-2", "s-3"}, {"s-2"})
    assert await house.act(session.id, look) == (set(), set())


async def test_about_none_loads_everyone(house: House) -> None:
    session = await house.create(max_participants=None)
    await house.book(session.id, "s-1", "s-2")
    await house.join(session.id, "s-1", "v-1")
    assert await house.act(session.id, look, about=None) == ({"s-1", "s-2"}, {"s-1"})


async def test_every_hold_is_always_loaded_for_it_takes_a_seat(house: House) -> None:
    session = await house.create(max_participants=None, price=PRICE)
    await house.book(session.id, "s-1", "s-2")
    assert await house.act(session.id, look) == ({"s-1", "s-2"}, set())


async def test_a_rule_that_touches_someone_who_was_not_loaded_is_stopped(house: House) -> None:
    session = await house.create()
    with pytest.raises(Internal):
        await house.act(session.id, house.booking("s-1"), about=["s-2"])
    with pytest.raises(Internal):
        await house.act(session.id, partial(sessions.end, actor=OWNER), about=["s-1"])
    assert house.session(session.id, "confirmed, status") == (0, "active")


async def test_ending_with_everyone_loaded_closes_all_visits_at_one_instant(house: House) -> None:
    session = await house.create(max_participants=None)
    await house.book(session.id, "s-1", "s-2")
    for person in ("s-1", "s-2"):
        await house.join(session.id, person, f"v-{person}")
    house.clock.pass_by(60)
    await house.act(session.id, partial(sessions.end, actor=OWNER), about=None)
    ended = house.session(session.id, "ended_at")
    assert house.ask("SELECT left_at, reason FROM session_participants") == [(ended, "session_ended")] * 2
    assert house.session(session.id, "live, peak_live") == (0, 2)


async def test_a_buried_lease_refuses_joins_and_nothing_is_written(house: House) -> None:
    session = await house.create()
    await house.book(session.id, "s-1")
    assert await house.bury(NODE)
    with pytest.raises(Unavailable):
        await house.join(session.id, "s-1", "v-1")
    with pytest.raises(Unavailable):
        await house.join(session.id, "s-1", "v-1", node_id="never-began")
    assert house.ask("SELECT * FROM session_participants") == []


async def test_a_leave_under_a_buried_lease_writes_nothing_for_others_close_that_visit(house: House) -> None:
    session = await house.create()
    await house.book(session.id, "s-1")
    await house.join(session.id, "s-1", "v-1")
    assert await house.bury(NODE)
    leave = partial(presence.leave, visit_id="v-1", at=None, reason=LeaveReason.LEFT)
    with pytest.raises(LeaseLost):
        await house.act(session.id, leave, about=["s-1"], lease=NODE)
    assert house.ask("SELECT reason FROM session_participants") == [None]
    assert await house.act(session.id, leave, about=["s-1"])  # the control: it is the lease that forbids it


async def test_writes_go_on_while_a_reader_looks_at_one_moment(house: House) -> None:
    session = await house.create(max_participants=None)
    begun, written = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[int, int]:
        with snapshot(connection):
            before = reads.one_session(connection, session.id, house.clock.now).seats
            begun.set()
            assert written.wait(PATIENCE)
            return before, reads.one_session(connection, session.id, house.clock.now).seats

    reading = asyncio.create_task(house.database.read(twice))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    await house.book(session.id, "s-1")
    written.set()
    async with asyncio.timeout(PATIENCE):
        assert await reading == (0, 0)
    seen = await house.database.read(partial(reads.one_session, session_id=session.id, now=house.clock.now))
    assert seen.seats == 1
