"""A4, A9, A13: how often a person or an address may ask: the bucket, what answers say of it, and who is one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.limits import KNOWN, LETTERS, Addresses, Pace, Rate, network
from tests.rfc6455.raw import Peer
from tests.rfc6455.upgrades import Answer
from tests.running import API, EXPERT, OTHER_EXPERT, Running, bearer, running
from tests.security.calling import calling

LIMITS = st.integers(1, 10_000)
PAUSES = st.lists(st.floats(0, 90, allow_nan=False), min_size=1, max_size=60)


# The bucket.


@given(LIMITS, PAUSES)
def test_A9_nobody_gets_more_than_the_limit_and_what_flows_back(per_minute: int, pauses: list[float]) -> None:
    rate: Rate[str] = Rate(per_minute)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        for _ in range(3):
            taken += not rate.take("a", now).wait
        assert taken <= per_minute + now * per_minute / 60 + 1e-6


@given(LIMITS, PAUSES)
def test_what_is_left_grows_by_what_flows_back_and_nothing_else(per_minute: int, pauses: list[float]) -> None:
    rate: Rate[str] = Rate(per_minute)
    before = rate.take("a", 0.0)
    for pause, now in zip(pauses, _sums(pauses), strict=True):
        after = rate.take("a", now)
        assert after.left <= before.left + pause * per_minute / 60 + 1e-6
        assert after.left <= per_minute - 1
        assert 0 <= after.full <= 60 + 60 / per_minute + 1e-6
        before = after


@given(LIMITS, st.integers(0, 30), PAUSES)
def test_A9_who_waits_as_long_as_was_told_may_and_who_waits_less_may_not(
    per_minute: int, elsewhere: int, pauses: list[float]
) -> None:
    pace = Pace(per_minute)
    bucket, now = pace.bucket(0.0), 0.0
    pace.spend(bucket, per_minute + elsewhere, now)
    for pause in pauses:
        now += pause / 60
        wait = pace.wait(bucket, now)
        if wait:
            assert pace.wait(bucket, now + wait * 0.98) > 0
            now += wait
            assert pace.wait(bucket, now) == 0


@given(LIMITS, st.floats(0, 100))
def test_after_as_long_as_was_told_all_of_it_is_back(per_minute: int, now: float) -> None:
    rate: Rate[str] = Rate(per_minute)
    standing = rate.take("a", now)
    rate.spend("a", per_minute // 2, now)
    standing = rate.take("a", now) if per_minute > 2 else standing
    assert rate.take("a", now + standing.full + 1e-6).left in (per_minute - 1, per_minute - 2)


@given(LIMITS, st.lists(st.integers(0, 100_000), max_size=5))
def test_what_others_spent_makes_nobody_wait_over_two_minutes(per_minute: int, spent: list[int]) -> None:
    rate: Rate[str] = Rate(per_minute)
    for count in spent:
        rate.spend("a", count, 0.0)
    assert rate.take("a", 0.0).wait <= 60 + 60 / per_minute + 1e-6


def test_as_many_are_remembered_as_are_told_and_no_more() -> None:
    rate: Rate[int] = Rate(1)
    assert not rate.take(0, 0.0).wait
    assert rate.take(0, 0.0).wait
    for key in range(1, KNOWN + 1):
        rate.take(key, 0.0)
    assert len(rate._buckets) == KNOWN
    assert not rate.take(0, 0.0).wait


def _sums(pauses: list[float]) -> list[float]:
    sums, now = [], 0.0
    for pause in pauses:
        now += pause
        sums.append(now)
    return sums


# Who counts as one.


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("2001:DB8::1", "2001:db8:0:0::", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no:address", "no:addresses", False),
        ("", "", True),
        ("x" * 64, "x" * 20_000, True),
        ("x" * 63, "x" * 20_000, False),
        (":" * 64, ":" * 20_000, True),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_A13_all_of_an_ipv6_network_counts_as_one(one: str, other: str, same: bool) -> None:
    assert (network(one) == network(other)) is same
    crowd = Addresses(1)
    assert crowd.enter(one)
    assert crowd.enter(other) is not same
    crowd.exit(one)
    assert crowd.here(one) == 0


@pytest.mark.parametrize("letter", ["x", ":"])
def test_A13_what_is_no_address_is_not_kept_whole(letter: str) -> None:
    assert network(letter * 20_000) == letter * LETTERS


# What answers say.


@asynccontextmanager
async def limited(folder: Path, per_minute: int) -> AsyncIterator[Running]:
    async with running(folder, rate_limit=per_minute, allowed_origins=frozenset({"https://lms.example"})) as hub:
        yield hub


def told(headers: Mapping[str, str]) -> tuple[int, int]:
    """What is left and the seconds, of the header of the draft's newest form."""
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', headers["ratelimit"])
    assert found is not None, headers
    return int(found[1]), int(found[2])


