"""What is told of sessions and their people: newest wins, a broken chain is mended, and joins outlive connections."""

from __future__ import annotations

import json

import pytest

from hub.client import CatalogChanged, Ejected, Joined, Missing, Refusal, RosterChanged, SessionState
from hub.client.messages import read
from hub.sockets.messages import Outgoing
from tests.pyclient.body import Body, change, opened, state, whole


def watching(*sessions: int) -> Body:
    """Open, and following these."""
    body = opened()
    body.watch(*sessions)
    body.ok(body.last("watch"), missing=[])
    return body


def revisions(body: Body) -> list[int]:
    """What was told, in order."""
    return [one.revision for one in body.of(SessionState)]


def rosters(body: Body) -> list[list[str] | None]:
    """Who was told to be present, each time."""
    return [None if one.people is None else list(one.people) for one in body.of(RosterChanged)]


def test_an_older_state_and_the_same_again_are_dropped() -> None:
    body = watching(1)
    body.hear(*(state(1, revision) for revision in (5, 4, 5, 7, 6, 7)))
    assert revisions(body) == [5, 7]


def test_the_first_snapshot_of_a_connection_is_believed_though_it_is_older() -> None:
    body = watching(1)
    body.hear(state(1, 9))
    body.close(1006)
    body.later(1)
    body.welcome()
    body.hear(state(1, 3), state(1, 2), state(1, 4))
    assert revisions(body) == [9, 3, 4]


def test_the_same_snapshot_after_a_reconnect_is_no_news() -> None:
    body = watching(1)
    body.hear(state(1, 9))
    body.close(1006)
    body.later(1)
    body.welcome()
    body.hear(state(1, 9), state(1, 8))
    assert revisions(body) == [9]


def test_what_nobody_follows_is_not_told() -> None:
    body = watching(1)
    body.hear(state(2, 1), whole(2, 1, "ann"), change(2, 1, 2, joined="bob"))
    assert body.told[-1] == body.connection
    assert [one["type"] for one in body.said] == ["watch"]


def test_a_session_is_watched_until_the_last_who_wants_it_does_not() -> None:
    body = watching(1)
    body.watch(1)
    body.machine.unwatch([1])
    body.pump()
    assert [one["type"] for one in body.said] == ["watch"]
    body.machine.unwatch([1])
    body.pump()
    assert body.last("unwatch")["sessions"] == [1]


def test_who_lets_go_and_takes_up_again_at_once_keeps_what_is_known() -> None:
    body = watching(1)
    body.hear(state(1, 5))
    body.machine.unwatch([1])
    body.watch(1)
    assert len(body.said) == 1
    assert body.machine.state(1) is not None


def test_a_session_that_does_not_exist_is_told() -> None:
    body = opened()
    body.watch(1, 2)
    body.ok(body.last("watch"), missing=[2])
    assert body.of(Missing) == [Missing(2, "not_found", "There is no session 2.")]


@pytest.mark.parametrize("sessions", [[0], [-1], [2**31], list(range(1, 502))])
def test_what_the_hub_would_refuse_to_watch_is_refused_at_once(sessions: list[int]) -> None:
    body = opened()
    with pytest.raises(Refusal):
        body.machine.watch(sessions)
    body.watch(3)
    assert body.last("watch")["sessions"] == [3]


def test_people_come_and_go_in_order_of_arrival() -> None:
    body = watching(1)
    body.hear(whole(1, 5, "ann", "bob"), change(1, 5, 6, joined="cy"), change(1, 6, 8, joined="ann", left="bob"))
    assert rosters(body) == [["ann", "bob"], ["ann", "bob", "cy"], ["cy", "ann"]]
    last = body.of(RosterChanged)[-1]
    assert ([one.id for one in last.joined], [one.id for one in last.left]) == (["ann"], ["bob"])


