"""Leases and what the reaper does for those who are gone, on a real database and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from hub.errors import Unavailable
from hub.leases import Lease, Reaper
from hub.store import writes
from tests.domain.factories import HOLD, PRICE
from tests.house import House, house_at
from tests.running import Client, Running, running
from tests.tables import instant, tables

LENGTH = timedelta(seconds=15)
GRACE = timedelta(seconds=10)
BEAT = LENGTH.total_seconds() / 3


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house, whose lease NODE is that of some other process."""
    async with house_at(tmp_path) as opened:
        yield opened


async def a_lease(house: House, lost: Callable[[], None] = lambda: None) -> Lease:
    """The lease of a process, begun."""
    lease = Lease(house.database, house.clock, LENGTH, lost)
    await lease.open()
    return lease


async def a_process(house: House) -> tuple[Lease, Reaper]:
    """A process: its lease, begun, and its reaper."""
    lease = await a_lease(house)
    return lease, Reaper(house.database, house.ledger, house.clock, lease, length=LENGTH, grace=GRACE)


async def a_room(house: House, *visits: tuple[str, str]) -> int:
    """A session with one visitor for each (node, person)."""
    session = await house.create(max_participants=None)
    for node, person in visits:
        if person not in house.ask("SELECT user_id FROM session_bookings WHERE session_id = ?", session.id):
            await house.book(session.id, person)
        await house.join(session.id, person, f"v-{node[:8]}-{person}", node)
    house.forget()
    return session.id


async def test_a_process_is_dead_after_the_length_of_its_lease_and_not_before(house: House) -> None:
    gone = await a_lease(house)
    session_id = await a_room(house, (gone.node_id, "s-1"), (gone.node_id, "s-2"))
    last_beat = house.clock.pass_by(BEAT)
    await gone.beat()
    lease, reaper = await a_process(house)
    house.clock.pass_by(LENGTH.total_seconds() - 0.001)
    await lease.beat()
    await reaper.sweep(recount=False)
    assert house.session(session_id, "live") == 2
    house.clock.pass_by(0.001)
    await reaper.sweep(recount=False)
    assert house.session(session_id, "live") == 0
    rows = house.ask("SELECT left_at, reason FROM session_participants")
    assert [(instant(left_at), reason) for left_at, reason in rows] == [(last_beat, "node_lost")] * 2
    assert [set(change.left) for change in house.announced] == [{"s-1", "s-2"}]
    assert house.ask("SELECT state FROM nodes WHERE id = ?", gone.node_id) == ["dead"]


async def test_a_visit_that_began_after_the_last_beat_ends_when_it_began(house: House) -> None:
    gone = await a_lease(house)
    joined = house.clock.pass_by(BEAT - 1)
    await a_room(house, (gone.node_id, "s-1"))
    _, reaper = await a_process(house)
    house.clock.pass_by(LENGTH.total_seconds())
    await reaper.sweep(recount=False)
    ((joined_at, left_at),) = house.ask("SELECT joined_at, left_at FROM session_participants")
    assert (instant(joined_at), instant(left_at)) == (joined, joined)


async def test_it_is_buried_once_whoever_sweeps(house: House) -> None:
    session_id = await a_room(house, ("n-1", "s-1"))
    house.clock.pass_by(LENGTH.total_seconds())
    reapers = [(await a_process(house))[1] for _ in range(2)]
    for reaper in reapers:
        await reaper.sweep(recount=True)
    for reaper in reapers:
        await reaper.sweep(recount=True)
    assert [change.left for change in house.announced] == [("s-1",)]
    assert house.session(session_id, "live") == 0


async def test_a_beat_between_the_look_and_the_burial_saves_the_process(house: House) -> None:
    lease = await a_lease(house)
    seen_at = house.clock.now
    house.clock.pass_by(LENGTH.total_seconds())
    await lease.beat()
    assert not await house.database.transact(partial(writes.bury_node, node_id=lease.node_id, seen_at=seen_at))


async def test_visits_of_a_buried_process_that_were_left_open_are_closed_by_a_later_sweep(house: House) -> None:
    session_id = await a_room(house, ("n-1", "s-1"))
    last_beat = house.clock.now
    assert await house.database.transact(partial(writes.bury_node, node_id="n-1", seen_at=last_beat))
    _, reaper = await a_process(house)
    await reaper.sweep(recount=False)
    assert house.session(session_id, "live") == 0


async def test_who_is_here_through_another_process_too_is_not_seen_leaving(house: House) -> None:
    lease, reaper = await a_process(house)
    session_id = await a_room(house, ("n-1", "s-1"), (lease.node_id, "s-1"), ("n-1", "s-2"))
    house.clock.pass_by(LENGTH.total_seconds())
    await reaper.sweep(recount=False)
    assert [change.left for change in house.announced] == [("s-2",)]
    assert house.session(session_id, "live") == 1


