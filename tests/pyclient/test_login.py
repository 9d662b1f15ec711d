"""Tokens: fresh at each open, renewed in time, and never the same one again after it was refused."""

from __future__ import annotations

import pytest

from hub.client import Ejected, PersonChanged, Refused
from hub.client.orders import Order
from tests.pyclient.body import Body, opened


def wanted(body: Body) -> int:
    """How often a token was asked for."""
    return body.orders.count(Order.WANT_TOKEN)


def test_a_token_is_asked_for_at_each_open() -> None:
    body = opened(with_tokens=True)
    assert wanted(body) == 1
    assert body.machine.person is not None
    assert body.machine.person.user == "ann"
    body.close(1006)
    body.later(1)
    body.welcome()
    assert wanted(body) == 2


def test_without_a_token_it_watches_as_nobody() -> None:
    body = Body(with_tokens=True)
    body.welcome()
    body.token(None)
    assert body.connection.name == "open"
    assert body.of(Refused) == []


def test_a_token_that_is_refused_is_asked_for_once_more_and_the_better_one_is_taken() -> None:
    body = Body(with_tokens=True)
    body.welcome()
    body.token("old")
    body.refuse(body.last("auth"), "token_expired")
    assert wanted(body) == 2
    body.token("new")
    assert body.last("auth")["token"] == "new"
    body.accept(body.last("auth"))
    assert body.connection.name == "open"
    assert body.of(Refused) == []


@pytest.mark.parametrize("second", ["old", "also bad"])
def test_with_no_better_token_it_goes_on_as_a_watcher_and_says_so(second: str) -> None:
    body = opened(with_tokens=True)
    body.enter(7)
    body.watch(1)
    body.close(1006)
    body.later(1)
    body.welcome()
    body.token("old")
    body.refuse(body.last("auth"), "token_expired")
    body.token(second)
    if second != "old":
        body.refuse(body.last("auth"), "unauthenticated")
    assert wanted(body) == 3
    assert len(body.of(Refused)) == 1
    assert [one.session for one in body.of(Ejected)] == [7]
    assert body.of(PersonChanged)[-1].person is None
    assert body.connection.name == "open"
    assert body.last("watch")["sessions"] == [1]


def test_the_token_that_the_hub_ended_is_not_said_again() -> None:
    body = opened(with_tokens=True)
    body.close(4401)
    body.later(1)
    body.welcome()
    body.token("one")
    assert len([one for one in body.said if one["type"] == "auth"]) == 1
    assert len(body.of(Refused)) == 1
    body.machine.sign_in(body.now)
    body.pump()
    body.welcome()
    body.token("one")  # whoever signs in may say it
    assert len([one for one in body.said if one["type"] == "auth"]) == 2


@pytest.mark.parametrize(("code", "pause"), [("unavailable", 0.25), ("rate_limited", 10.25)])
def test_a_refusal_of_the_moment_says_nothing_about_the_token(code: str, pause: float) -> None:
    body = Body(with_tokens=True)
    body.welcome()
    body.token("good")
    body.refuse(body.last("auth"), code)
    assert (body.connection.name, wanted(body), body.of(Refused)) == ("open", 1, [])
    body.later(pause - 0.01)
    assert wanted(body) == 1
    body.later(0.02)
    assert wanted(body) == 2


def away_and_welcome() -> Body:
    """Someone who watches 1 and is in 7, is cut off, and welcomed again."""
    body = opened(with_tokens=True)
    body.watch(1)
    body.enter(7)
    body.close(1006)
    body.later(1)
    body.said.clear()
    body.welcome()
    return body