def test_a_broken_chain_is_asked_for_once_and_mended() -> None:
    body = watching(1)
    body.hear(whole(1, 5, "ann"), change(1, 6, 7, joined="cy"), change(1, 7, 8, joined="dee"))
    assert [one["type"] for one in body.said] == ["watch", "roster"]
    assert rosters(body) == [["ann"]]
    body.hear(whole(1, 8, "bob", "cy", "dee"), change(1, 8, 9, left="cy"))
    assert rosters(body)[1:] == [["bob", "cy", "dee"], ["bob", "dee"]]
    assert len(body.said) == 2


def test_old_changes_and_old_rosters_are_dropped() -> None:
    body = watching(1)
    body.hear(whole(1, 5, "ann"), change(1, 5, 6, joined="bob"), change(1, 5, 6, joined="bob"), whole(1, 5, "ann"))
    assert rosters(body) == [["ann"], ["ann", "bob"]]
    assert len(body.said) == 1


def test_a_roster_that_does_not_come_is_asked_for_again() -> None:
    body = watching(1)
    body.hear(whole(1, 5, "ann"), change(1, 6, 7, joined="cy"))
    body.later(30)
    assert [one["type"] for one in body.said].count("roster") == 2
    assert body.connection.name == "open"


def test_a_roster_that_is_not_shown_any_more_is_found_out_by_the_count_and_told() -> None:
    body = watching(1)
    body.hear(state(1, 5, live=2), whole(1, 5, "ann", "bob"), state(1, 6, live=3))
    body.later(1.9)
    assert [one["type"] for one in body.said] == ["watch"]
    body.later(0.2)
    body.refuse(body.last("roster"), "forbidden")
    assert rosters(body) == [["ann", "bob"], None]
    assert body.machine.roster(1) is None


def test_a_count_that_the_people_follow_in_time_is_no_reason_to_ask() -> None:
    body = watching(1)
    body.hear(state(1, 5, live=2), whole(1, 5, "ann", "bob"), state(1, 6, live=3), change(1, 5, 6, joined="cy"))
    body.later(20)
    assert [one["type"] for one in body.said] == ["watch"]


def test_people_stay_through_a_reconnect_and_only_the_difference_is_told() -> None:
    body = watching(1)
    body.hear(whole(1, 9, "ann", "bob"))
    body.close(1006)
    body.later(1)
    body.welcome()
    assert rosters(body) == [["ann", "bob"]]
    body.hear(whole(1, 2, "bob", "cy"))
    last = body.of(RosterChanged)[-1]
    assert ([one.id for one in last.joined], [one.id for one in last.left]) == (["cy"], ["ann"])


def test_joins_outlive_a_reconnect_and_are_told_as_again() -> None:
    body = opened()
    number = body.enter(7)
    assert body.answers[number].visit is not None
    body.close(1006)
    body.later(1)
    body.welcome()
    body.ok(body.last("join"), participant="new", meeting=None)
    assert [(one.session, one.again) for one in body.of(Joined)] == [(7, False), (7, True)]
    assert body.machine.is_in(7)


def test_who_is_not_let_in_again_is_told_and_no_longer_in() -> None:
    body = opened()
    body.enter(7)
    body.close(1006)
    body.later(1)
    body.welcome()
    body.refuse(body.last("join"), "not_booked", "Book first.")
    assert body.of(Ejected) == [Ejected(7, "not_booked", "Book first.")]
    assert not body.machine.is_in(7)


@pytest.mark.parametrize("code", ["rate_limited", "unavailable", "internal"])
def test_a_refusal_of_the_moment_is_asked_again_after_a_pause(code: str) -> None:
    body = watching(1)
    body.enter(7)
    body.close(1006)
    body.later(1)
    body.welcome()
    body.refuse(body.last("join"), code)
    body.refuse(body.last("watch"), code)
    said = len(body.said)
    body.later(1.9)
    assert len(body.said) == said
    body.later(2.2)
    assert [one["type"] for one in body.said[said:]] == ["join", "watch"]
    assert body.of(Ejected) == []