async def test_visits_of_a_process_that_said_it_goes_stay_open_for_the_grace(house: House) -> None:
    going, (lease, reaper) = await a_lease(house), await a_process(house)
    session_id = await a_room(house, (going.node_id, "s-1"))
    stopped = house.clock.pass_by(3)
    await going.drain()
    house.clock.pass_by(GRACE.total_seconds() - 0.001)
    await lease.beat()
    await reaper.sweep(recount=True)
    assert house.session(session_id, "live") == 1
    house.clock.pass_by(0.001)
    await reaper.sweep(recount=True)
    assert house.session(session_id, "live") == 0
    ((left_at, reason),) = house.ask("SELECT left_at, reason FROM session_participants")
    assert (instant(left_at), reason) == (stopped, "disconnected")


async def test_a_process_never_reaps_itself_however_late_it_is(house: House) -> None:
    lease, reaper = await a_process(house)
    session_id = await a_room(house, (lease.node_id, "s-1"))
    house.clock.pass_by(LENGTH.total_seconds() * 100)
    await reaper.sweep(recount=True)
    assert house.session(session_id, "live") == 1
    assert house.ask("SELECT state FROM nodes WHERE id = ?", lease.node_id) == ["alive"]


async def test_a_clock_that_steps_back_takes_no_lease_away(house: House) -> None:
    losses: list[str] = []
    lease = await a_lease(house, lambda: losses.append("lost"))
    house.clock.pass_by(-3600)
    before = lease.node_id
    await lease.beat()
    assert (lease.node_id, losses) == (before, [])


async def test_a_process_whose_lease_was_taken_away_takes_a_new_one_and_writes_nothing_under_the_old(
    house: House,
) -> None:
    losses: list[str] = []
    lease = await a_lease(house, lambda: losses.append("lost"))
    session_id = await a_room(house, (lease.node_id, "s-1"))
    old = lease.node_id
    _, other = await a_process(house)
    house.clock.pass_by(LENGTH.total_seconds())
    await other.sweep(recount=False)
    with pytest.raises(Unavailable):
        await house.join(session_id, "s-1", "v-late", old)
    await lease.beat()
    assert lease.node_id != old
    assert losses == ["lost"]
    await house.join(session_id, "s-1", "v-new", lease.node_id)
    assert house.session(session_id, "live") == 1


async def test_a_new_lease_that_cannot_be_written_is_taken_at_a_later_beat(house: House) -> None:
    losses: list[str] = []
    lease = await a_lease(house, lambda: losses.append("lost"))
    await house.database.transact(partial(writes.bury_node, node_id=lease.node_id, seen_at=house.clock.now))
    with tables(house.where) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await lease.beat()
        other.execute("ROLLBACK")
    await lease.beat()
    assert losses == ["lost"]
    assert house.ask("SELECT state FROM nodes WHERE id = ?", lease.node_id) == ["alive"]


async def test_a_wrong_live_count_is_mended_and_announced(house: House) -> None:
    session_id = await a_room(house, ("n-1", "s-1"), ("n-1", "s-2"))
    other_id = await a_room(house)
    _, reaper = await a_process(house)
    with tables(house.where) as connection:
        connection.execute("UPDATE live_sessions SET live = 7, peak_live = 7 WHERE id = ?", (session_id,))
        connection.execute("UPDATE live_sessions SET live = 3, peak_live = 3 WHERE id = ?", (other_id,))
    await reaper.sweep(recount=False)
    assert house.announced == []
    await reaper.sweep(recount=True)
    assert (house.session(session_id, "live"), house.session(other_id, "live")) == (2, 0)
    assert {change.state.session: change.state.live for change in house.announced} == {session_id: 2, other_id: 0}


async def test_lapsed_holds_are_marked_and_their_seats_announced_free(house: House) -> None:
    session = await house.create(price=PRICE, max_participants=2)
    await house.book(session.id, "s-1")
    house.clock.pass_by(60)
    await house.book(session.id, "s-2")
    house.forget()
    _, reaper = await a_process(house)
    house.clock.pass_by(HOLD.total_seconds() - 60)
    await reaper.sweep(recount=False)
    assert house.ask("SELECT status FROM session_bookings ORDER BY user_id") == ["expired", "pending"]
    assert [change.state.participants for change in house.announced] == [1]


async def test_a_process_that_lost_its_lease_sends_its_sockets_away_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, Client.at(hub, "ann") as ann:
        session = await hub.create()
        await hub.book(session["id"], "ann")
        await ann.ask(type="join", session=session["id"])
        assert hub.hub is not None
        lease = hub.hub.lease
        old = lease.node_id
        with tables(hub.where) as connection:
            connection.execute("UPDATE nodes SET state = 'dead' WHERE id = ?", (old,))
        await lease.beat()
        await ann.expect("drain")
        await ann.socket.wait_closed()
        assert (ann.socket.close_code, lease.node_id != old) == (1012, True)
        await _joins_again(hub, session["id"])


async def _joins_again(hub: Running, session_id: int) -> None:
    async with Client.at(hub, "ann") as ann:
        answer = await ann.ask(type="join", session=session_id)
        assert answer["type"] == "ok", answer
        with tables(hub.where) as connection:
            query = "SELECT reason FROM session_participants WHERE id = ?"
            assert connection.execute(query, (answer["participant"],)).fetchone() == (None,)
