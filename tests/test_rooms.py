"""Rooms by themselves: nothing is missed between reading and listening, and nobody is told what is no longer theirs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Hashable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.bus.memory import MemoryBus
from hub.domain.events import Present, PublicState, RosterRule, SessionChanged
from hub.domain.model import LeaveReason, RosterVisibility, Session, Status
from hub.domain.people import Role
from hub.errors import Unavailable
from hub.frames import Frame
from hub.rooms import Newest, Rooms, Snapshot

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
OPEN = RosterRule("e-7", RosterVisibility.PARTICIPANTS)
CLOSED = RosterRule("e-7", RosterVisibility.HOST)
ANN = Present("ann", "Ann", Role.STUDENT, NOON)
BEN = Present("ben", "Ben", Role.STUDENT, NOON)
PATIENCE = 5.0


def state(session: int, revision: int, status: Status = Status.ACTIVE, live: int = 1) -> PublicState:
    return PublicState(session, revision, status, live, live, 0, None, NOON, None, None)


class Slow:
    """A source whose reads end when they are let; it answers what was true when it was asked."""

    def __init__(self) -> None:
        self.truth: dict[int, Snapshot] = {}
        self.people: list[Present] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = 0
        self.ended: dict[str, LeaveReason] = {}
        self.edited: list[tuple[Session, int]] = []
        self.asked_since: list[datetime] = []
        self.clock = NOON
        self.rosters = 0
        self.broken = False
        self.late = asyncio.Event()
        self.late.set()
        self.refused = 0

    def now(self) -> datetime:
        return self.clock

    async def revisions(self, session_ids: Iterable[int]) -> dict[int, int]:
        if self.broken:
            self.refused += 1
            raise Unavailable()
        return {one: self.truth[one][0].revision for one in session_ids if one in self.truth}

    async def ended_visits(self, visit_ids: Collection[str]) -> dict[str, LeaveReason]:
        ended = {one: reason for one, reason in self.ended.items() if one in visit_ids}
        await self.late.wait()
        return ended

    async def edited_since(self, since: datetime) -> list[tuple[Session, int]]:
        self.asked_since.append(since)
        return list(self.edited)

    async def states(self, session_ids: Iterable[int]) -> dict[int, Snapshot]:
        asked = {one: self.truth[one] for one in session_ids if one in self.truth}
        await self.gate.wait()
        return asked

    async def roster(self, session_id: int) -> tuple[int, list[Present]]:
        self.rosters += 1
        if self.away:
            self.away -= 1
            raise Unavailable()
        read = self.truth[session_id][0].revision, list(self.people)
        await self.late.wait()
        return read


class Ear:
    """A listener that can be slow."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.missed: dict[Hashable, Newest] = {}
        self.slow = False
        self.news = asyncio.Event()

    def deliver(self, key: Hashable, frame: Frame, newest: Newest, lasting: bool = False) -> None:
        if self.slow:
            self.missed[key] = newest
        else:
            self.heard.append(json.loads(frame.payload))
            self.news.set()

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        raise AssertionError("nothing here visits")

    def catch_up(self) -> list[Frame | None]:
        self.slow = False
        return [newest(self) for newest in self.missed.values()]

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                for message in self.heard:
                    if message["type"] == kind:
                        self.heard.remove(message)
                        return message
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def source() -> Slow:
    return Slow()


@pytest.fixture
async def rooms(source: Slow) -> Rooms:
    return Rooms(source, MemoryBus(), interval=0.0, roster_limit=200)


def tell(rooms: Rooms, source: Slow, new: PublicState, rule: RosterRule = OPEN, **more: Any) -> None:
    source.truth[new.session] = (new, rule)
    rooms.receive(SessionChanged(new, rule, **more))


async def test_a_change_while_an_opener_waits_for_other_rooms_is_not_missed(rooms: Rooms, source: Slow) -> None:
    source.truth = {1: (state(1, 1, Status.SCHEDULED), OPEN), 2: (state(2, 1), OPEN)}
    first, second = Ear(), Ear()
    (await rooms.open([1]))[1].watch(first)
    source.gate.clear()
    opening = asyncio.create_task(rooms.open([1, 2]))
    await asyncio.sleep(0)

    warm = rooms.get(1)
    assert warm is not None
    warm.unwatch(first)
    tell(rooms, source, state(1, 2))
    source.gate.set()
    (await opening)[1].watch(second)

    assert (await second.until("session"))["revision"] == 2
    tell(rooms, source, state(1, 3))
    assert (await second.until("session"))["revision"] == 3


async def test_two_who_open_a_cold_room_share_it_and_nobody_gets_an_empty_frame(rooms: Rooms, source: Slow) -> None:
    source.truth = {1: (state(1, 1), OPEN)}
    source.gate.clear()
    first, second = Ear(), Ear()
    openings = [asyncio.create_task(rooms.open([1])) for _ in range(2)]
    await asyncio.sleep(0)
    source.gate.set()
    one, other = [(await opening)[1] for opening in openings]
    one.watch(first)
    one.unwatch(first)
    tell(rooms, source, state(1, 2))
    other = (await rooms.open([1]))[1]
    other.watch(second)

    assert (await second.until("session"))["revision"] == 2
    assert len(rooms) == 1


async def test_rooms_that_are_opened_in_vain_do_not_stay(rooms: Rooms, source: Slow) -> None:
    assert await rooms.open([404]) == {}
    source.gate.clear()
    opening = asyncio.create_task(rooms.open([1, 2]))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)

    assert len(rooms) == 0


async def test_who_was_put_out_while_too_slow_gets_no_roster_afterwards(rooms: Rooms, source: Slow) -> None:
    source.truth, source.people = {1: (state(1, 1), OPEN)}, [ANN]
    ear = Ear()
    room = (await rooms.open([1]))[1]
    room.enter(ear, host=False)
    await ear.until("roster")
    ear.slow = True
    tell(rooms, source, state(1, 2, live=2), joined=(BEN,))

    room.exit(ear)

    assert ear.missed
    assert ear.catch_up() == [None, None]


async def test_who_may_no_longer_see_names_gets_none_when_catching_up(rooms: Rooms, source: Slow) -> None:
    source.truth, source.people = {1: (state(1, 1), OPEN)}, [ANN]
    ear = Ear()
    (await rooms.open([1]))[1].enter(ear, host=False)
    await ear.until("roster")
    ear.slow = True
    tell(rooms, source, state(1, 2, live=2), joined=(BEN,))
    tell(rooms, source, state(1, 3, live=2), CLOSED)

    frames = [json.loads(frame.payload) for frame in ear.catch_up() if frame is not None]

    assert [frame["type"] for frame in frames] == ["session"]


async def test_who_left_the_catalog_while_too_slow_is_told_no_more_of_it(rooms: Rooms) -> None:
    ear = Ear()
    rooms.watch_catalog(ear)
    frame = Frame(b"{}")
    newest = rooms._catalog_frame(frame)
    assert newest(ear) is frame

    rooms.unwatch_catalog(ear)

    assert newest(ear) is None


async def test_a_roster_that_can_not_be_read_is_read_when_it_can(
    rooms: Rooms, source: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.rooms.room.RETRY_SECONDS", 0.0)
    source.truth, source.people, source.away = {1: (state(1, 1), OPEN)}, [ANN], 3
    ear = Ear()

    (await rooms.open([1]))[1].enter(ear, host=False)

    assert [one["id"] for one in (await ear.until("roster"))["participants"]] == ["ann"]
