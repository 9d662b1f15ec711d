"""The stored rows as plain dicts, changed by groups of calls as the ledger does it, and what must hold of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub.domain.attendance import attend
from hub.domain.events import Present, PublicState, SessionChanged, changed
from hub.domain.model import Booking, BookingStatus, LiveSession, Payment, Session, Status, Visit
from hub.domain.people import Person
from hub.errors import HubError

COUNTERS = ("confirmed", "live", "peak_live", "version", "revision")


@dataclass(frozen=True)
class Call:
    """One change that waits for its turn: the people it may touch (None: all) and the ids it needs beside theirs."""

    rule: Callable[[LiveSession, datetime], Any]
    now: datetime
    about: frozenset[str] | None = frozenset()
    bookings: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()


@dataclass
class Follower:
    """Someone with the first snapshot, who hears every announcement and never asks again."""

    state: PublicState
    roster: dict[str, Present] = field(default_factory=dict)

    def hear(self, said: SessionChanged) -> None:
        assert said.state.revision == self.state.revision + 1
        self.state = said.state
        for user_id in said.left:
            del self.roster[user_id]
        for person in said.joined:
            assert person.id not in self.roster
            self.roster[person.id] = person


@dataclass
class Rows:
    """What is on disk of one session; `announced_at` is the instant of the newest announcement."""

    session: Session
    announced_at: datetime
    bookings: dict[str, Booking] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)

    def open_visits(self) -> list[Visit]:
        return [visit for visit in self.visits.values() if visit.left_at is None]

    def seats_taken(self, now: datetime) -> int:
        """Counted from the bookings' rows alone."""
        return sum(booking.status_at(now) in ("pending", "confirmed") for booking in self.bookings.values())

    def snapshot(self, now: datetime) -> PublicState:
        return PublicState.of(self.session, self.seats_taken(now))

    def load(self, group: Sequence[Call]) -> LiveSession:
        """A fresh aggregate with just what the ledger would read for `group`."""
        everyone = any(call.about is None for call in group)
        people = {user_id for call in group for user_id in call.about or ()}
        bookings = {booking_id for call in group for booking_id in call.bookings}
        payments = {payment_id for call in group for payment_id in call.payments}
        return LiveSession.of(
            replace(self.session),
            about=None if everyone else people,
            bookings=[
                booking
                for booking in self.bookings.values()
                if booking.id in bookings
                or booking.status is BookingStatus.PENDING
                or (booking.takes_a_seat and (everyone or booking.user_id in people))
            ],
            visits=[visit for visit in self.open_visits() if everyone or visit.user_id in people],
            payments=[
                payment
                for payment in self.payments.values()
                if payment.booking_id in bookings or payment.id in payments
            ],
        )

    def commit(self, group: Sequence[Call]) -> tuple[list[Any], SessionChanged | None]:
        """Decide every call in order, store what changed: what each one got, and the announcement if there is one."""
        live = self.load(group)
        outcomes, moved = [], False
        for call in group:
            before = deepcopy(live)
            got = _outcome(call, live)
            assert live == before or not isinstance(got, HubError), f"{got!r} was refused and changed something"
            outcomes.append(got)
            moved = moved or _seen(live) != _seen(before)
        was = self.session.revision
        if live.dirty:
            self._save(live)
        assert (live.changed, self.session.revision - was) == (moved, int(moved))
        if not live.changed:
            return outcomes, None
        self.announced_at = group[-1].now
        return outcomes, changed(live, self.announced_at)

    def _save(self, live: LiveSession) -> None:
        """Write what the rules marked as touched, and nothing else."""
        self.people.update(live.people)
        self.bookings.update({booking_id: live.bookings[booking_id] for booking_id in live.touched_bookings})
        self.visits.update({visit_id: live.visits[visit_id] for visit_id in live.touched_visits})
        self.payments.update({payment_id: live.payments[payment_id] for payment_id in live.touched_payments})
        if live.edited:
            self.session = replace(live.session)
        elif live.changed:
            self.session = replace(self.session, **{name: getattr(live.session, name) for name in COUNTERS})


def _outcome(call: Call, live: LiveSession) -> Any:
    try:
        return call.rule(live, call.now)
    except HubError as refusal:
        return refusal


def _seen(live: LiveSession) -> tuple[Session, dict[str, Booking], set[str]]:
    """What others can tell of a session, its own counting of changes left out."""
    present = {visit.user_id for visit in live.open_visits()}
    return replace(live.session, version=0, revision=0), dict(live.bookings), present


def check_seats(rows: Rows, now: datetime) -> None:
    """Never more seats taken than there are, now or at any later instant, and the stored sum is that of the rows."""
    capacity = rows.session.max_participants
    ends = [booking.expires_at for booking in rows.bookings.values() if booking.expires_at is not None]
    for instant in (now, *(end for end in ends if end > now)):
        assert capacity is None or rows.seats_taken(instant) <= capacity, "more seats are taken than there are"
    confirmed = [booking for booking in rows.bookings.values() if booking.status is BookingStatus.CONFIRMED]
    assert rows.session.confirmed == len(confirmed)
    assert all(booking.confirmed_at is not None for booking in confirmed)


def check_one_live_booking(rows: Rows) -> None:
    """One live booking for each person."""
    owners = Counter(booking.user_id for booking in rows.bookings.values() if booking.takes_a_seat)
    assert all(number == 1 for number in owners.values()), "a person has two live bookings"


def check_presence(rows: Rows) -> None:
    """Live counts people, the peak is no smaller, one open visit a connection, nobody is in what is over."""
    open_visits = rows.open_visits()
    assert rows.session.live == len({visit.user_id for visit in open_visits}), "the live count drifted"
    assert rows.session.peak_live >= rows.session.live
    assert len({visit.connection_id for visit in open_visits}) == len(open_visits)
    if rows.session.status in (Status.ENDED, Status.CANCELLED):
        assert open_visits == []


def check_attendance(rows: Rows, now: datetime) -> None:
    """No visit is negative, each that ended says why, and nobody attended more than there was."""
    people: dict[str, list[Visit]] = {}
    for visit in rows.visits.values():
        assert (visit.left_at is None) == (visit.reason is None)
        assert visit.left_at is None or visit.left_at >= visit.joined_at
        people.setdefault(visit.user_id, []).append(visit)
    started = rows.session.started_at
    length = 0.0 if started is None else ((rows.session.ended_at or now) - started).total_seconds()
    for user_id, visits in people.items():
        summed = attend(rows.session, rows.people[user_id], visits, now)
        assert 0 <= summed.total.seconds <= length
        assert 0 <= summed.share <= 1


def check_follower(rows: Rows, follower: Follower) -> None:
    """Snapshot and announcements are a fresh snapshot: the state, who is on the roster, and since when."""
    assert follower.state == rows.snapshot(rows.announced_at)
    present = {visit.user_id: rows.people[visit.user_id] for visit in rows.open_visits()}
    assert {user_id: Person(who.id, who.name, who.role) for user_id, who in follower.roster.items()} == present
    for user_id in present:
        since = min(visit.present_since for visit in rows.open_visits() if visit.user_id == user_id)
        assert follower.roster[user_id].joined_at == since
