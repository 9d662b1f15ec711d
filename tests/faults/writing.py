"""Three hundred writes a second to one hub, each with when it was asked and when it was acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.faults.checker import Log, Stay
from tests.faults.light import Light
from tests.running import Running, token
from tests.storm import Line
from tests.tables import Where, rows

PACE_SECONDS = 0.1
VISITORS, BOOKERS = 18, 18
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Asked:
    """Something that was asked; what makes it undone was, too, or never."""

    what: str
    session: int
    person: str
    asked: datetime
    done: datetime = NEVER
    undoing: datetime = NEVER
    undone: datetime = NEVER


@dataclass
class Writing:
    """Joins with their leaves, and bookings with their cancellations, in order of asking."""

    visits: list[Asked] = field(default_factory=list)
    bookings: list[Asked] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledged(self, since: datetime, until: datetime) -> int:
        """How many writes were acknowledged between."""
        whens = (when for asked in (*self.visits, *self.bookings) for when in (asked.done, asked.undone))
        return sum(since <= when < until for when in whens)

    def slowest(self, since: datetime, until: datetime) -> float:
        """The longest that an answer took of those given between, in seconds."""
        each = [(one.asked, one.done) for one in (*self.visits, *self.bookings)]
        each += [(one.undoing, one.undone) for one in (*self.visits, *self.bookings)]
        return max((done - asked).total_seconds() for asked, done in each if since <= done < until)

    def log(self, at: datetime, slack: float) -> Log:
        """What must be stored of visits if all stood still at `at`; `slack` is how old the last beat may be."""
        log = Log(alone={visit.person for visit in self.visits})
        for visit in self.visits:
            if visit.asked <= at < visit.done:
                log.unanswered[visit.session, visit.person] += 1
            elif visit.done <= at:
                log.stays[visit.what] = stay = Stay(visit.what, visit.session, visit.person)
                if visit.undone <= at:
                    stay.end("left", at=visit.undoing)
                else:
                    reasons = ("left", "node_lost") if visit.undoing <= at else ("node_lost",)
                    stay.end(*reasons, at=at, early=slack)
        return log

    def unbooked(self, where: Where, at: datetime) -> Iterator[str]:
        """What is stored of bookings and must not, or the other way round, if all stood still at `at`."""
        stored = dict(rows(where, "SELECT id, status FROM session_bookings WHERE user_id LIKE 'booker-%'"))
        spare = 0
        for booking in self.bookings:
            status = stored.pop(booking.what, None)
            if booking.done > at:
                spare += booking.asked <= at
                if status is not None and booking.asked > at:
                    yield f"booking {booking.what} of {booking.person} was asked for later"
                spare -= status is not None
                continue
            fitting = {"cancelled"} if booking.undone <= at else {"confirmed"}
            if status not in fitting | ({"cancelled"} if booking.undoing <= at else set()):
                yield f"booking {booking.what} of {booking.person} is {status}, not {' or '.join(fitting)}"
        if len(stored) > spare:
            yield f"there are {len(stored)} bookings that nobody asked for"


async def _turns(writing: Writing) -> AsyncIterator[None]:
    while not writing.over.is_set():
        yield
        with suppress(TimeoutError):
            await asyncio.wait_for(writing.over.wait(), PACE_SECONDS)


async def _visit(hub: Running, session: int, person: str, writing: Writing) -> None:
    socket = await Light.at(hub.port, person)
    async for _ in _turns(writing):
        visit = Asked("", session, person, datetime.now(UTC))
        writing.visits.append(visit)
        answer = await socket.ask(type="join", session=session)
        assert answer["type"] == "ok", answer
        visit.what, visit.done = answer["participant"], datetime.now(UTC)
        if writing.over.is_set():
            break
        visit.undoing = datetime.now(UTC)
        answer = await socket.ask(type="leave", session=session)
        assert answer["type"] == "ok", answer
        visit.undone = datetime.now(UTC)


async def _book(hub: Running, session: int, person: str, writing: Writing) -> None:
    mine = token(person)
    async with Line.to(hub.port) as line:
        async for _ in _turns(writing):
            booking = Asked("", session, person, datetime.now(UTC))
            writing.bookings.append(booking)
            answer = await line.ask("POST", f"/{session}/book", mine)
            assert answer.status == 201, answer
            booking.what, booking.done = answer.body["data"]["id"], datetime.now(UTC)
            booking.undoing = datetime.now(UTC)
            answer = await line.ask("DELETE", f"/{session}/book", mine)
            assert answer.status == 200, answer
            booking.undone = datetime.now(UTC)


@asynccontextmanager
async def writing(hub: Running, session: int) -> AsyncIterator[Writing]:
    """Write meanwhile."""
    written = Writing()
    visitors = [f"visitor-{number}" for number in range(VISITORS)]
    for person in visitors:
        await hub.book(session, person)
    async with asyncio.TaskGroup() as group:
        for person in visitors:
            group.create_task(_visit(hub, session, person, written))
        for number in range(BOOKERS):
            group.create_task(_book(hub, session, f"booker-{number}", written))
        try:
            yield written
        finally:
            written.over.set()
