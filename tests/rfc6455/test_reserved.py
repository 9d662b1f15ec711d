"""Classes 3 and 4: bits and opcodes that are reserved, and that no extension has claimed (§5.2)."""

from __future__ import annotations

import pytest

from tests.rfc6455.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    fragments,
    frame,
    ping,
    pong,
)
from tests.rfc6455.raw import entered
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAGMENT = fragments(ping("a"), b"")[0]
RESERVED = (*range(3, 8), *range(11, 16))
LOST = "uvicorn drops the frames that came whole, but in one segment with the wrong one"


@pytest.mark.parametrize(
    "octets",
    [
        *(pytest.param(frame(TEXT, ping("a"), rsv=rsv), id=f"{rsv:03b} on a text") for rsv in range(1, 8)),
        pytest.param(frame(TEXT, rsv=4), id="100 on an empty text"),
        pytest.param(frame(BINARY, b"a", rsv=2), id="010 on a binary message"),
        pytest.param(frame(PING, b"a", rsv=4), id="100 on a ping"),
        pytest.param(frame(PONG, b"a", rsv=2), id="010 on a pong"),
        pytest.param(frame(CLOSE, b"\x03\xe8", rsv=1), id="001 on a close"),
        pytest.param(FRAGMENT + frame(CONTINUATION, rsv=4), id="100 on a continuation"),
        pytest.param(FRAGMENT + frame(CONTINUATION, b" ", rsv=1, fin=False), id="001 on a continuation"),
        pytest.param(FRAGMENT + frame(PING, rsv=6), id="110 on a ping between fragments"),
    ],
)
async def test_a_reserved_bit_is_a_protocol_error(hub: Running, octets: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(octets)
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", RESERVED)
async def test_a_reserved_opcode_is_a_protocol_error(hub: Running, opcode: int) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(opcode, b"" if opcode % 2 else ping("a")))
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [3, 11])
async def test_a_reserved_opcode_between_fragments_is_a_protocol_error(hub: Running, opcode: int) -> None:
    async with entered(hub) as peer:
        await peer.send(FRAGMENT, frame(opcode, b"a"), frame(CONTINUATION), chop=1)
        await peer.ended_by(PROTOCOL_ERROR)


WRONG = [
    pytest.param(frame(TEXT, ping("b"), rsv=1), id="reserved bit"),
    pytest.param(frame(5, ping("b")), id="reserved opcode"),
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_was_said_before_the_wrong_frame_is_answered_and_nothing_after_it(
    hub: Running, wrong: bytes
) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(TEXT, ping("a")))
        assert await peer.message() == pong("a")
        await peer.send(frame(PING, b"a"), wrong, frame(TEXT, ping("c")), frame(PING, b"c"))
        assert await peer.pong() == b"a"
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.deviates("asgi", LOST)
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_message_in_one_segment_with_a_wrong_frame_behind_it_is_answered(hub: Running, wrong: bytes) -> None:
    # No clause demands it; but it was received (§6.2), and how TCP cuts its segments must not show.
    async with entered(hub) as peer:
        await peer.send(frame(TEXT, ping("a")), wrong)
        assert await peer.message() == pong("a")
        await peer.ended_by(PROTOCOL_ERROR)
