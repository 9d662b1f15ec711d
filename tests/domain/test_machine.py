"""Any story of one session, told to the real rules in groups of calls: what must hold, holds after each of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from hub.domain import booking, payments, presence, sessions
from hub.domain.model import LeaveReason, Payment, Price
from hub.domain.payments import PaymentType
from hub.domain.people import Actor
from tests.domain.factories import DOORS, HOLD, OWNER, PRICE, SECOND, STARTS, STRANGER, a_session, a_student
from tests.domain.rows import (
    Call,
    Follower,
    Rows,
    check_attendance,
    check_follower,
    check_one_live_booking,
    check_presence,
    check_seats,
)

STUDENTS = [a_student(f"s-{number}") for number in range(1, 5)]
students = st.sampled_from(STUDENTS)
hosts = st.sampled_from([OWNER, OWNER, OWNER, STRANGER])
any_index = st.integers(0, 99)
waits = st.booleans()
lags = st.sampled_from([0, 0, 0, 2, 40])
"""Seconds between the arrival of a call and its turn, while others that arrived later were decided."""


class OneSession(RuleBasedStateMachine):
    """Calls gather in a group until one of them does not wait; then the group is committed and followed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = STARTS - DOORS
        self.group: list[Call] = []
        self.made = 0

    @initialize(
        capacity=st.sampled_from([1, 1, 2, 3, None]), price=st.sampled_from([None, PRICE, PRICE]), begun=st.booleans()
    )
    def open_up(self, capacity: int | None, price: Price | None, begun: bool) -> None:
        self.rows = Rows(a_session(max_participants=capacity, price=price), self.now)
        self.follower = Follower(self.rows.snapshot(self.now))
        if begun:
            self.say(False, partial(sessions.start, actor=OWNER), None)

    def say(self, wait: bool, told: Any, about: frozenset[str] | None, *, lag: int = 0, **needs: Any) -> None:
        self.group.append(Call(told, self.now - lag * SECOND, about, **needs))
        if not wait:
            self.commit()

    def commit(self) -> None:
        group, self.group = self.group, []
        _, said = self.rows.commit(group)
        if said is not None:
            self.follower.hear(said)

    def new_id(self, kind: str) -> str:
        self.made += 1
        return f"{kind}-{self.made}"

    @rule(seconds=st.sampled_from([1, 30, 600, 890, 900, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(who=students, wait=waits, lag=lags)
    def book(self, who: Actor, wait: bool, lag: int) -> None:
        told = partial(booking.book, actor=who, booking_id=self.new_id("b"), hold=HOLD)
        self.say(wait, told, frozenset({who.id}), lag=lag)

    @rule(who=students, wait=waits)
    def give_back(self, who: Actor, wait: bool) -> None:
        self.say(wait, partial(booking.cancel, actor=who), frozenset({who.id}))

    @rule(who=st.sampled_from([*STUDENTS, OWNER]), tab=st.integers(1, 3), node=st.sampled_from("AB"), wait=waits)
    def join(self, who: Actor, tab: int, node: str, wait: bool) -> None:
        told = partial(
            presence.join,
            actor=who,
            visit_id=self.new_id("v"),
            connection_id=f"{who.id}/{node}{tab}",
            node_id=node,
            doors=DOORS,
        )
        self.say(wait, told, frozenset({who.id}))

    @precondition(lambda self: self.rows.visits)
    @rule(index=any_index, ago=st.sampled_from([None, 0, 10, 5000]), reason=st.sampled_from(LeaveReason), wait=waits)
    def leave(self, index: int, ago: int | None, reason: LeaveReason, wait: bool) -> None:
        visit = list(self.rows.visits.values())[index % len(self.rows.visits)]
        at = None if ago is None else self.now - ago * SECOND
        self.say(wait, partial(presence.leave, visit_id=visit.id, at=at, reason=reason), frozenset({visit.user_id}))

    @rule(node=st.sampled_from("AB"), ago=st.sampled_from([0, 15, 5000]), wait=waits)
    def a_process_dies(self, node: str, ago: int, wait: bool) -> None:
        about = frozenset(visit.user_id for visit in self.rows.open_visits() if visit.node_id == node)
        at = self.now - ago * SECOND
        self.say(wait, partial(presence.lose_node, node_id=node, at=at, reason=LeaveReason.NODE_LOST), about)

    @precondition(lambda self: self.rows.bookings)
    @rule(
        index=any_index,
        kind=st.sampled_from([PaymentType.SUCCEEDED, *PaymentType]),
        amount=st.sampled_from([1500, 1500, 1500, 1499]),
        money=st.integers(1, 2),
        again=st.booleans(),
        wait=waits,
        lag=lags,
    )
    def money_moves(
        self, index: int, kind: PaymentType, amount: int, money: int, again: bool, wait: bool, lag: int
    ) -> None:
        paid_for = list(self.rows.bookings.values())[index % len(self.rows.bookings)]
        known = list(self.rows.payments)
        payment = Payment(
            id=known[index % len(known)] if again and known else self.new_id("m"),
            session_id=1,
            booking_id=paid_for.id,
            type=kind,
            amount=amount,
            currency="KES",
            reference=f"{paid_for.id}/{money}",
            received_at=self.now,
            outcome="",
        )
        told = partial(payments.settle, payment=payment)
        needs = {"bookings": (paid_for.id,), "payments": (payment.id,)}
        self.say(wait, told, frozenset({paid_for.user_id}), lag=lag, **needs)

    @rule(
        actor=hosts,
        capacity=st.sampled_from([1, 2, 3, None]),
        title=st.sampled_from(["Smart Farming", "Other"]),
        version=st.sampled_from([None, 0, 1]),
        wait=waits,
    )
    def edit(self, actor: Actor, capacity: int | None, title: str, version: int | None, wait: bool) -> None:
        versions = None if version is None else frozenset({self.rows.session.version - version})
        changes = {"title": title, "max_participants": capacity}
        self.say(wait, partial(sessions.edit, actor=actor, changes=changes, versions=versions), frozenset())

    @rule(actor=hosts, wait=waits)
    def start(self, actor: Actor, wait: bool) -> None:
        self.say(wait, partial(sessions.start, actor=actor), frozenset())

    @precondition(lambda self: self.rows.visits or len(self.rows.bookings) > 2)
    @rule(verb=st.sampled_from([sessions.end, sessions.cancel]), actor=hosts, wait=waits)
    def finish(self, verb: Any, actor: Actor, wait: bool) -> None:
        self.say(wait, partial(verb, actor=actor), None)

    @rule(wait=waits)
    def sweep(self, wait: bool) -> None:
        self.say(wait, booking.expire_holds, frozenset())

    @rule()
    def recounting_finds_nothing_to_mend(self) -> None:
        outcomes, said = self.rows.commit([Call(presence.recount, self.now, None)])
        assert (outcomes, said) == ([False], None)

    @invariant()
    def seats_hold(self) -> None:
        check_seats(self.rows, self.now)
        check_one_live_booking(self.rows)

    @invariant()
    def presence_holds(self) -> None:
        check_presence(self.rows)
        check_attendance(self.rows, self.now)

    @invariant()
    def snapshot_and_what_came_after_is_a_fresh_snapshot(self) -> None:
        check_follower(self.rows, self.follower)

    def teardown(self) -> None:
        if hasattr(self, "rows"):
            self.say(False, booking.expire_holds, frozenset())
            assert self.follower.state == self.rows.snapshot(self.now)


TestOneSession = OneSession.TestCase
TestOneSession.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