async def test_A9_every_counted_answer_says_how_one_stands(tmp_path: Path) -> None:
    async with limited(tmp_path, 6) as hub, hub.http(**EXPERT) as http:
        asked = ["", "/1", "/no-number", "?limit=0", "/1/bookings", "/student/my-bookings"]
        answers = [await http.get(API + path) for path in asked]
        assert [answer.status_code for answer in answers] == [200, 404, 404, 422, 404, 403]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=6;w=60'}
        assert [told(answer.headers)[0] for answer in answers] == [5, 4, 3, 2, 1, 0]
        assert 50 <= told(answers[-1].headers)[1] <= 60
        refused = await http.put(API)
        assert refused.status_code == 429
        assert told(refused.headers) == (0, int(refused.headers["retry-after"]))
        assert "ratelimit" not in (await http.get("/healthz")).headers


async def test_A9_waiting_as_long_as_retry_after_says_is_enough(tmp_path: Path) -> None:
    async with limited(tmp_path, 60) as hub, hub.http(**EXPERT) as http:
        while (answer := await http.get(API)).status_code == 200:
            pass
        assert answer.status_code == 429
        seconds = int(answer.headers["retry-after"])
        assert seconds == 1
        await asyncio.sleep(seconds)  # time is what this is about
        assert (await http.get(API)).status_code == 200


async def test_A9_a_page_of_an_allowed_origin_may_read_them(tmp_path: Path) -> None:
    async with limited(tmp_path, 1) as hub, hub.http(Origin="https://lms.example") as http:
        for status in (200, 429):
            answer = await http.get(API)
            assert answer.status_code == status
            exposed = answer.headers["access-control-expose-headers"].split(", ")
            assert {"ratelimit", "ratelimit-policy", "retry-after"} <= set(exposed)


async def test_A9_without_a_limit_nothing_is_said_of_one(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.http(**EXPERT) as http:
        for _ in range(20):
            answer = await http.get(API)
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers
            assert "ratelimit-policy" not in answer.headers


async def test_A4_wrong_tokens_count_against_their_address_and_right_ones_do_not(tmp_path: Path) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    async with limited(tmp_path, 3) as hub:
        async with hub.http(**wrong) as http:
            statuses = [(await http.get(API)).status_code for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        for person in (EXPERT, OTHER_EXPERT, bearer("amina")):
            async with hub.http(**person) as http:
                assert [(await http.get(API)).status_code for _ in range(4)] == [200, 200, 200, 429]
        async with hub.http() as http:
            assert (await http.get(API)).status_code == 429


# By whose word.


async def asked(peer: Peer, *lines: str) -> Answer:
    head = "\r\n".join([f"GET {API} HTTP/1.1", "Host: hub", *lines, "", ""])
    await peer.send(head.encode())
    answer = await peer.answer()
    await peer.body(answer)
    return answer


@pytest.mark.parametrize(
    "lines",
    [("X-Forwarded-For: 192.0.2.{n}",), ("X-Forwarded-For: 127.0.0.1, 192.0.2.{n}",), ("Forwarded: for=192.0.2.{n}",)],
)
async def test_A13_nobody_but_a_proxy_says_who_asks(tmp_path: Path, lines: tuple[str, ...]) -> None:
    async with limited(tmp_path, 3) as hub, calling(hub, "127.0.0.2", 1) as (peer,):
        answers = [await asked(peer, *(line.format(n=n) for line in lines)) for n in range(1, 6)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]


async def test_A13_a_proxy_does(tmp_path: Path) -> None:
    """And of what it was told itself the last is believed, which it added: a client can't choose who it is."""
    async with limited(tmp_path, 1) as hub, calling(hub, "127.0.0.1", 1) as (peer,):
        for spoofed in ("", "198.51.100.7, ", "127.0.0.1, "):
            line = f"X-Forwarded-For: {spoofed}192.0.2.1"
            assert (await asked(peer, line)).status == (429 if spoofed else 200)
        assert (await asked(peer, "X-Forwarded-For: 192.0.2.2")).status == 200
        assert (await asked(peer, "X-Forwarded-For: 2001:db8::1")).status == 200
        assert (await asked(peer, "X-Forwarded-For: 2001:db8::2")).status == 429
        assert (await asked(peer, "X-Forwarded-For: 2001:db8:0:1::2")).status == 200


async def test_A9_the_reference_names_what_answers_say(alone: Running) -> None:
    async with alone.http() as http:
        paths: dict[str, Any] = (await http.get("/openapi.json")).json()["paths"]
    answers = [
        answer
        for path, operations in paths.items()
        if path.startswith("/api/")
        for operation in operations.values()
        for answer in operation["responses"].values()
    ]
    assert answers
    assert all({"RateLimit", "RateLimit-Policy"} <= set(answer["headers"]) for answer in answers)
