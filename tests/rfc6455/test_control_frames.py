"""Class 2: ping and pong (§5.5.2, §5.5.3)."""

from __future__ import annotations

import pytest

from tests.rfc6455.frames import CLOSE, PING, PONG, PROTOCOL_ERROR, TEXT, frame, ping, pong
from tests.rfc6455.raw import entered
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("chop", [None, 1], ids=["at once", "octet by octet"])
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"a", id="one octet"),
        pytest.param(bytes(range(131, 256)), id="125 octets that are not UTF-8"),
    ],
)
async def test_a_ping_is_answered_by_a_pong_of_the_same_payload(hub: Running, payload: bytes, chop: int | None) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(PING, payload), chop=chop)
        assert await peer.pong() == payload


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE], ids=["ping", "pong", "close"])
async def test_a_control_frame_of_more_than_125_octets_is_a_protocol_error(hub: Running, opcode: int) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(opcode, (1000).to_bytes(2).ljust(126, b"a")))
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.parametrize("payload", [b"", b"unasked", b"\xff" * 125], ids=["empty", "short", "125 octets"])
async def test_a_pong_that_nobody_asked_for_is_not_answered(hub: Running, payload: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(PONG, payload), frame(PING, b"a"), frame(PONG, payload))
        assert await peer.pong() == b"a"
        await peer.send(frame(TEXT, ping("b")))
        assert await peer.message() == pong("b")


@pytest.mark.parametrize("chop", [None, 1], ids=["in one write", "octet by octet"])
async def test_ten_pings_are_answered_in_order(hub: Running, chop: int | None) -> None:
    async with entered(hub) as peer:
        payloads = [b"%d" % number for number in range(10)]
        await peer.send(*(frame(PING, payload) for payload in payloads), chop=chop)
        assert [await peer.pong() for _ in payloads] == payloads
