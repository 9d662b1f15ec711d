"""Sessions and their bookings over REST: each handler asks the ledger or the database, and shows what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from hub import views
from hub.domain import booking, sessions
from hub.domain.events import RosterRule
from hub.domain.model import LiveSession, RosterVisibility, Session, Status
from hub.domain.people import Actor, Role
from hub.domain.roster import may_see_roster
from hub.errors import Forbidden, HoldExpired, InvalidInput, NotBooked
from hub.ids import new_id
from hub.ledger import Ledger
from hub.sealing import PASSWORD, URL, Vault
from hub.sharing import Shared
from hub.store import lists, reads
from hub.store.database import Database
from hub.store.lists import SessionFilter
from hub.store.reads import Seen
from hub.web.http import Answer, Call, encoded

MOST_TAGS = 100
SHOWN_UNASKED = (Status.ACTIVE, Status.SCHEDULED)
SECRETS = {"meeting_url": URL, "meeting_password": PASSWORD}
"""Members of the forms whose values are sealed as these fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What the handlers stand on."""

    database: Database
    ledger: Ledger
    vault: Vault
    clock: Callable[[], datetime]
    hold: timedelta
    doors: timedelta
    roster_limit: int
    strangers: Shared[bytes] = field(default_factory=Shared)

    async def list_sessions(self, call: Call) -> Answer:
        """A page of sessions for anyone."""
        return await self._list(call, expert_id=call.query.expert_id, unasked=SHOWN_UNASKED)

    async def my_sessions(self, call: Call) -> Answer:
        """A page of the expert's own sessions, of every status."""
        return await self._list(call, expert_id=call.signed_in.id, unasked=())

    async def _list(self, call: Call, *, expert_id: str | None, unasked: tuple[Status, ...]) -> Answer:
        asked = call.query
        wanted = SessionFilter(
            statuses=tuple(sorted(set(asked.status))) or unasked,
            expert_id=expert_id,
            course_id=asked.course_id,
            free=asked.free,
            available=asked.available,
            starts_after=asked.starts_after,
            starts_before=asked.starts_before,
            q=asked.q,
            sort=asked.sort,
        )
        if call.actor is None:
            # Strangers all see the same, and ask for it by the thousand: those who ask together share one read.
            page = partial(self._page_for_strangers, call, wanted)
            return Answer(content=await self.strangers.ask((wanted, call.page), page))
        read = partial(lists.sessions_page, wanted=wanted, page=call.page, now=self.clock(), viewer=call.actor.seats_of)
        seen, total = await self.database.read(read)
        return Answer([self._view(one, call.actor) for one in seen], total=total)

    async def _page_for_strangers(self, call: Call, wanted: SessionFilter) -> bytes:
        read = partial(lists.sessions_page, wanted=wanted, page=call.page, now=self.clock())
        seen, total = await self.database.read(read)
        return encoded(call, Answer([self._view(one, None) for one in seen], total=total))

    async def create(self, call: Call) -> Answer:
        """A new session."""
        actor, form, now = call.signed_in, call.body, self.clock()
        sessions.may_create(actor)
        sessions.starts_in_time(form.starts_at, now)
        session = Session(
            id=0,
            title=form.title,
            description=form.description,
            instructor=actor.name,
            expert_id=actor.id,
            course_id=form.course_id,
            starts_at=form.starts_at,
            duration_minutes=form.duration_minutes,
            timezone=form.timezone,
            max_participants=form.max_participants,
            price=form.price,
            roster_visibility=form.roster_visibility,
            status=Status.SCHEDULED,
            created_at=now,
        )
        secrets = {URL: form.meeting_url, PASSWORD: form.meeting_password}
        created = await self.ledger.create(session, actor.person, partial(self._seal, secrets))
        view = views.session_view(created, 0, actor, None)
        headers = {"location": f"/api/live-sessions/{created.id}", "etag": etag(created)}
        return Answer(view, 201, headers)

    async def show(self, call: Call) -> Answer:
        """One session with what is the caller's own."""
        actor, now = call.signed_in, self.clock()
        seen = await self.database.read(
            partial(reads.one_session, session_id=call.session_id, now=now, viewer=actor.seats_of)
        )
        session = seen.session
        meeting = None
        if sessions.may_see_meeting(session, actor, seen.booking, now, self.doors):
            meeting = self.vault.meeting(session)
        view = views.session_detail(session, seen.seats, actor, seen.booking, meeting, now)
        return Answer(view, headers={"etag": etag(session)})

    async def edit(self, call: Call) -> Answer:
        """Changed details."""
        changes = {
            name: value
            for name in call.body.__struct_fields__
            if (value := getattr(call.body, name)) is not msgspec.UNSET
        }
        secrets = {kind: changes.pop(name) for name, kind in SECRETS.items() if name in changes}
        actor, wanted = call.signed_in, versions(call.headers.get("if-match"))

        def edit(live: LiveSession, now: datetime) -> LiveSession:
            sealed = self.vault.changes(live.session, secrets)
            return sessions.edit(live, now, actor=actor, changes=changes | sealed, versions=wanted)

        return await self._change(call, edit)

    async def start(self, call: Call) -> Answer:
        """The session begins."""
        return await self._change(call, partial(sessions.start, actor=call.signed_in))

    async def end(self, call: Call) -> Answer:
        """The session ends, and with it every visit."""
        return await self._change(call, partial(sessions.end, actor=call.signed_in), about=None)

    async def cancel(self, call: Call) -> Answer:
        """The session is called off, and its bookings with it."""
        return await self._change(call, partial(sessions.cancel, actor=call.signed_in), about=None)

    async def _change(
        self,
        call: Call,
        rule: Callable[[LiveSession, datetime], LiveSession],
        about: tuple[str, ...] | None = (),
    ) -> Answer:
        live = await self.ledger.act(call.session_id, rule, about=about)
        seats = live.seats_taken(self.clock())
        return Answer(views.session_view(live.session, seats, call.actor, None), headers={"etag": etag(live.session)})

    async def book(self, call: Call) -> Answer:
        """A seat taken."""
        actor = call.signed_in
        rule = partial(booking.book, actor=actor, booking_id=new_id(), hold=self.hold)
        taken = await self.ledger.act(call.session_id, rule, about=[actor.id])
        return Answer(views.booking_view(taken, taken.created_at), 201)

    async def cancel_booking(self, call: Call) -> Answer:
        """A seat given back."""
        actor = call.signed_in
        try:
            given = await self.ledger.act(call.session_id, partial(booking.cancel, actor=actor), about=[actor.id])
        except NotBooked:
            # The rule sees a hold that ran out until the sweep marks it; the answer must be the same after that.
            lapsed = partial(reads.let_a_hold_lapse, session_id=call.session_id, user_id=actor.id)
            if await self.database.read(lapsed):
                raise HoldExpired() from None
            raise
        return Answer(views.booking_view(given, self.clock()))

    async def my_bookings(self, call: Call) -> Answer:
        """A page of the student's bookings, newest first."""
        actor, now = call.signed_in, self.clock()
        read = partial(reads.bookings_of_person, user_id=actor.id, page=call.page, now=now)
        rows, total = await self.database.read(read)
        shown = [views.my_booking(one, self._view(seen, actor), now) for one, seen in rows]
        return Answer(shown, total=total)

    async def bookings(self, call: Call) -> Answer:
        """A page of a session's bookings for its expert."""
        await self._own(call)
        now = self.clock()
        read = partial(
            reads.bookings_of_session, session_id=call.session_id, page=call.page, statuses=call.query.status, now=now
        )
        rows, total = await self.database.read(read)
        return Answer([views.student_booking(one, student, now) for one, student in rows], total=total)

    async def participants(self, call: Call) -> Answer:
        """A page of the people present now, for those who may see them."""
        await self.database.read(partial(self._may_see_people, call=call))
        read = partial(reads.present_page, session_id=call.session_id, page=call.page)
        people, total = await self.database.read(read)
        return Answer([views.present(someone) for someone in people], total=total)

    def _may_see_people(self, connection: Any, call: Call) -> None:
        actor = call.signed_in
        session = reads.one_session(connection, call.session_id, self.clock()).session
        rule = RosterRule(session.expert_id, session.roster_visibility)
        host = actor.role is Role.EXPERT and actor.id == session.expert_id
        if not may_see_roster(rule, host=host, live=session.live, limit=self.roster_limit):
            closed = rule.visibility is RosterVisibility.HOST
            raise Forbidden(
                "The roster of this session is for its host."
                if closed
                else f"The roster is open to participants while {self.roster_limit} people or fewer are present."
            )
        present = actor.seats_of is not None and reads.is_present(connection, call.session_id, actor.seats_of)
        if not host and not present:
            raise Forbidden("The roster is open to the host and to those who are present: join the session first.")

    async def attendance(self, call: Call) -> Answer:
        """Who was there, and for how long."""
        return Answer(await self.read_attendance(call))

    async def read_attendance(self, call: Call) -> views.AttendanceView:
        """The attendance of the caller's own session; raises NotFound, NotSessionOwner."""
        session = (await self._own(call)).session
        lines = await self.database.read(partial(reads.attendance, session=session, now=self.clock()))
        return views.AttendanceView(
            session_id=session.id,
            started_at=session.started_at,
            ended_at=session.ended_at,
            peak_live=session.peak_live,
            people=[views.attendance_line(line) for line in lines],
        )

    async def read_session(self, session_id: int) -> Seen:
        """One session as anyone sees it."""
        return await self.database.read(partial(reads.one_session, session_id=session_id, now=self.clock()))

    async def _own(self, call: Call) -> Seen:
        seen = await self.read_session(call.session_id)
        sessions.owns(seen.session, call.signed_in)
        return seen

    def _view(self, seen: Seen, actor: Actor | None) -> views.SessionView:
        return views.session_view(seen.session, seen.seats, actor, seen.booking)

    def _seal(self, secrets: Mapping[str, str | None], session: Session) -> None:
        for name, value in self.vault.changes(session, secrets).items():
            setattr(session, name, value)


def etag(session: Session) -> str:
    """The session's version as an entity tag."""
    return f'"{session.version}"'


def versions(if_match: str | None) -> frozenset[int] | None:
    """The versions an If-Match header accepts; None for any. Weak tags match nothing (RFC 9110 §13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    if len(tags) > MOST_TAGS:
        raise InvalidInput(f"If-Match may name {MOST_TAGS} versions at most.")
    return frozenset(
        int(tag[1:-1]) for tag in tags if len(tag) < 12 and tag[1:-1].isdecimal() and tag[0] == tag[-1] == '"'
    )
