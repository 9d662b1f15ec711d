"""Class 1: texts and binary messages of every kind of length (§5.2), and masks (§5.3)."""

from __future__ import annotations

import pytest

from tests.rfc6455.frames import (
    BINARY,
    CLOSE,
    PING,
    PROTOCOL_ERROR,
    TEXT,
    TOO_LARGE,
    fragments,
    frame,
    header,
    ping,
    pong,
)
from tests.rfc6455.raw import entered
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT, LONG = (0, 125, 126, 127, 128), (65_535, 65_536)
WHOLE = [pytest.param(size, None, id=f"{size} octets at once") for size in SHORT + LONG]
APART = [pytest.param(size, 1, id=f"{size} octets one by one") for size in SHORT]
CHOPPED = [pytest.param(size, 997, id=f"{size} octets by 997") for size in LONG]


@pytest.mark.parametrize(("size", "chop"), [*WHOLE, *APART, *CHOPPED])
async def test_a_text_of_any_length_is_answered_and_the_socket_stays_open(
    hub: Running, size: int, chop: int | None
) -> None:
    async with entered(hub) as peer:
        if size:
            await peer.send(frame(TEXT, ping("a", size)), chop=chop)
            assert await peer.message() == pong("a")
        await peer.send(frame(TEXT, b"x" * size), chop=chop)
        assert (await peer.message())["code"] == "invalid_input"
        await peer.send(frame(TEXT, ping("b")))
        assert await peer.message() == pong("b")


@pytest.mark.parametrize(("size", "octets"), [(100, 2), (100, 8), (200, 8), (65_535, 8)])
async def test_a_text_whose_length_takes_more_octets_than_it_needs_is_answered(
    hub: Running, size: int, octets: int
) -> None:
    # §5.2: "the minimal number of bytes MUST be used" binds who sends; who receives is not told to fail.
    async with entered(hub) as peer:
        await peer.send(frame(TEXT, ping("a", size), octets=octets))
        assert await peer.message() == pong("a")


async def test_a_ping_whose_length_takes_more_octets_than_it_needs_is_answered(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(PING, b"a", octets=2), frame(PING, b"b", octets=8))
        assert [await peer.pong(), await peer.pong()] == [b"a", b"b"]


@pytest.mark.parametrize("length", [2**63, 2**64 - 1], ids=["it alone", "all bits"])
async def test_a_length_with_the_top_bit_set_ends_the_socket(hub: Running, length: int) -> None:
    # §5.2: "the most significant bit MUST be 0"; it names no code, and such a message is too large as well.
    async with entered(hub) as peer:
        await peer.send(header(TEXT, length))
        await peer.ended_by(PROTOCOL_ERROR, TOO_LARGE)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(BINARY), id="empty"),
        pytest.param(frame(BINARY, b"\xff"), id="one octet"),
        pytest.param(frame(BINARY, ping("a")), id="JSON"),
        pytest.param(frame(BINARY, b"\x00" * 65_536), id="64 KiB"),
        pytest.param(b"".join(fragments(b"\xff", b"", b"\xfe", opcode=BINARY)), id="in fragments"),
    ],
)
async def test_a_binary_message_ends_the_socket_as_not_the_hubs_protocol(hub: Running, octets: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(octets)
        await peer.ended_by(4400)


@pytest.mark.parametrize("mask", ["00000000", "ffffffff", "00ff00ff", "22222222", "37fa213d"])
async def test_every_mask_is_taken_off(hub: Running, mask: str) -> None:
    async with entered(hub) as peer:
        key = bytes.fromhex(mask)
        await peer.send(frame(TEXT, ping("ü", 131), mask=key), frame(TEXT, ping("b"), mask=key[::-1]))
        await peer.messages([pong("ü"), pong("b")])


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(TEXT, ping("a"), mask=None), id="text"),
        pytest.param(frame(TEXT, mask=None), id="empty text"),
        pytest.param(frame(BINARY, b"a", mask=None), id="binary"),
        pytest.param(frame(PING, b"a", mask=None), id="ping"),
        pytest.param(frame(CLOSE, b"\x03\xe8", mask=None), id="close"),
        pytest.param(fragments(b"{", b"}")[0] + frame(0, b"}", mask=None), id="last fragment"),
    ],
)
async def test_a_frame_without_a_mask_is_a_protocol_error(hub: Running, octets: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(octets)
        await peer.ended_by(PROTOCOL_ERROR)