def test_while_no_token_can_be_had_it_watches_and_asks_again_ever_later_and_then_is_where_it_was() -> None:
    body = away_and_welcome()
    for ceiling in (0.5, 1, 2, 4, 8, 16, 30, 30):
        asked = wanted(body)
        body.machine.no_token(body.now)
        body.pump()
        assert (body.connection.name, [one["type"] for one in body.said]) == ("open", ["watch"])
        body.ok(body.said[0], missing=[])
        body.later(0.5 * ceiling - 0.01)
        assert wanted(body) == asked
        body.later(0.02)
        assert wanted(body) == asked + 1
    entering = body.join(8)
    assert body.machine.is_in(7)
    assert len(body.said) == 1
    body.token("two")
    body.accept(body.last("auth"))
    assert [(one["type"], one.get("session")) for one in body.said[2:]] == [("join", 7), ("join", 8)]
    body.ok(body.last("join"), participant="v8", meeting=None)
    assert body.answers[entering].visit is not None
    assert (body.of(Ejected), body.of(Refused), body.orders.count(Order.DIAL)) == ([], [], 2)


def test_a_token_that_does_not_come_holds_nothing_up_for_more_than_15_seconds_and_is_asked_for_again() -> None:
    body = away_and_welcome()
    body.later(14.9)
    assert body.connection.name == "connecting"
    body.later(0.2)
    assert (body.connection.name, [one["type"] for one in body.said]) == ("open", ["watch"])
    body.token("too late")
    assert [one["type"] for one in body.said] == ["watch"]
    body.ok(body.said[0], missing=[])
    body.later(0.25)
    body.token("two")
    body.accept(body.last("auth"))
    assert [one["type"] for one in body.said] == ["watch", "auth", "join"]


def test_a_renewal_that_does_not_come_is_asked_for_again_too() -> None:
    body = opened(with_tokens=True, chance=0.0)
    body.hear("expiring", **{"in": 60})
    body.later(15)
    assert wanted(body) == 2
    body.later(15)
    body.later(15)
    assert wanted(body) == 3


def test_who_waits_to_be_let_in_while_no_token_comes_is_told_why_after_15_seconds() -> None:
    body = Body(with_tokens=True)
    body.welcome()
    body.machine.no_token(body.now)
    number = body.join(7)
    for _ in range(16):
        body.later(1)
        body.machine.no_token(body.now)
        body.pump()
    refusal = body.answers[number].refusal
    assert refusal is not None
    assert (refusal.code, "no token could be had" in refusal.message) == ("unreachable", True)


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_a_token_is_renewed_while_half_of_its_time_is_left(chance: float) -> None:
    body = opened(with_tokens=True, chance=chance)
    body.hear("expiring", **{"in": 60})
    body.later(14.9)
    assert wanted(body) == 1
    body.later(0.2 + 15 * chance)
    assert wanted(body) == 2
    body.token("two")
    assert body.last("auth")["token"] == "two"
    body.later(100)
    assert wanted(body) == 2


def test_a_token_shorter_than_the_warning_is_not_asked_for_without_a_pause() -> None:
    body = opened(with_tokens=True, chance=0.0)
    for number in range(10):
        before = body.now
        body.hear("expiring", **{"in": 4})  # comes before the `ok` of its token
        body.later(1.0)
        assert wanted(body) == number + 2
        body.token(f"short {number}")
        body.accept(body.last("auth"))
        assert body.now - before >= 1.0


def test_while_there_is_no_better_token_it_is_asked_for_ever_sooner_and_the_end_is_an_end() -> None:
    body = opened(with_tokens=True, chance=0.0)
    body.hear("expiring", **{"in": 60})
    times = []
    for _ in range(40):
        before = wanted(body)
        body.later(1.0)
        if wanted(body) > before:
            times.append(body.now - 1_000)
            body.token("one")
    assert len(times) >= 2
    assert times == sorted(times)
    body.close(4401)
    assert body.connection.name == "waiting"


def test_another_person_gets_another_connection_and_what_was_joined_is_left() -> None:
    body = opened(with_tokens=True)
    body.enter(7)
    body.watch(1)
    body.machine.sign_in(body.now)
    body.pump()
    assert body.said[-1] == {"type": "leave", "id": body.said[-1]["id"], "session": 7}
    assert body.orders[-2:] == [Order.HANG_UP, Order.DIAL]
    assert body.machine.person is None
    body.said.clear()
    body.welcome()
    body.token("other")
    body.accept(body.last("auth"))
    assert [one["type"] for one in body.said] == ["auth", "watch"]
    assert body.of(Ejected) == []
