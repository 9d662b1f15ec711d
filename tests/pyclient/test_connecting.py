"""When to come back, how late at most, and what is said in which order: by tables, without a socket or a clock."""

from __future__ import annotations

import math
import random
from dataclasses import fields

import pytest

from hub.client import Connection
from hub.client.orders import ANSWER_SECONDS, Order
from hub.client.pace import CLOSES, Come, Pace
from hub.settings import Settings
from hub.sockets import closing
from tests.pyclient.body import Body, opened, state


@pytest.mark.parametrize("close", closing.ALL, ids=lambda close: close.code)
def test_every_close_code_of_the_hub_is_known_with_whether_to_come_back(close: closing.Close) -> None:
    body = opened(with_tokens=True)
    body.close(close.code)
    assert body.connection.name == ("waiting" if close.come_back else "stopped")
    assert body.connection.code == close.code
    body.later(120)
    assert (body.orders.count(Order.DIAL) > 1) is close.come_back


def test_no_close_code_is_known_that_the_hub_has_not() -> None:
    assert CLOSES.keys() == {close.code for close in closing.ALL}


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 3000, 4999])
def test_an_end_that_is_not_the_hub_s_is_one_to_come_back_from(code: int) -> None:
    body = opened()
    body.close(code)
    assert body.connection.name == "waiting"


GRACE = 10.0
"""The hub's default."""


def test_the_grace_is_the_hub_s() -> None:
    assert [one.default for one in fields(Settings) if one.name == "leave_grace_seconds"] == [GRACE]


def waits(chance: float, tries: int) -> list[float]:
    """How long, one try after the other at a hub that is away."""
    pace, now, waited = Pace(), 1_000.0, []
    for _ in range(tries):
        waited.append(pace.wait(Come.BACK, chance, 0.0, now))
        now += waited[-1]
    return waited


def test_the_ceiling_doubles_to_four_seconds_and_grows_with_the_outage_to_thirty() -> None:
    assert waits(1.0, 5) == [0.5, 1, 2, 4, 4]
    away = [sum(waits(1.0, 20)[:tries]) for tries in range(20)]
    assert waits(1.0, 20)[5:] == pytest.approx([min(30, max(4, 0.4 * one)) for one in away[5:]])
    assert waits(1.0, 20)[-1] == 30
    assert waits(0.0, 20) == [0.0] * 20
    pace = Pace()
    assert [pace.wait(Come.BACK, 1.0, 0.0, now) for now in (0, 900)] == [0.5, 1]
    pace.steady()
    assert [pace.wait(Come.BACK, 1.0, 0.0, now) for now in (901, 902, 903, 904, 905)] == [0.5, 1, 2, 4, 4]


def longest_after(down: float) -> float:
    """How long the last of two thousand comes after a hub that was down for so long."""
    dice = random.Random(6)
    back = []
    for _ in range(2_000):
        pace, now = Pace(), 0.0
        while now < down:
            now += pace.wait(Come.BACK, dice.random(), 0.0, now)
        back.append(now - down)
    return max(back)


@pytest.mark.parametrize("down", [0.5, 1.0, 3.0, 5.0, 10.0])
def test_who_is_without_luck_is_still_back_within_the_grace_of_a_hub_that_was_down_for_less(down: float) -> None:
    assert longest_after(down) <= GRACE / 2


def test_control_if_ceilings_just_doubled_some_would_miss_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.client.pace.SOON_CEILING", 30.0)
    assert longest_after(3.0) > GRACE


@pytest.mark.parametrize("told", [-1.0, 1e6, 1e300])
def test_a_drain_s_delay_that_no_hub_would_tell_is_not_obeyed(told: float) -> None:
    body = opened(chance=0.5)
    body.hear("drain", reconnectIn=told)
    body.close(1012)
    assert body.connection.retry_in == 2.0


@pytest.mark.parametrize(("open_for", "ceiling"), [(4.9, 2.0), (5.0, 0.5)])
def test_only_a_connection_that_was_steady_makes_the_next_wait_a_first_one(open_for: float, ceiling: float) -> None:
    body = Body(chance=1.0)
    for _ in range(2):
        body.close(1006)
        body.later(2)
    body.welcome()
    body.later(open_for)
    body.close(1006)
    assert body.connection.retry_in == ceiling


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_after_too_much_there_is_a_pause_of_ten_seconds_at_least(chance: float) -> None:
    body = opened(chance=chance)
    body.close(4429)
    assert body.connection.retry_in == 10 + chance * 0.5


def test_what_a_refused_handshake_asks_to_wait_is_waited() -> None:
    body = Body(chance=1.0)
    body.close(1006, told=7.0)
    assert body.connection.retry_in == 7.5


def test_a_drain_s_delay_is_obeyed_to_the_moment() -> None:
    body = opened(chance=1.0)
    body.hear("drain", reconnectIn=3.2)
    body.later(1.0)
    body.close(1012)
    assert body.connection.retry_in == pytest.approx(2.2)
    body.later(2.1)
    assert body.orders == [Order.DIAL]
    body.later(0.2)
    assert body.orders == [Order.DIAL, Order.DIAL]


def test_a_hub_that_drains_and_forgets_to_close_is_left() -> None:
    body = opened()
    body.hear("drain", reconnectIn=3.2)
    body.later(3.3)
    assert body.orders == [Order.DIAL, Order.HANG_UP, Order.DIAL]


def test_a_hub_that_drains_is_told_that_we_leave() -> None:
    body = opened(with_tokens=True)
    body.enter(7)
    body.hear("drain", reconnectIn=3.2)
    body.machine.leave_all(body.now)
    body.pump()
    assert body.said[-1]["type"] == "leave"


