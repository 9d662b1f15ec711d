"""A full database before the hub starts: written by the store and the rules themselves, without the network."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from benchmarks.servers import Stores
from hub.domain import booking
from hub.domain.model import Price, RosterVisibility, Session, Status
from hub.domain.people import Actor, Person, Role
from hub.store import writes
from hub.store.database import Database
from hub.store.opening import database_at
from hub.store.writes import Wanted

OWNER = Person("expert", "Person expert", Role.EXPERT)
HOLD = timedelta(hours=2)
HOLDS = 3
STEP = 500
CYCLE = (*[Status.SCHEDULED] * 5, Status.ACTIVE, *[Status.ENDED] * 3, Status.CANCELLED)
"""Of ten sessions: five to come, one running, three over, one called off."""


def session(number: int, status: Status, now: datetime, *, paid: bool) -> Session:
    """One session; those to come start minutes apart, so that their order is theirs alone."""
    offset = {Status.SCHEDULED: 60 + number, Status.ACTIVE: -30, Status.ENDED: -600 - number, Status.CANCELLED: 90}
    starts = now + timedelta(minutes=offset[status])
    began = starts if status in (Status.ACTIVE, Status.ENDED) else None
    return Session(
        id=0,
        title=f"Session {number}: soil, seeds and sensors",
        description="Bring your questions on sensors, soil and irrigation. No slides, only answers.",
        instructor=OWNER.name,
        expert_id=OWNER.id,
        course_id=f"course-{number % 50}",
        starts_at=starts,
        duration_minutes=60,
        timezone=("Africa/Nairobi", "Europe/Rome", "Asia/Manila", "UTC")[number % 4],
        max_participants=50 if paid else None,
        price=Price(1500, "KES") if paid else None,
        meeting_url="https://meet.example/one",
        sealed_password=None,
        roster_visibility=RosterVisibility.PARTICIPANTS,
        status=status,
        created_at=now - timedelta(days=30, seconds=-number),
        started_at=began,
        ended_at=None if status is not Status.ENDED else starts + timedelta(minutes=60),
    )


def book(connection: Connection, session_ids: Sequence[int], people: Sequence[str], now: datetime) -> None:
    """A seat for each of `people` in each session: held where it costs money, else confirmed."""
    lives = writes.load(connection, {session_id: Wanted(set(people)) for session_id in session_ids})
    for live in lives.values():
        for person in people:
            actor = Actor(person, f"Person {person}", Role.STUDENT, now + HOLD)
            booking.book(live, now, actor=actor, booking_id=uuid.uuid4().hex, hold=HOLD)
    writes.save(connection, list(lives.values()), now)


def _create(connection: Connection, new: Session) -> int:
    return writes.create(connection, new, OWNER, lambda _: None).id


def _many(connection: Connection, first: int, count: int, now: datetime) -> None:
    held = []
    for number in range(first, first + count):
        status = CYCLE[number % len(CYCLE)]
        paid = number % 3 == 2
        session_id = _create(connection, session(number, status, now, paid=paid))
        if paid and status in booking.BOOKABLE:
            held.append(session_id)
    book(connection, held, [f"holder-{number}" for number in range(HOLDS)], now)


@asynccontextmanager
async def opened(stores: Stores) -> AsyncIterator[Database]:
    """The database, with its tables up to date."""
    database = database_at(stores.database)
    await database.migrate()
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def catalog(stores: Stores, count: int) -> None:
    """`count` sessions of every status, a third of them paid; those of these that can be booked have three holds."""
    now = datetime.now(UTC)
    async with opened(stores) as database:
        for first in range(0, count, STEP):
            await database.transact(partial(_many, first=first, count=min(STEP, count - first), now=now))


async def running_sessions(stores: Stores, rooms: Sequence[Sequence[str]]) -> list[int]:
    """An active session for each of `rooms`, where each of its people has a confirmed seat; their ids."""
    now = datetime.now(UTC)
    new = session(0, Status.ACTIVE, now, paid=False)
    made = []
    async with opened(stores) as database:
        for people in rooms:
            session_id = await database.transact(lambda connection: _create(connection, new))
            for first in range(0, len(people), STEP):
                part = people[first : first + STEP]
                await database.transact(partial(book, session_ids=[session_id], people=part, now=now))
            made.append(session_id)
    return made
