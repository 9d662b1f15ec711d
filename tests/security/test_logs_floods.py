"""A flood is told and counted, and does not fill the disk; what is done is told all the same (L1, ASVS 16.3.3)."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hub.audit import ADDRESS_LINES, ALL_LINES, OK, TELL_SECONDS, Audit
from hub.domain.people import Actor, Role
from hub.limits import LETTERS
from tests.rfc6455.raw import HANDSHAKE, reach
from tests.rfc6455.upgrades import Request
from tests.running import API, Client, Running, bearer, draft, free_port, kill, now, running, spawn
from tests.security.audited import Told, listening

FLOOD = 10 * ADDRESS_LINES
INSIDE = re.compile(r"^(?:\d{4}-\d\d-\d\dT[\d:.]+\+00:00 [a-z]+ [\w.]+: |  \| |hub: )")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """A hub that listens."""
    async with running(tmp_path) as alone:
        yield alone


class Clock:
    """Seconds, as they are set."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.at


def left_out(told: Told) -> int:
    """How many lines were counted instead of told."""
    return sum(line["lines"] for line in told.of("left_out"))


@pytest.mark.parametrize("act", ["refused", "came"])
def test_l1_of_one_address_a_flood_is_told_for_a_while_then_counted(act: str) -> None:
    clock = Clock()
    audit = Audit(clock=clock)
    tell: dict[str, Callable[[], None]] = {
        "refused": lambda: audit.tell_some("request", "unauthenticated", None, "203.0.113.9", path="/"),
        "came": lambda: audit.tell_some("open", OK, None, "203.0.113.9"),
    }
    with listening() as told:
        for _ in range(FLOOD):
            tell[act]()
        flooded = len(told.lines)
        clock.at += TELL_SECONDS
        audit.tell_some("request", "not_found", None, "198.51.100.1", path="/")

    assert flooded == ADDRESS_LINES
    assert left_out(told) == FLOOD - ADDRESS_LINES
    assert told.of("request", address="198.51.100.1"), "others are still told"


def test_l1_of_any_number_of_addresses_no_more_than_so_many_lines_are_told() -> None:
    clock = Clock()
    audit = Audit(clock=clock)
    minutes = 3
    with listening() as told:
        for number in range(minutes * 10 * ALL_LINES):
            clock.at = 1000.0 + number * 60 / (10 * ALL_LINES)
            audit.tell_some("request", "unauthenticated", None, f"address {number}", path="/")
        clock.at += TELL_SECONDS
        audit.tell_some("request", "unauthenticated", None, "the last", path="/")
    told_lines = len(told.of("request"))

    assert told_lines <= (minutes + 1) * ALL_LINES + 10 * TELL_SECONDS
    assert told_lines + left_out(told) == minutes * 10 * ALL_LINES + 1


def test_l1_someone_signed_in_has_lines_of_their_own_behind_an_address_that_floods() -> None:
    audit = Audit(clock=Clock())
    actor = Actor("s-1", "S", Role.STUDENT, now())
    with listening() as told:
        for _ in range(FLOOD):
            audit.tell_some("request", "rate_limited", None, "203.0.113.9", path="/")
        audit.tell_some("request", "forbidden", actor, "203.0.113.9", path="/")

    assert told.of("request", actor="s-1")


def flood_of_networks(audit: Audit) -> None:
    """More refusals than there are lines for, each from an IPv6 network of its own."""
    for number in range(2 * ALL_LINES):
        audit.tell_some("request", "unauthenticated", None, f"2001:db8:0:{number:x}::1", path="/")


def test_l1_all_of_an_ipv6_network_shares_its_lines_and_leaves_those_of_others() -> None:
    audit = Audit(clock=Clock())
    with listening() as told:
        for number in range(2 * ALL_LINES):
            audit.tell_some("request", "unauthenticated", None, f"2001:db8::{number:x}", path="/")
        audit.tell_some("request", "unauthenticated", None, "198.51.100.1", path="/")

    assert len(told.of("request")) == ADDRESS_LINES + 1
    assert told.of("request", address="198.51.100.1")


@pytest.mark.parametrize(("action", "result"), [("auth", OK), ("close", "closed_4429"), ("request", "forbidden")])
def test_l1_no_number_of_networks_hides_what_someone_signed_in_does(action: str, result: str) -> None:
    audit = Audit(clock=Clock())
    with listening() as told:
        flood_of_networks(audit)
        audit.tell_some(action, result, Actor("s-1", "S", Role.STUDENT, now()), "2001:db8::1")
        audit.tell_some("request", "unauthenticated", None, "198.51.100.1", path="/")

    assert told.of(action, result=result, actor="s-1")
    assert not told.of("request", address="198.51.100.1"), "the flood took all lines of those who say not who they are"


def test_l1_no_number_of_people_takes_more_than_their_lines_or_those_of_strangers() -> None:
    audit = Audit(clock=Clock())
    with listening() as told:
        for number in range(2 * ALL_LINES):
            audit.tell_some("request", "forbidden", Actor(f"s-{number}", "S", Role.STUDENT, now()), "203.0.113.9")
        audit.tell_some("request", "unauthenticated", None, "203.0.113.9", path="/")

    assert len(told.of("request", result="forbidden")) == ALL_LINES
    assert told.of("request", result="unauthenticated")


def test_l1_an_address_without_end_is_cut_and_counts_as_one() -> None:
    audit = Audit(clock=Clock())
    with listening() as told:
        for number in range(2 * ADDRESS_LINES):
            audit.tell_some("request", "unauthenticated", None, "x" * 20_000 + str(number), path="/")
        audit.tell("request", OK, None, ":" * 20_000, path="/")

    assert len(told.of("request", address="x" * LETTERS)) == ADDRESS_LINES
    assert told.of("request", address=":" * LETTERS)


