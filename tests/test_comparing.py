"""What the bus lost is found by comparing revisions, and what only comes late is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest

from hub.bus.memory import MemoryBus
from hub.domain.events import SessionChanged, VisitClosed
from hub.domain.model import LeaveReason
from hub.rooms import Comparing, Rooms
from tests.domain.factories import a_session
from tests.test_rooms import ANN, BEN, NOON, OPEN, PATIENCE, Ear, Slow, state


class Visitor(Ear):
    """A listener with visits, told when they end."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[tuple[int, LeaveReason]] = []

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        self.ended.append((session_id, reason))
        self.news.set()


class Topics(MemoryBus):
    """What is followed."""

    def __init__(self) -> None:
        super().__init__()
        self.followed: set[int] = set()

    async def follow(self, topics: Iterable[int]) -> None:
        self.followed |= set(topics)

    def unfollow(self, topics: Iterable[int]) -> None:
        self.followed -= set(topics)


@pytest.fixture
async def source() -> Slow:
    return Slow()


@pytest.fixture
async def topics() -> Topics:
    return Topics()


@pytest.fixture
async def rooms(source: Slow, topics: Topics) -> Rooms:
    return Rooms(source, topics, interval=0.0, roster_limit=200)


async def until(ear: Ear, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            ear.news.clear()
            await ear.news.wait()


async def entered(rooms: Rooms, source: Slow, ear: Ear) -> None:
    """The host of session 1, which is at revision 1 with Ann in it, and its roster."""
    source.truth[1] = (state(1, 1), OPEN)
    source.people = [ANN]
    room = (await rooms.open([1]))[1]
    room.enter(ear, host=True)
    await ear.until("roster")
    ear.heard.clear()


async def test_what_is_followed_is_what_someone_here_looks_at(rooms: Rooms, source: Slow, topics: Topics) -> None:
    source.truth = {1: (state(1, 1), OPEN)}
    ear = Ear()
    room = (await rooms.open([1, 2]))[1]
    room.watch(ear)
    assert topics.followed == {1}, "there is no session 2"
    rooms.watch_catalog(ear)
    await asyncio.sleep(0)
    assert topics.followed == {0, 1}
    rooms.unwatch_catalog(ear)
    room.unwatch(ear)
    assert topics.followed == set()


async def test_a_change_that_was_not_heard_is_shown_by_comparing_and_counted(rooms: Rooms, source: Slow) -> None:
    source.truth = {1: (state(1, 1), OPEN), 2: (state(2, 1), OPEN)}
    ear = Ear()
    for room in (await rooms.open([1, 2])).values():
        room.watch(ear)
    ear.heard.clear()
    comparing = Comparing(rooms)
    await comparing.compare()
    assert (ear.heard, comparing.healed) == ([], 0)
    source.truth[2] = (state(2, 7, live=5), OPEN)
    await comparing.compare()
    (told,) = ear.heard
    assert (told["session"], told["revision"], told["live"]) == (2, 7, 5)
    assert comparing.healed == 1


async def test_a_revision_that_was_never_stored_is_taken_back(rooms: Rooms, source: Slow) -> None:
    """Of a forged announcement, or of a server that lost its last commits when a standby took over."""
    host = Visitor()
    await entered(rooms, source, host)
    rooms.receive(SessionChanged(state(1, 2**60, live=99), OPEN, joined=(BEN,)))
    assert host.heard[-1]["live"] == 99
    await Comparing(rooms).compare()
    assert (host.heard[-1]["revision"], host.heard[-1]["live"]) == (1, 1)
    assert [one["id"] for one in (await host.until("roster"))["participants"]] == ["ann"]
    source.truth[1] = (state(1, 2, live=2), OPEN)
    rooms.receive(SessionChanged(state(1, 2, live=2), OPEN, joined=(BEN,)))
    assert (await host.until("presence"))["joined"][0]["id"] == "ben"


async def test_a_roster_and_visits_that_ended_unheard_are_mended_by_comparing(rooms: Rooms, source: Slow) -> None:
    host = Visitor()
    await entered(rooms, source, host)
    rooms.register_visit("v-1", 1, host)
    rooms.register_visit("v-2", 1, host)
    source.truth[1] = (state(1, 4), OPEN)
    source.people = [BEN]
    source.ended = {"v-1": LeaveReason.CANCELLED, "v-9": LeaveReason.LEFT}
    await Comparing(rooms).compare()
    assert [one["id"] for one in (await host.until("roster"))["participants"]] == ["ben"]
    await until(host, lambda: bool(host.ended))
    assert host.ended == [(1, LeaveReason.CANCELLED)]


async def test_what_is_lost_while_a_roster_is_read_is_in_the_next_reading(rooms: Rooms, source: Slow) -> None:
    host = Visitor()
    source.truth[1], source.people = (state(1, 10), OPEN), [ANN]
    room = (await rooms.open([1]))[1]
    source.late.clear()
    room.enter(host, host=True)
    await asyncio.sleep(0)
    source.truth[1], source.people = (state(1, 11), OPEN), [ANN, BEN]  # nobody hears of it but the comparing
    await Comparing(rooms).compare()
    source.late.set()
    assert [one["id"] for one in (await host.until("roster"))["participants"]] == ["ann", "ben"]
    rooms.receive(SessionChanged(state(1, 12), OPEN, left=("ann",)))
    assert (await host.until("presence"))["left"] == [{"id": "ann"}]


async def test_a_visit_that_ends_while_it_is_looked_for_is_found_by_the_next_look(rooms: Rooms, source: Slow) -> None:
    host = Visitor()
    await entered(rooms, source, host)
    rooms.register_visit("v-1", 1, host)
    source.late.clear()
    source.truth[1] = (state(1, 2), OPEN)
    await Comparing(rooms).compare()
    await asyncio.sleep(0)
    source.truth[1], source.ended = (state(1, 3), OPEN), {"v-1": LeaveReason.CANCELLED}
    await Comparing(rooms).compare()
    source.late.set()
    await until(host, lambda: bool(host.ended))
    assert host.ended == [(1, LeaveReason.CANCELLED)]


async def test_revisions_that_overtake_each_other_are_told_once_each_and_nothing_is_read(
    rooms: Rooms, source: Slow
) -> None:
    host = Visitor()
    await entered(rooms, source, host)
    reads = source.rosters
    rooms.receive(SessionChanged(state(1, 3, live=1), OPEN, left=("ann",)))
    rooms.receive(SessionChanged(state(1, 2, live=2), OPEN, joined=(BEN,)))
    await until(host, lambda: sum(one["type"] == "presence" for one in host.heard) == 1)
    (told,) = [one for one in host.heard if one["type"] == "presence"]
    assert ([one["id"] for one in told["joined"]], told["left"]) == (["ben"], [{"id": "ann"}])
    assert (told["previous"], told["revision"]) == (1, 3)
    assert [one["revision"] for one in host.heard if one["type"] == "session"] == [3]
    assert source.rosters == reads


async def test_a_revision_that_does_not_come_is_mended_without_waiting_for_the_next_comparing(
    rooms: Rooms, source: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.rooms.room.HOLE_SECONDS", 0.02)
    host = Visitor()
    await entered(rooms, source, host)
    rooms.register_visit("v-1", 1, host)
    source.truth[1], source.people = (state(1, 3), OPEN), [BEN]
    source.ended = {"v-1": LeaveReason.SESSION_ENDED}
    rooms.receive(SessionChanged(state(1, 3), OPEN))
    assert [one["id"] for one in (await host.until("roster"))["participants"]] == ["ben"]
    await until(host, lambda: bool(host.ended))
    assert host.ended == [(1, LeaveReason.SESSION_ENDED)]


async def test_an_end_of_a_visit_is_told_however_late_its_announcement_comes(rooms: Rooms, source: Slow) -> None:
    host = Visitor()
    await entered(rooms, source, host)
    rooms.register_visit("v-1", 1, host)
    rooms.receive(SessionChanged(state(1, 3), OPEN))
    rooms.receive(SessionChanged(state(1, 2), OPEN, closed=(VisitClosed("v-1", LeaveReason.CANCELLED),)))
    assert host.ended == [(1, LeaveReason.CANCELLED)]


async def test_the_catalog_is_told_once_of_each_version_whatever_way_it_comes(rooms: Rooms, source: Slow) -> None:
    ear = Ear()
    rooms.watch_catalog(ear)
    session = a_session()
    session.id, session.version = 5, 2
    source.edited = [(session, 3)]
    for _ in range(2):
        rooms.receive(SessionChanged(state(5, 9), OPEN, listing=session))
        await Comparing(rooms).compare()
    (told,) = ear.heard
    assert (told["type"], told["session"]["id"], told["session"]["version"]) == ("catalog", 5, 2)
    older = a_session()
    older.id, older.version = 5, 1
    rooms.receive(SessionChanged(state(5, 8), OPEN, listing=older))
    assert len(ear.heard) == 1


async def test_the_catalog_is_looked_through_from_when_it_was_followed_and_not_before(
    rooms: Rooms, source: Slow
) -> None:
    rooms.watch_catalog(Ear())
    await Comparing(rooms).compare()
    assert source.asked_since == [NOON]
    source.clock += timedelta(minutes=5)
    await Comparing(rooms).compare()
    assert source.asked_since[1] == source.clock - timedelta(seconds=30)


async def test_comparing_hurries_when_asked_and_goes_on_after_an_outage(rooms: Rooms, source: Slow) -> None:
    source.truth = {1: (state(1, 1), OPEN)}
    ear = Ear()
    (await rooms.open([1]))[1].watch(ear)
    ear.heard.clear()
    comparing = Comparing(rooms, every=PATIENCE)
    running = asyncio.create_task(comparing.run())
    try:
        source.broken = True
        comparing.hurry()
        await until_asked(source)
        source.broken = False
        source.truth[1] = (state(1, 2), OPEN)
        comparing.hurry()
        assert (await ear.until("session"))["revision"] == 2
    finally:
        running.cancel()


async def until_asked(source: Slow) -> None:
    async with asyncio.timeout(PATIENCE):
        while not source.refused:  # noqa: ASYNC110  it only counts
            await asyncio.sleep(0.001)