def test_messages_that_the_hub_did_not_read_are_said_again_in_the_end() -> None:
    body = opened()
    body.watch(1)
    body.hear("error", id=None, code="rate_limited", message="Too many messages.")
    body.later(20)
    assert [one["type"] for one in body.said] == ["watch", "watch"]
    assert body.connection.name == "open"


@pytest.mark.parametrize("ends", ["ended", "cancelled"])
def test_the_end_of_a_session_puts_us_out_once(ends: str) -> None:
    body = opened()
    body.enter(7)
    body.hear(state(7, 3, status=ends))
    body.hear("error", id=None, session=7, code="not_booked", message="Cancelled.")
    assert [(one.session, one.code) for one in body.of(Ejected)] == [(7, "not_active")]


def test_a_seat_that_is_cancelled_puts_us_out() -> None:
    body = opened()
    body.enter(7)
    body.hear(state(7, 3))
    body.hear("error", id=None, session=7, code="not_booked", message="Cancelled.")
    assert body.of(Ejected) == [Ejected(7, "not_booked", "Cancelled.")]
    body.close(1006)
    body.later(1)
    body.welcome()
    assert body.last("join") is body.said[0]


def test_what_is_refused_is_told_to_who_asked() -> None:
    body = opened()
    number = body.join(7)
    body.refuse(body.last("join"), "payment_required", "Pay first.")
    refusal = body.answers[number].refusal
    assert refusal is not None
    assert (refusal.code, str(refusal), refusal.session) == ("payment_required", "Pay first.", 7)
    assert not body.machine.is_in(7)
    assert body.of(Ejected) == []


def test_who_leaves_before_the_answer_is_out_whatever_comes() -> None:
    body = opened()
    body.join(7)
    body.machine.leave(7, body.now)
    body.pump()
    body.ok(body.last("join"), participant="v", meeting=None)
    body.ok(body.last("leave"))
    assert not body.machine.is_in(7)
    assert body.of(Joined) == []


def test_who_is_not_let_out_is_still_in_and_told_so() -> None:
    body = opened()
    body.enter(7)
    number = body.machine.leave(7, body.now)
    body.pump()
    body.refuse(body.last("leave"), "rate_limited")
    assert body.answers[number].refusal is not None
    assert body.machine.is_in(7)


def test_who_leaves_while_away_has_left_and_does_not_come_back() -> None:
    body = opened()
    body.enter(7)
    body.close(1006)
    number = body.machine.leave(7, body.now)
    body.later(1)
    body.welcome()
    assert body.answers[number].refusal is None
    assert [one["type"] for one in body.said] == ["join"]


def test_the_catalog_is_told_to_who_wants_it() -> None:
    body = opened()
    body.hear("catalog", session={"id": 1, "revision": 2})
    body.machine.watch_catalog(1)
    body.hear("catalog", session={"id": 1, "revision": 3})
    assert body.of(CatalogChanged) == [CatalogChanged({"id": 1, "revision": 3})]


def test_what_a_newer_hub_adds_is_passed_over() -> None:
    assert read(b'{"type":"fanfare","session":1}') is None
    assert read(b"not json") is None
    told = read(json.dumps(state(1, 2) | {"mood": "merry", "status": "paused"}))
    assert isinstance(told, SessionState)
    assert told.status == "paused"


def test_every_message_of_the_hub_is_known() -> None:
    kinds = {kind.__struct_config__.tag for kind in Outgoing.__args__}
    assert {one for one in kinds if isinstance(one, str) and _unknown(one)} == set()
    assert _unknown("fanfare")


def _unknown(kind: str) -> bool:
    members = {"id": 1, "code": "c", "message": "m", "connection": "c", "in": 1, "reconnectIn": 1, "previous": 1}
    lists: dict[str, list[str]] = {"participants": [], "joined": [], "left": []}
    sessions = (state(1, 1) | lists, state(1, 1), {"session": {"id": 1}})
    return all(read(json.dumps(members | one | {"type": kind})) is None for one in sessions)
