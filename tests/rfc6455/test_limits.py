"""Classes 9 and 10: how large a message may be (§10.4), in how many pieces, and many of them at once."""

from __future__ import annotations

import pytest

from tests.rfc6455.conftest import LIMIT
from tests.rfc6455.frames import (
    BINARY,
    CONTINUATION,
    PING,
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

HALF = LIMIT // 2
MOST = ping("most", LIMIT)


def pieces(said: bytes, size: int) -> list[bytes]:
    """The message in fragments of so many octets."""
    return fragments(*(said[start : start + size] for start in range(0, len(said), size)))


@pytest.mark.parametrize("size", [LIMIT, HALF, 1000, 125], ids=lambda size: f"fragments of {size}")
async def test_messages_of_the_most_octets_are_answered(hub: Running, size: int) -> None:
    async with entered(hub) as peer:
        for _ in range(2):
            await peer.send(*pieces(MOST, size))
            assert await peer.message() == pong("most")


async def test_neither_control_frames_nor_empty_fragments_count(hub: Running) -> None:
    async with entered(hub) as peer:
        first, second = pieces(MOST, HALF)
        empty = frame(CONTINUATION, fin=False)
        await peer.send(first, empty, frame(PING, b"p" * 125), empty, second)
        assert await peer.pong() == b"p" * 125
        assert await peer.message() == pong("most")
        await peer.send(frame(TEXT, MOST, fin=False), frame(CONTINUATION))
        assert await peer.message() == pong("most")


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT, HALF, 1000], ids=lambda size: f"fragments of {size}")
async def test_a_message_of_one_octet_more_ends_the_socket(hub: Running, size: int) -> None:
    async with entered(hub) as peer:
        await peer.send(*pieces(MOST + b" ", size))
        await peer.ended_by(TOO_LARGE)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(header(TEXT, LIMIT + 1), id="one octet more"),
        pytest.param(header(TEXT, 2**32), id="4 GiB"),
        pytest.param(header(TEXT, 2**63 - 1), id="the longest there is"),
        pytest.param(header(BINARY, LIMIT + 1), id="binary"),
        pytest.param(header(TEXT, LIMIT + 1, fin=False), id="first fragment"),
        pytest.param(pieces(MOST, HALF)[0] + header(CONTINUATION, HALF + 1), id="second fragment"),
    ],
)
async def test_a_message_that_announces_more_is_not_awaited(hub: Running, octets: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(octets)
        await peer.ended_by(TOO_LARGE)


async def test_fragments_without_an_end_are_not_collected_for_ever(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(TEXT, b"[", fin=False))
        await peer.send(*[frame(CONTINUATION, b" " * 999, fin=False)] * 200)
        await peer.ended_by(TOO_LARGE)


@pytest.mark.parametrize("chop", [None, 997], ids=["in one write", "by 997"])
async def test_a_message_of_thousands_of_fragments_is_answered(hub: Running, chop: int | None) -> None:
    async with entered(hub) as peer:
        await peer.send(*pieces(ping("many", 5000), 1), chop=chop)
        assert await peer.message() == pong("many")


@pytest.mark.parametrize("chop", [None, 97], ids=["in one write", "by 97"])
async def test_hundreds_of_messages_are_answered_in_order(hub: Running, chop: int | None) -> None:
    async with entered(hub) as peer:
        names = [str(number) for number in range(500)]
        await peer.send(*(frame(TEXT, ping(name)) for name in names), chop=chop)
        await peer.messages([pong(name) for name in names])


async def test_messages_and_pings_at_once_are_answered_in_order_each(hub: Running) -> None:
    async with entered(hub) as peer:
        names = [str(number) for number in range(100)]
        await peer.send(*(frame(TEXT, ping(name)) + frame(PING, name.encode()) for name in names))
        answers = [await peer.frame() for _ in range(2 * len(names))]
        pings = [answer.payload.decode() for answer in answers if answer.opcode != TEXT]
        texts = [answer.payload.decode() for answer in answers if answer.opcode == TEXT]
        assert pings == names
        assert texts == [f'{{"type":"pong","id":"{name}"}}' for name in names]
