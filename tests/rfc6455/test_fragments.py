"""Class 5: messages in fragments, and control frames between them (§5.4)."""

from __future__ import annotations

import pytest

from tests.rfc6455.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    close,
    fragments,
    frame,
    ping,
    pong,
)
from tests.rfc6455.raw import Peer, entered
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAID = ping("in pieces")
FIRST, LAST = fragments(SAID[:9], SAID[9:])
ways = pytest.mark.parametrize("way", ["in one write", "frame by frame", "octet by octet"])


async def send(peer: Peer, frames: list[bytes], way: str) -> None:
    """Send the frames so."""
    if way == "frame by frame":
        for octets in frames:
            await peer.send(octets, chop=len(octets))
    else:
        await peer.send(*frames, chop=1 if way == "octet by octet" else None)


@ways
@pytest.mark.parametrize("pieces", [2, 3, len(SAID)])
async def test_a_text_in_fragments_is_answered_as_one(hub: Running, pieces: int, way: str) -> None:
    async with entered(hub) as peer:
        size = -(-len(SAID) // pieces)
        cut = fragments(*(SAID[start : start + size] for start in range(0, len(SAID), size)))
        assert len(cut) == pieces
        await send(peer, [*cut, *cut], way)
        await peer.messages([pong("in pieces"), pong("in pieces")])


@ways
async def test_pings_between_fragments_are_answered_before_the_message(hub: Running, way: str) -> None:
    async with entered(hub) as peer:
        first, *middle, last = fragments(SAID[:5], SAID[5:9], SAID[9:])
        between = [frame(PING, b"a"), frame(PONG, b"unasked"), frame(PING)]
        await send(peer, [first, *between, *middle, frame(PING, b"b"), last], way)
        assert [await peer.pong() for _ in range(3)] == [b"a", b"", b"b"]
        assert await peer.message() == pong("in pieces")


@pytest.mark.parametrize("fragmented", [PING, PONG, CLOSE], ids=["ping", "pong", "close"])
@pytest.mark.parametrize("before", [b"", FIRST], ids=["alone", "between fragments"])
async def test_a_control_frame_in_fragments_is_a_protocol_error(hub: Running, fragmented: int, before: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(before, frame(fragmented, b"\x03\xe8", fin=False), frame(CONTINUATION, b"a"))
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(CONTINUATION, SAID), id="whole"),
        pytest.param(frame(CONTINUATION, SAID, fin=False), id="open"),
        pytest.param(frame(CONTINUATION), id="empty"),
        pytest.param(LAST, id="the last of none"),
    ],
)
async def test_a_continuation_of_nothing_is_a_protocol_error(hub: Running, octets: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(PING, b"a"), octets)
        assert await peer.pong() == b"a"
        await peer.ended_by(PROTOCOL_ERROR)


async def test_a_continuation_of_what_has_ended_is_a_protocol_error(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(FIRST, LAST)
        assert await peer.message() == pong("in pieces")
        await peer.send(LAST)
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(TEXT, SAID), id="whole text"),
        pytest.param(FIRST, id="first fragment of a text"),
        pytest.param(frame(BINARY, b"a"), id="whole binary message"),
        pytest.param(frame(PING) + frame(TEXT), id="empty text behind a ping"),
    ],
)
async def test_a_new_message_within_a_message_is_a_protocol_error(hub: Running, octets: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(FIRST)
        await peer.send(octets, LAST)
        if octets.startswith(frame(PING)[:1]):
            assert await peer.pong() == b""
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "payloads",
    [
        pytest.param([b"", SAID], id="first"),
        pytest.param([SAID[:9], b"", b"", SAID[9:]], id="within"),
        pytest.param([SAID, b""], id="last"),
        pytest.param([b"", b"", SAID, b"", b""], id="all around"),
    ],
)
async def test_empty_fragments_add_nothing(hub: Running, payloads: list[bytes]) -> None:
    async with entered(hub) as peer:
        await peer.send(*fragments(*payloads))
        assert await peer.message() == pong("in pieces")


async def test_a_message_of_empty_fragments_is_empty(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(*fragments(b"", b"", b""))
        assert (await peer.message())["code"] == "invalid_input"
        await peer.send(*fragments(SAID, b""))
        assert await peer.message() == pong("in pieces")


@pytest.mark.deviates("asgi", "websockets answers it with 1002, as if a close had to wait for the message's end")
@ways
async def test_a_close_within_a_message_is_answered_as_any_other(hub: Running, way: str) -> None:
    # §5.4: "Control frames MAY be injected in the middle of a fragmented message"; §5.5 counts close among them.
    async with entered(hub) as peer:
        await send(peer, [FIRST, close(NORMAL), LAST], way)
        assert await peer.close() == NORMAL.to_bytes(2)
        await peer.end()
