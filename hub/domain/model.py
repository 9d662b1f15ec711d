"""The values the rules speak of, and the aggregate that keeps their sums true.

A session, its seats, its bookings and its presence are one aggregate with one revision. Rules change it through
`put_booking` and `put_visit` alone, so seats and live counts have one home and can't drift from the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.people import Person


class Status(StrEnum):
    """Where a session is in its life."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    ENDED = "ended"
    CANCELLED = "cancelled"


class RosterVisibility(StrEnum):
    """Who may see the names of those present."""

    PARTICIPANTS = "participants"
    HOST = "host"


class BookingStatus(StrEnum):
    """Where a booking is in its life; `pending` holds its seat until `expires_at`."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class LeaveReason(StrEnum):
    """Why a visit ended."""

    LEFT = "left"
    DISCONNECTED = "disconnected"
    TOKEN_EXPIRED = "token_expired"  # nosec B105  # a reason, no password
    CANCELLED = "cancelled"
    SESSION_ENDED = "session_ended"
    NODE_LOST = "node_lost"


@dataclass(frozen=True, slots=True)
class Price:
    """An amount of money in minor units (cents) of an ISO 4217 currency."""

    amount: int
    currency: str


@dataclass(slots=True, kw_only=True)
class Session:
    """A session's own row. `confirmed` counts confirmed seats; holds are counted by the clock, beside it.

    `meeting_url` is an address in the clear, as versions before stored it; it goes before `sealed_url`.
    """

    id: int
    title: str
    description: str
    instructor: str
    expert_id: str
    course_id: str | None
    starts_at: datetime
    duration_minutes: int
    timezone: str
    max_participants: int | None
    price: Price | None
    meeting_url: str | None = None
    sealed_url: str | None = None
    sealed_password: str | None = None
    roster_visibility: RosterVisibility
    status: Status
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    confirmed: int = 0
    live: int = 0
    peak_live: int = 0
    version: int = 1
    revision: int = 1

    @property
    def ends_at(self) -> datetime:
        """The planned end."""
        return self.starts_at + timedelta(minutes=self.duration_minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One person's claim on one seat."""

    id: str
    session_id: int
    user_id: str
    status: BookingStatus
    created_at: datetime
    confirmed_at: datetime | None = None
    cancelled_at: datetime | None = None
    expires_at: datetime | None = None
    price: Price | None = None

    def lapsed(self, now: datetime) -> bool:
        """Whether this is a hold whose time ran out, swept or not."""
        return self.status is BookingStatus.PENDING and self.expires_at is not None and self.expires_at <= now

    def status_at(self, now: datetime) -> BookingStatus:
        """The status as the clock has it, whether or not the sweep has written it down."""
        return BookingStatus.EXPIRED if self.lapsed(now) else self.status

    @property
    def takes_a_seat(self) -> bool:
        """Whether it is pending or confirmed; a lapsed hold must be told apart by `lapsed`."""
        return self.status in (BookingStatus.PENDING, BookingStatus.CONFIRMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One connection's stay in one session; `present_since` is when the person's unbroken presence began.

    `dropped_at` is when the socket went without a word, if its process died or stopped within the grace.
    """

    id: str
    session_id: int
    user_id: str
    connection_id: str
    node_id: str
    joined_at: datetime
    present_since: datetime
    left_at: datetime | None = None
    reason: LeaveReason | None = None
    dropped_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What a provider said about money for a booking, and what came of it; `id` is the message's own id."""

    id: str
    session_id: int
    booking_id: str
    type: str
    amount: int
    currency: str
    reference: str
    received_at: datetime
    outcome: str


@dataclass(slots=True)
class LiveSession:
    """A session with the part of its bookings and presence that a change concerns.

    `about` names the people whose live bookings and open visits are here, or is None when everyone's are. All
    pending holds are always here. Touching a person who is not here is a programming error and raises LookupError.
    """

    session: Session
    about: frozenset[str] | None = None
    bookings: dict[str, Booking] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    changed: bool = False
    edited: bool = False
    touched_bookings: set[str] = field(default_factory=set)
    touched_visits: set[str] = field(default_factory=set)
    touched_payments: set[str] = field(default_factory=set)
    stored: frozenset[str] = frozenset()
    _holds: dict[str, Booking] = field(default_factory=dict)
    _booked: dict[str, str] = field(default_factory=dict)
    _open: dict[str, set[str]] = field(default_factory=dict)
    _was_present: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        session: Session,
        *,
        about: Iterable[str] | None,
        bookings: Iterable[Booking] = (),
        visits: Iterable[Visit] = (),
        payments: Iterable[Payment] = (),
        people: Iterable[Person] = (),
    ) -> LiveSession:
        """The aggregate as stored: nothing in it is a change yet."""
        live = cls(session, None if about is None else frozenset(about))
        for booking in bookings:
            live.bookings[booking.id] = booking
            live._index_booking(booking)
        for visit in visits:
            live.visits[visit.id] = visit
            live._open.setdefault(visit.user_id, set()).add(visit.id)
        live.payments = {payment.id: payment for payment in payments}
        live.people = {person.id: person for person in people}
        live.stored = frozenset(live.bookings) | frozenset(live.visits)
        return live

    def seats_taken(self, now: datetime) -> int:
        """Confirmed seats and the holds that have not run out at `now`."""
        return self.session.confirmed + sum(not hold.lapsed(now) for hold in self._holds.values())

    def holds(self) -> list[Booking]:
        """Every pending booking, lapsed ones included."""
        return list(self._holds.values())

    def booking_of(self, user_id: str) -> Booking | None:
        """The person's pending or confirmed booking (a pending one may have lapsed)."""
        self._must_know(user_id)
        booking_id = self._booked.get(user_id)
        return None if booking_id is None else self.bookings[booking_id]

    def visits_of(self, user_id: str) -> list[Visit]:
        """The person's open visits."""
        self._must_know(user_id)
        return [self.visits[visit_id] for visit_id in self._open.get(user_id, ())]

    def present_since(self, user_id: str, now: datetime) -> datetime:
        """When the person's presence began; `now` for someone who is not here.

        Who left and comes back within one commit was never seen leaving, so that presence is unbroken.
        """
        visits = self.visits_of(user_id)
        if not visits and self._was_present.get(user_id):
            visits = [visit for visit in self.visits.values() if visit.user_id == user_id]
        return min((visit.present_since for visit in visits), default=now)

    def open_visits(self) -> list[Visit]:
        """Every open visit that is here; all there are when `about` is None."""
        return [visit for visit in self.visits.values() if visit.left_at is None]

    def must_know_everyone(self) -> None:
        """For rules that speak of all: raises LookupError when only some were loaded."""
        if self.about is not None:
            raise LookupError(f"this needs everyone of session {self.session.id}, and only some were loaded")

    def touch(self) -> None:
        """Mark a change that others see: the revision grows by one, once for each commit."""
        if not self.changed:
            self.changed = True
            self.session.revision += 1

    def touch_details(self) -> None:
        """Mark an edit or a change of status: the version grows too, once for each commit."""
        self.touch()
        if not self.edited:
            self.edited = True
            self.session.version += 1

    def meet(self, person: Person) -> None:
        """Remember who this is."""
        self.people[person.id] = person

    def put_booking(self, booking: Booking) -> None:
        """Add or replace a booking; confirmed seats follow."""
        before = self.bookings.get(booking.id)
        if before is None:
            self._must_know(booking.user_id)
        was = before is not None and before.status is BookingStatus.CONFIRMED
        self.session.confirmed += (booking.status is BookingStatus.CONFIRMED) - was
        self.bookings[booking.id] = booking
        self._index_booking(booking)
        self.touched_bookings.add(booking.id)
        self.touch()

    def put_visit(self, visit: Visit) -> None:
        """Add or close a visit; the live count follows people, not visits."""
        self._must_know(visit.user_id)
        open_visits = self._open.setdefault(visit.user_id, set())
        was_present = bool(open_visits)
        self._was_present.setdefault(visit.user_id, was_present)
        (open_visits.add if visit.left_at is None else open_visits.discard)(visit.id)
        self.visits[visit.id] = visit
        self.touched_visits.add(visit.id)
        if bool(open_visits) != was_present:
            self.set_live(self.session.live + (1 if open_visits else -1))

    def set_live(self, people: int) -> None:
        """Set how many people are present."""
        self.session.live = people
        self.session.peak_live = max(self.session.peak_live, people)
        self.touch()

    def put_payment(self, payment: Payment) -> None:
        """Record what a provider said."""
        self.payments[payment.id] = payment
        self.touched_payments.add(payment.id)

    @property
    def dirty(self) -> bool:
        """Whether anything must be written."""
        return bool(self.changed or self.touched_visits or self.touched_payments)

    def came_and_went(self) -> tuple[list[str], list[str]]:
        """The people who are present now and were not as stored, and the other way round."""
        came = [user for user, was in self._was_present.items() if not was and self._open.get(user)]
        went = [user for user, was in self._was_present.items() if was and not self._open.get(user)]
        return came, went

    def _must_know(self, user_id: str) -> None:
        if self.about is not None and user_id not in self.about:
            raise LookupError(f"{user_id!r} was not loaded with session {self.session.id}")

    def _index_booking(self, booking: Booking) -> None:
        if booking.status is BookingStatus.PENDING:
            self._holds[booking.id] = booking
        else:
            self._holds.pop(booking.id, None)
        if booking.takes_a_seat:
            self._booked[booking.user_id] = booking.id
        elif self._booked.get(booking.user_id) == booking.id:
            del self._booked[booking.user_id]