def test_who_leaves_everything_also_leaves_where_the_hub_is_just_letting_us_in() -> None:
    body = opened(with_tokens=True)
    body.enter(7)
    body.join(8)
    body.machine.leave_all(body.now)
    body.pump()
    assert [(one["type"], one.get("session")) for one in body.said[-2:]] == [("leave", 7), ("leave", 8)]


def test_nothing_is_said_to_a_hub_that_drains_any_more() -> None:
    body = opened()
    body.hear("drain", reconnectIn=3.2)
    body.watch(1)
    number = body.join(2)
    assert body.said == []
    body.close(1012)
    body.later(4)
    body.welcome()
    assert [one["type"] for one in body.said] == ["join", "watch"]
    body.ok(body.last("join"), participant="v", meeting=None)
    assert body.answers[number].refusal is None


def test_a_connection_that_does_not_come_to_be_within_15_seconds_is_given_up() -> None:
    body = Body(with_tokens=True, chance=1.0)
    body.later(ANSWER_SECONDS - 0.1)
    assert Order.HANG_UP not in body.orders
    body.later(0.2)
    assert body.connection.name == "waiting"
    assert body.orders[-1] is Order.HANG_UP


def test_a_hub_that_does_not_say_what_it_thinks_of_a_token_is_given_up_after_15_seconds() -> None:
    body = Body(with_tokens=True, chance=1.0)
    body.welcome()
    body.token("one")
    body.hear("error", id=None, code="rate_limited", message="Too many messages.")  # perhaps that one
    body.later(ANSWER_SECONDS - 0.1)
    assert Order.HANG_UP not in body.orders
    body.later(0.2)
    assert body.connection.name == "waiting"


def test_a_silent_hub_is_pinged_and_given_up_when_it_does_not_answer() -> None:
    body = opened(chance=1.0)
    body.pongs = False
    body.later(25)
    assert body.said == [{"type": "ping", "id": body.said[0]["id"]}]
    body.hear("pong", id=body.said[0]["id"])
    body.later(25)
    assert len(body.said) == 2
    body.later(14.9)
    assert body.connection.name == "open"
    body.later(0.2)
    assert body.connection == Connection("waiting", 0.5, 1006, "The hub did not answer.")


def test_a_hub_that_talks_is_not_pinged_and_one_that_talks_instead_of_answering_is_kept() -> None:
    body = opened()
    body.pongs = False
    body.watch(1)
    body.ok(body.last("watch"), missing=[])
    for revision in range(1, 20):
        body.later(20)
        body.hear(state(1, revision))
    assert [one["type"] for one in body.said] == ["watch"]
    body.later(26)
    assert body.said[-1]["type"] == "ping"
    body.later(10)
    body.hear(state(1, 20))
    body.later(10)
    assert body.connection.name == "open"


def test_an_answer_that_never_comes_is_a_lost_connection() -> None:
    body = opened()
    number = body.join(1)
    body.later(ANSWER_SECONDS + 0.1)
    refusal = body.answers[number].refusal
    assert refusal is not None
    assert (refusal.code, refusal.session) == ("unreachable", 1)
    assert Order.HANG_UP in body.orders


def test_a_watch_that_is_never_answered_is_a_lost_connection_too() -> None:
    body = opened()
    body.watch(1)
    body.later(ANSWER_SECONDS + 0.1)
    assert body.connection.name == "waiting"


def test_at_each_open_it_says_who_it_is_then_joins_then_watches_a_hundred_at_a_time_then_the_catalog() -> None:
    body = opened(with_tokens=True)
    body.enter(7)
    body.enter(8)
    body.watch(*range(100, 350))
    body.machine.watch_catalog(1)
    body.pump()
    body.close(1006)
    body.later(1)
    body.said.clear()
    body.welcome()
    body.token("two")
    assert [one["type"] for one in body.said] == ["auth"]
    assert body.said[0]["token"] == "two"
    body.accept(body.said[0])
    said = [(one["type"], one.get("session") or len(one.get("sessions", [])) or "catalog") for one in body.said[1:]]
    assert said == [("join", 7), ("join", 8), ("watch", 100), ("watch", 100), ("watch", 50), ("watch", "catalog")]


def test_retry_comes_back_at_once_and_only_while_waiting() -> None:
    body = opened()
    body.machine.retry(body.now)
    body.pump()
    assert body.orders == [Order.DIAL]
    body.close(4429)
    body.machine.retry(body.now)
    body.pump()
    assert body.orders == [Order.DIAL, Order.DIAL]
    assert body.connection.name == "connecting"


def test_who_is_closed_while_it_waits_is_called_no_more() -> None:
    body = opened()
    body.close(1006)
    assert body.connection.name == "waiting"
    body.machine.close(body.now)
    body.pump()
    body.later(60)
    assert body.machine.due == math.inf


def test_who_is_closed_stays_closed_and_answers_what_is_asked_then() -> None:
    body = opened()
    waiting = body.join(1)
    body.machine.close(body.now)
    body.pump()
    refused = body.join(2)
    body.later(600)
    assert body.connection == Connection("stopped", None, None, "The client was closed.")
    assert body.orders == [Order.DIAL, Order.HANG_UP]
    assert [body.answers[one].refusal is not None for one in (waiting, refused)] == [True, True]


def test_a_join_waits_for_a_connection_15_seconds_at_most() -> None:
    body = Body(chance=1.0)
    number = body.join(1)
    for _ in range(5):
        body.close(1006)
        body.later(4)
    refusal = body.answers[number].refusal
    assert refusal is not None
    assert refusal.code == "unreachable"
    body.later(30)
    body.welcome()
    assert body.said == []
