"""Attendance is the union of a person's visits within the session, checked against counting second by second."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.attendance import attend, union_seconds
from hub.domain.model import Status
from tests.domain.factories import SECOND, STARTS, a_session, a_student, a_visit

Interval = tuple[int, int]
PERSON = a_student().person
MINUTE = timedelta(minutes=1)
points = st.integers(-60, 60)
intervals = st.tuples(points, points)
forward = intervals.map(lambda pair: (min(pair), max(pair)))


def seconds(pairs: list[Interval]) -> float:
    return union_seconds((at(start), at(end)) for start, end in pairs)


def at(second: int) -> datetime:
    return STARTS + second * SECOND


@given(st.lists(intervals, max_size=12))
def test_the_union_is_what_counting_second_by_second_says(pairs: list[Interval]) -> None:
    assert seconds(pairs) == len({second for start, end in pairs for second in range(start, end)})


@given(st.lists(intervals, max_size=12))
def test_the_union_is_never_negative_and_never_more_than_the_span(pairs: list[Interval]) -> None:
    span = max((max(pair) for pair in pairs), default=0) - min((min(pair) for pair in pairs), default=0)
    assert 0 <= seconds(pairs) <= span


@given(st.lists(intervals, max_size=12).flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))))
def test_the_union_does_not_know_the_order(both: tuple[list[Interval], list[Interval]]) -> None:
    assert seconds(both[0]) == seconds(both[1])


@given(st.lists(intervals, max_size=12), intervals)
def test_one_more_interval_never_lessens_the_union_nor_adds_more_than_itself(
    pairs: list[Interval], more: Interval
) -> None:
    before, after = seconds(pairs), seconds([*pairs, more])
    assert before <= after <= before + max(0, more[1] - more[0])


@given(st.lists(intervals, max_size=12))
def test_saying_an_interval_twice_adds_nothing(pairs: list[Interval]) -> None:
    assert seconds(pairs + pairs) == seconds(pairs)


@given(st.lists(st.tuples(forward, st.booleans()), min_size=1, max_size=8), st.integers(0, 60), st.booleans())
def test_attendance_is_what_counting_the_seconds_of_the_session_says(
    stays: list[tuple[Interval, bool]], length: int, ended: bool
) -> None:
    session = a_session(status=Status.ENDED if ended else Status.ACTIVE, ended_at=at(length) if ended else None)
    visits = [
        a_visit(visit_id=f"v-{number}", joined_at=at(start), left_at=None if still else at(end))
        for number, ((start, end), still) in enumerate(stays)
    ]
    there = {
        second
        for (start, end), still in stays
        for second in range(max(0, start), min(length, length if still else end))
    }
    summed = attend(session, PERSON, visits, at(length))
    assert summed.total.seconds == len(there)
    assert 0 <= summed.share <= 1
    assert summed.share == (pytest.approx(len(there) / length) if length else 0)


def test_two_tabs_at_once_are_one_presence_and_a_pause_is_none() -> None:
    session = a_session(status=Status.ENDED, ended_at=STARTS + 60 * MINUTE)
    visits = [
        a_visit(visit_id="v-3", joined_at=STARTS + 40 * MINUTE, left_at=STARTS + 50 * MINUTE),
        a_visit(visit_id="v-1", joined_at=STARTS, left_at=STARTS + 20 * MINUTE),
        a_visit(visit_id="v-2", joined_at=STARTS + 10 * MINUTE, left_at=STARTS + 30 * MINUTE),
    ]
    summed = attend(session, PERSON, visits, STARTS + 90 * MINUTE)
    assert summed.total.seconds == 40 * 60
    assert summed.share == pytest.approx(2 / 3)
    assert [visit.id for visit in summed.visits] == ["v-1", "v-2", "v-3"]
    assert (summed.total.first_joined_at, summed.total.last_left_at) == (STARTS, STARTS + 50 * MINUTE)


def test_waiting_before_the_start_is_not_attendance() -> None:
    session = a_session(status=Status.ENDED, ended_at=STARTS + 60 * MINUTE)
    early = a_visit(joined_at=STARTS - 10 * MINUTE, left_at=STARTS + 15 * MINUTE)
    summed = attend(session, PERSON, [early], STARTS + 60 * MINUTE)
    assert (summed.total.seconds, summed.share) == (15 * 60, 0.25)
    assert summed.total.first_joined_at == STARTS - 10 * MINUTE


def test_who_left_before_the_start_attended_nothing() -> None:
    session = a_session(status=Status.ACTIVE)
    gone = a_visit(joined_at=STARTS - 10 * MINUTE, left_at=STARTS - MINUTE)
    assert attend(session, PERSON, [gone], STARTS + MINUTE).total.seconds == 0


def test_who_is_still_there_counts_until_now_and_has_not_left() -> None:
    summed = attend(a_session(status=Status.ACTIVE), PERSON, [a_visit(joined_at=STARTS)], STARTS + MINUTE)
    assert (summed.total.seconds, summed.share, summed.total.last_left_at) == (60, 1, None)


def test_a_session_that_never_started_was_attended_by_nobody() -> None:
    summed = attend(a_session(), PERSON, [a_visit(joined_at=STARTS)], STARTS + MINUTE)
    assert (summed.total.seconds, summed.share, len(summed.visits)) == (0, 0, 1)


def test_a_session_that_ended_in_its_first_instant_has_no_shares() -> None:
    session = a_session(status=Status.ENDED, ended_at=STARTS)
    assert attend(session, PERSON, [a_visit(left_at=STARTS)], STARTS + MINUTE).share == 0
