"""Sessions that are over, go on and were called off, and who came and went: in a database that no hub uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from hub.domain import booking, presence, sessions
from hub.domain.attendance import Attendance
from hub.domain.model import LeaveReason
from hub.store import reads
from hub.store.opening import database_at
from tests.domain.factories import HOLD, OWNER, PRICE, STARTS, a_session, a_student
from tests.house import NODE, Clock, House, house_on
from tests.tables import Where, change, url_of

OVER, LATER, ACTIVE, PAID, CANCELLED = 1, 2, 3, 4, 5
PEOPLE = ("ann", "ben", "cho")
OTHER_NODE = "n-2"
DAY = timedelta(days=1)


@dataclass
class History:
    """The makers of it; the clock moves on as they do."""

    house: House

    async def come(self, session: int, person: str, visit: str, node: str = NODE) -> None:
        """Join, and stay."""
        await self.house.join(session, person, visit, node)

    async def go(self, session: int, person: str, visit: str, after: float = 0) -> None:
        """Leave, so many seconds later."""
        self.house.clock.pass_by(after)
        rule = partial(presence.leave, visit_id=visit, at=None, reason=LeaveReason.LEFT)
        await self.house.act(session, rule, about=[person])

    async def end(self, session: int) -> None:
        """End it as its expert."""
        await self.house.act(session, partial(sessions.end, actor=OWNER), about=None)

    async def over(self) -> None:
        """Ann in two tabs, and again later; ben to the end; cho for half a minute, through another process."""
        await self.come(OVER, "ann", "a-1")
        self.house.clock.pass_by(60)
        await self.come(OVER, "ben", "b-1")
        await self.come(OVER, "ann", "a-2")
        await self.go(OVER, "ann", "a-1", 100)
        await self.go(OVER, "ann", "a-2", 50.125)
        await self.come(OVER, "cho", "c-1", OTHER_NODE)
        await self.go(OVER, "cho", "c-1", 30.25)
        await self.come(OVER, "ann", "a-3")
        await self.go(OVER, "ann", "a-3", 7)
        await self.house.bury(OTHER_NODE)
        self.house.clock.pass_by(60)
        await self.end(OVER)

    async def later(self) -> None:
        """A day after."""
        self.house.clock.pass_by(DAY.total_seconds())
        await self.come(LATER, "ann", "a-4")
        await self.go(LATER, "ann", "a-4", 300)
        await self.come(LATER, "cho", "c-2")
        self.house.clock.pass_by(60)
        await self.end(LATER)

    async def called_off(self) -> None:
        """Ann came early, and it was cancelled."""
        session = a_session(starts_at=self.house.clock(), max_participants=10)
        created = await self.house.ledger.create(session, OWNER.person, lambda _: None)
        await self.house.book(created.id, "ann", "ben")
        await self.come(created.id, "ann", "a-5")
        self.house.clock.pass_by(5)
        await self.house.act(created.id, partial(sessions.cancel, actor=OWNER), about=None)

    async def going_on(self) -> None:
        """Ann and ben are there, cho was; and ann holds a seat that is to be paid."""
        for person, visit in (("ann", "a-6"), ("ben", "b-2"), ("cho", "c-3")):
            await self.come(ACTIVE, person, visit)
        await self.go(ACTIVE, "cho", "c-3", 10)
        hold = partial(booking.book, actor=a_student("ann"), booking_id="hold-of-ann", hold=HOLD)
        await self.house.act(PAID, hold, about=["ann"])


async def make(where: Where) -> datetime:
    """All of it; when it was done."""
    async with house_on(database_at(url_of(where)), where, Clock(STARTS)) as house:
        await house.node(OTHER_NODE)
        for session in (OVER, LATER, ACTIVE, PAID):
            await house.create(max_participants=10, price=PRICE if session == PAID else None)
        for session in (OVER, LATER, ACTIVE):
            await house.book(session, *PEOPLE)
        history = History(house)
        for part in (history.over, history.later, history.called_off, history.going_on):
            await part()
    # Where leases go by the server's own clock, the processes lived today.
    change(where, "UPDATE nodes SET started_at = ?, last_beat = ?", *2 * [f"{STARTS:%Y-%m-%d %H:%M:%S}"])
    return house.clock()


async def attendance(where: Where, now: datetime) -> dict[int, list[Attendance]]:
    """Who was in each session, as a hub reads it."""
    database = database_at(url_of(where))
    await database.open()
    try:
        found = {}
        for session_id in (OVER, LATER, ACTIVE, PAID, CANCELLED):
            seen = await database.read(partial(reads.one_session, session_id=session_id, now=now))
            found[session_id] = await database.read(partial(reads.attendance, session=seen.session, now=now))
        return found
    finally:
        await database.close()
