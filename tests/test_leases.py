"""Leases and what the reaper does for those who are gone, on a real database and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from hub.errors import Unavailable
from hub.leases import Lease, Reaper
from hub.store import writes
from hub.store.postgresql import PostgresDatabase
from tests.domain.factories import HOLD, PRICE
from tests.house import House, RealClock, house_on
from tests.running import Client, Running, running
from tests.tables import change, instant, tables

LENGTH = timedelta(seconds=15)
GRACE = timedelta(seconds=10)
BEAT = LENGTH.total_seconds() / 3


SECOND = 1.0
"""How near to a limit a test can come, where the real time goes on."""


@pytest.fixture
async def server(fresh_postgres: str) -> AsyncIterator[House]:
    """A house on PostgreSQL that goes by the real time, as that server does."""
    async with house_on(PostgresDatabase(fresh_postgres), fresh_postgres, RealClock()) as opened:
        yield opened


class Dropped:
    """Sockets that went."""

    def __init__(self, unnoted: dict[str, datetime]) -> None:
        self.unnoted = unnoted


class Steps:
    """A monotonic clock that goes a day at each look: whatever takes a while has taken it."""

    def __init__(self, step: float = 86_400.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def a_lease(house: House, lost: Callable[[], None] = lambda: None, monotonic: Steps | None = None) -> Lease:
    """The lease of a process, begun."""
    lease = Lease(house.database, house.clock, LENGTH, lost, monotonic or Steps())
    await lease.open()
    return lease


def last_beat(house: House, node_id: str) -> datetime:
    """When the process was heard of last, as stored now."""
    return instant(house.ask("SELECT last_beat FROM nodes WHERE id = ?", node_id)[0])


async def a_process(house: House) -> tuple[Lease, Reaper]:
    """A process: its lease, begun, and its reaper."""
    lease = await a_lease(house)
    reaper = Reaper(
        house.database, house.ledger, house.clock, lease, length=LENGTH, grace=GRACE, monotonic=house.monotonic
    )
    await reaper.sweep(recount=False)
    return lease, reaper


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
    house.pass_by(BEAT)
    await gone.beat()
    lease, reaper = await a_process(house)
    house.pass_by(LENGTH.total_seconds() - SECOND)
    await lease.beat()
    await reaper.sweep(recount=False)
    assert house.session(session_id, "live") == 2
    house.pass_by(SECOND)
    await lease.beat()
    await reaper.sweep(recount=False)
    assert house.session(session_id, "live") == 0
    rows = house.ask("SELECT left_at, reason FROM session_participants")
    assert [(instant(left_at), reason) for left_at, reason in rows] == [
        (last_beat(house, gone.node_id), "node_lost")
    ] * 2
    assert [set(change.left) for change in house.announced] == [{"s-1", "s-2"}]
    assert house.ask("SELECT state FROM nodes WHERE id = ?", gone.node_id) == ["dead"]


async def test_a_visit_that_began_after_the_last_beat_ends_when_it_began(house: House) -> None:
    gone = await a_lease(house)
    house.pass_by(BEAT - 1)
    await a_room(house, (gone.node_id, "s-1"))
    _, reaper = await a_process(house)
    house.pass_by(LENGTH.total_seconds())
    await reaper.sweep(recount=False)
    ((joined_at, left_at),) = house.ask("SELECT joined_at, left_at FROM session_participants")
    assert left_at == joined_at


async def test_it_is_buried_once_whoever_sweeps(house: House) -> None:
    session_id = await a_room(house, ("n-1", "s-1"))
    reapers = [(await a_process(house))[1] for _ in range(2)]
    house.pass_by(LENGTH.total_seconds())
    for reaper in reapers:
        await reaper.sweep(recount=True)
    for reaper in reapers:
        await reaper.sweep(recount=True)
    assert [change.left for change in house.announced] == [("s-1",)]
    assert house.session(session_id, "live") == 0


async def test_a_beat_between_the_look_and_the_burial_saves_the_process(house: House) -> None:
    lease = await a_lease(house)
    house.pass_by(LENGTH.total_seconds())
    seen_at = last_beat(house, lease.node_id)
    await lease.beat()
    assert not await house.database.transact(partial(writes.bury_node, node_id=lease.node_id, seen_at=seen_at))


async def test_visits_of_a_buried_process_that_were_left_open_are_closed_by_a_later_sweep(house: House) -> None:
    session_id = await a_room(house, ("n-1", "s-1"))
    assert await house.bury("n-1")
    _, reaper = await a_process(house)
    await reaper.sweep(recount=False)
    assert house.session(session_id, "live") == 0


async def test_who_is_here_through_another_process_too_is_not_seen_leaving(house: House) -> None:
    lease, reaper = await a_process(house)
    session_id = await a_room(house, ("n-1", "s-1"), (lease.node_id, "s-1"), ("n-1", "s-2"))
    house.pass_by(LENGTH.total_seconds())
    await reaper.sweep(recount=False)
    assert [change.left for change in house.announced] == [("s-2",)]
    assert house.session(session_id, "live") == 1


async def test_visits_of_a_process_that_said_it_goes_stay_open_for_the_grace(house: House) -> None:
    going, (lease, reaper) = await a_lease(house), await a_process(house)
    session_id = await a_room(house, (going.node_id, "s-1"))
    house.pass_by(3)
    await going.drain()
    await reaper.sweep(recount=False)
    house.pass_by(GRACE.total_seconds() - SECOND)
    await lease.beat()
    await reaper.sweep(recount=True)
    assert house.session(session_id, "live") == 1
    house.pass_by(SECOND)
    await reaper.sweep(recount=True)
    assert house.session(session_id, "live") == 0
    ((left_at, reason),) = house.ask("SELECT left_at, reason FROM session_participants")
    assert (instant(left_at), reason) == (last_beat(house, going.node_id), "disconnected")


async def test_a_process_never_reaps_itself_however_late_it_is(house: House) -> None:
    lease, reaper = await a_process(house)
    session_id = await a_room(house, (lease.node_id, "s-1"))
    house.pass_by(LENGTH.total_seconds() * 100)
    await reaper.sweep(recount=True)
    assert house.session(session_id, "live") == 1
    assert house.ask("SELECT state FROM nodes WHERE id = ?", lease.node_id) == ["alive"]


async def test_a_clock_that_steps_back_takes_no_lease_away(house: House) -> None:
    losses: list[str] = []
    lease = await a_lease(house, lambda: losses.append("lost"))
    house.pass_by(-3600)
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
    house.pass_by(LENGTH.total_seconds())
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
    assert await house.bury(lease.node_id)
    with tables(house.where) as other:
        other.execute("BEGIN" if house.database.shared else "BEGIN IMMEDIATE")
        if house.database.shared:
            other.execute("LOCK TABLE nodes")
        with pytest.raises(Unavailable):
            await lease.beat()
        other.execute("ROLLBACK")
    await lease.beat()
    assert losses == ["lost"]
    assert house.ask("SELECT state FROM nodes WHERE id = ?", lease.node_id) == ["alive"]


async def test_after_an_outage_of_a_shared_database_nobody_is_buried_before_all_could_beat(server: House) -> None:
    session_id, clock, lease, reaper = await after_an_outage(server)
    assert not lease.calm
    await lease.beat()
    clock.now += LENGTH.total_seconds() - 0.1
    await reaper.sweep(recount=False)
    assert server.session(session_id, "live") == 1
    clock.now += 0.2
    await reaper.sweep(recount=False)
    assert server.session(session_id, "live") == 0  # who has not been heard of by now is dead


async def test_control_without_calm_an_outage_buries_the_living_at_once(
    server: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "calm", True)
    session_id, *_ = await after_an_outage(server)
    assert server.session(session_id, "live") == 0


async def after_an_outage(server: House) -> tuple[int, Steps, Lease, Reaper]:
    """Another process has a visitor; nobody could beat for two leases, and this one has just looked again."""
    other, clock = await a_lease(server), Steps(0.0)
    session_id = await a_room(server, (other.node_id, "s-1"))
    lease = await a_lease(server, monotonic=clock)
    reaper = Reaper(server.database, server.ledger, server.clock, lease, length=LENGTH, grace=GRACE, monotonic=clock)
    await reaper.sweep(recount=False)
    clock.now += LENGTH.total_seconds()
    assert lease.calm
    clock.now += 2 * LENGTH.total_seconds()
    silence = "UPDATE nodes SET started_at = started_at - ?, last_beat = last_beat - ? WHERE id = ?"
    change(server.where, silence, 2 * LENGTH, 2 * LENGTH, lease.node_id)
    await reaper.sweep(recount=False)
    return session_id, clock, lease, reaper


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_database_whose_clock_is_set_buries_the_dead_in_time_and_nobody_else(server: House, hours: int) -> None:
    dead, living = await a_lease(server), await a_lease(server)
    session_id = await a_room(server, (dead.node_id, "s-1"), (living.node_id, "s-2"))
    # A step of the clock leaves beats in the future, or in the past.
    step = "UPDATE nodes SET started_at = started_at - ?, last_beat = last_beat - ?"
    change(server.where, step, timedelta(hours=hours), timedelta(hours=hours))
    lease, reaper = await a_process(server)
    for _ in range(3):
        server.pass_by(BEAT)
        await living.beat()
        await lease.beat()
        await reaper.sweep(recount=False)
    assert server.ask("SELECT user_id FROM session_participants WHERE left_at IS NULL") == ["s-2"]
    assert server.session(session_id, "live") == 1


async def test_a_visit_whose_socket_had_dropped_ends_when_it_dropped_and_others_at_the_last_beat(
    house: House,
) -> None:
    gone = await a_lease(house)
    await a_room(house, (gone.node_id, "s-1"), (gone.node_id, "s-2"))
    dropped = house.clock()
    gone.drops = Dropped({f"v-{gone.node_id[:8]}-s-1": dropped})
    house.pass_by(BEAT)
    await gone.beat()
    assert gone.drops.unnoted == {}
    lease, reaper = await a_process(house)
    house.pass_by(LENGTH.total_seconds())
    await lease.beat()
    await reaper.sweep(recount=False)
    query = "SELECT left_at, dropped_at, reason FROM session_participants ORDER BY user_id"
    (first, dropped_at, why), (second, _, lost) = house.ask(query)
    assert (first, why, lost) == (dropped_at, "disconnected", "node_lost")
    assert instant(second) == last_beat(house, gone.node_id)


async def test_a_drop_under_a_buried_lease_is_not_noted(house: House) -> None:
    gone = await a_lease(house)
    old = gone.node_id
    await a_room(house, (old, "s-1"))
    assert await house.bury(old)
    gone.drops = Dropped({f"v-{old[:8]}-s-1": house.clock()})
    await gone.beat()
    assert gone.node_id != old
    await house.database.transact(partial(writes.note_drops, node_id=old, dropped={f"v-{old[:8]}-s-1": house.clock()}))
    assert house.ask("SELECT dropped_at, left_at FROM session_participants") == [(None, None)]


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
    house.pass_by(60)
    await house.book(session.id, "s-2")
    house.forget()
    _, reaper = await a_process(house)
    house.pass_by(HOLD.total_seconds() - 60)
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
