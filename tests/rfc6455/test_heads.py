"""Heads of requests that are too large or malformed, and what may stand right behind a handshake (RFC 6455 §4)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hub.sockets.caller import MOST_LINES, MOST_OCTETS, MOST_WAITING
from tests.rfc6455.frames import PING, TEXT, close, frame, ping, pong
from tests.rfc6455.raw import HANDSHAKE, Peer, entered, reach
from tests.rfc6455.upgrades import Request
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = Request("GET /healthz HTTP/1.1", (("Host", "{host}"),))
kinds = pytest.mark.parametrize("asked", [HANDSHAKE, PLAIN], ids=["handshake", "plain"])
direct = pytest.mark.parametrize("hub", ["direct"], indirect=True, scope="module")
"""Of uvicorn's own answers here there is nothing to hold to: it bounds no head, and drops what comes with it."""


async def problem(peer: Peer, status: int) -> dict[str, Any]:
    """The refusal that must come next, and then the end."""
    answer = await peer.answer()
    assert answer.status == status, answer
    assert answer.all("content-type") == ["application/problem+json"]
    told: dict[str, Any] = json.loads(await peer.body(answer))
    assert (told["status"], told["success"]) == (status, False)
    await peer.end()
    return told


@direct
@kinds
@pytest.mark.parametrize("chop", [None, 4096], ids=["in one write", "by 4,096"])
async def test_a_head_of_too_many_lines_is_refused(hub: Running, asked: Request, chop: int | None) -> None:
    async with reach(hub) as peer:
        await peer.send(asked.but("X-Name", *["1"] * MOST_LINES).octets("hub"), chop=chop)
        assert (await problem(peer, 431))["code"] == "too_large"


@direct
@kinds
@pytest.mark.parametrize("chop", [None, 4096], ids=["in one write", "by 4,096"])
async def test_a_head_of_too_many_octets_is_refused(hub: Running, asked: Request, chop: int | None) -> None:
    async with reach(hub) as peer:
        await peer.send(asked.but("X-Name", "1" * MOST_OCTETS).octets("hub"), chop=chop)
        assert (await problem(peer, 431))["code"] == "too_large"


@direct
@pytest.mark.parametrize("start", [b"GET /ws?", b"GET /ws HTTP/1.1\r\nX-Name: ", b"GET /ws HTTP/1.1\r\nX-"])
async def test_a_line_that_does_not_end_is_not_awaited_for_ever(hub: Running, start: bytes) -> None:
    async with reach(hub) as peer:
        await peer.send(start, b"a" * (2 * MOST_OCTETS), chop=4096)
        assert (await problem(peer, 431))["code"] == "too_large"


@kinds
async def test_a_head_that_is_just_right_is_answered(hub: Running, asked: Request) -> None:
    room = MOST_OCTETS - len(asked.octets("127.0.0.1:65535")) - 1_500
    async with reach(hub) as peer:
        many = asked.but("X-Name", "1" * (room if asked is PLAIN else 8_000), *["1"] * (MOST_LINES - 10))
        assert (await peer.ask(many, chop=4096)).status in (101, 200)


async def test_requests_that_follow_each_other_are_not_taken_for_one_large_head(hub: Running) -> None:
    async with reach(hub) as peer:
        one, count = PLAIN.but("X-Name", "1" * 4096).octets("hub"), MOST_WAITING
        assert count * len(one) > 2 * MOST_OCTETS
        await peer.send(one * count + one[:9])
        for _ in range(count):
            answer = await peer.answer()
            assert answer.status == 200
            await peer.body(answer)
        await peer.send(one[9:])
        assert (await peer.answer()).status == 200


@direct
@pytest.mark.parametrize("octets", [b"\x16\x03\x01 TLS\r\n\r\n", b"GET /ws HTTP/1.1\r\nno colon\r\n\r\n"])
async def test_what_is_no_request_is_told_so_as_everything_else(hub: Running, octets: bytes) -> None:
    async with reach(hub) as peer:
        await peer.send(octets)
        assert (await problem(peer, 400))["code"] == "invalid_input"


@direct
async def test_frames_in_one_segment_with_the_handshake_are_not_lost(hub: Running) -> None:
    # A client should wait for the answer (§4.1), but none may lose what it said.
    async with reach(hub) as peer:
        await peer.send(replace(HANDSHAKE, body=frame(TEXT, ping("early")) + frame(PING, b"a")).octets("hub"))
        assert (await peer.answer()).status == 101
        assert (await peer.message())["type"] == "welcome"
        assert await peer.message() == pong("early")
        assert await peer.pong() == b"a"


async def test_a_path_is_the_same_however_it_is_written(hub: Running) -> None:
    async with entered(hub, replace(HANDSHAKE, line="GET /%77s HTTP/1.1")) as peer:
        await peer.send(frame(TEXT, ping("a")))
        assert await peer.message() == pong("a")
        await peer.send(close(1000))
        assert await peer.close() == (1000).to_bytes(2)