async def test_l1_an_address_without_end_that_a_proxy_passes_on_is_cut(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.http() as http:
        with listening() as told:
            for letter in "x:":
                answer = await http.post(API, json={}, headers={"X-Forwarded-For": letter * 20_000})
                assert answer.status_code == 401

    assert [line["address"] for line in told.of("request")] == ["x" * LETTERS, ":" * LETTERS]


def test_control_what_is_done_is_never_left_out() -> None:
    audit = Audit(clock=Clock())
    with listening() as told:
        for _ in range(FLOOD):
            audit.tell("request", OK, None, "203.0.113.9", path="/")

    assert len(told.lines) == FLOOD


async def test_l1_a_real_flood_leaves_few_lines_beside_what_others_do(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit=10) as hub:
        with listening() as told:
            async with hub.http() as http:
                for _ in range(3 * ADDRESS_LINES):
                    await http.get(API)
            await hub.create()

    refused = told.of("request", result="rate_limited")
    assert ADDRESS_LINES // 2 < len(refused) <= 2 * ADDRESS_LINES
    assert told.of("request", actor="e-7", status=201)


async def test_l1_who_joins_again_and_again_is_told_once_for_each_visit(hub: Running) -> None:
    session_id = (await hub.create(meetingUrl="https://meet.example/1"))["id"]
    await hub.book(session_id, "s-1")
    with listening() as told:
        async with Client.at(hub, "s-1") as client:
            for _ in range(2):
                answers = [await client.ask(type="join", session=session_id) for _ in range(10)]
                assert {answer["type"] for answer in answers} == {"ok"}
                assert len({answer["participant"] for answer in answers}) == 1
                for _ in range(2):
                    await client.ask(type="leave", session=session_id)

    changes = [line["action"] for line in told.lines if line["action"] in ("join", "leave")]
    assert changes == ["join", "leave", "join", "leave"]
    assert len(told.of("join", revealed="meeting")) == 2


async def test_l1_who_comes_and_goes_without_end_is_refused_on_whatever_socket(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit=6) as hub:
        session_id = (await hub.create())["id"]
        for who in ("s-1", "s-2"):
            await hub.book(session_id, who)
        with listening() as told:
            for expected in ("ok", "error"):
                async with Client.at(hub, "s-1") as client:
                    for _ in range(6):
                        answer = await client.ask(type="join", session=session_id)
                        again = await client.ask(type="join", session=session_id)
                        assert (answer["type"], again["type"]) == (expected, expected)
                        await client.ask(type="leave", session=session_id)
            async with Client.at(hub, "s-2") as client:
                assert (await client.ask(type="join", session=session_id))["type"] == "ok"

    assert (answer["code"], again["code"]) == ("rate_limited", "rate_limited")
    assert len(told.of("join", result="ok", actor="s-1")) == len(told.of("leave")) == 6


async def test_k2_a_meeting_that_only_a_join_again_shows_is_told_once(hub: Running) -> None:
    session_id = (await hub.create())["id"]
    await hub.book(session_id, "s-1")
    with listening() as told:
        async with Client.at(hub, "s-1") as client:
            assert (await client.ask(type="join", session=session_id))["meeting"]["url"] is None
            await hub.call("PATCH", f"/{session_id}", json={"meetingUrl": "https://meet.example/1"})
            for _ in range(3):
                assert (await client.ask(type="join", session=session_id))["meeting"]["url"] is not None

    assert [line.get("revealed") for line in told.of("join")] == [None, "meeting"]


EVIL = "/%0d%0a2026-01-01T00:00:00.000+00:00%20info%20hub.audit:%20forged%e2%80%a8%c2%85%1b%5b2J%00%ed%a0%80"


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_l3_a_hub_that_is_told_evil_names_writes_whole_lines(tmp_path: Path, log_format: str) -> None:
    hub = await spawn(tmp_path, free_port(), HUB_LOG_FORMAT=log_format, HUB_LOG_REQUESTS="all")
    try:
        async with hub.http() as http:
            for path in (EVIL, f"{API}{EVIL}", f"{API}/1{EVIL}", f"/static{EVIL}"):
                assert (await http.get(path)).status_code == 404
            for name in ("line\nbreak", "\u2028\u0085", "\x1b[31m", "\u202e", "\x00"):
                assert (await http.post(API, json=draft(), headers=bearer("e-7", "expert", name))).status_code == 201
        async with Client.with_headers(hub, bearer("s \u00e9 \" = ' {}", "student")):
            pass
        for origin in ("\x1b[31m", "\u00e9vil", "x" * 5000):
            async with reach(hub) as peer:
                assert (await peer.ask(HANDSHAKE.but("Origin", origin))).status in (400, 403)
        async with reach(hub) as peer:
            assert (await peer.ask(Request(line="GET /\x85\x1b[31m HTTP/1.1"))).status in (400, 404)
    finally:
        await kill(hub, signal.SIGTERM)
    text = await asyncio.to_thread((tmp_path / "hub.log").read_text)
    lines = text.split("\n")[:-1]

    assert len(lines) > 12
    assert all(line.isprintable() for line in lines)
    if log_format == "json":
        objects = [json.loads(line) for line in lines if not line.startswith("hub: ")]
        assert len([one for one in objects if one.get("action") == "request"]) >= 9
    else:
        assert [line for line in lines if not INSIDE.match(line)] == []
        assert not re.search(r"^2026-01-01", text, re.MULTILINE)
