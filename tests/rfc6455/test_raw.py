"""The controls: the suite's own frames are the RFC's, and its client finds fault with each wrong frame of a server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tests.rfc6455.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    TEXT,
    fragments,
    frame,
    header,
)
from tests.rfc6455.raw import Peer

Pair = tuple[Peer, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The client, and the end that a server would have; its patience is short, for what never comes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.setblocking(False)
        yield Peer(ours, patience=0.05), theirs


@pytest.mark.parametrize(
    ("built", "octets"),
    [
        pytest.param(frame(TEXT, b"Hello", mask=None), "810548656c6c6f", id="unmasked text"),
        pytest.param(frame(TEXT, b"Hello", mask=MASK), "818537fa213d7f9f4d5158", id="masked text"),
        pytest.param(frame(TEXT, b"Hel", fin=False, mask=None), "010348656c", id="first fragment"),
        pytest.param(frame(CONTINUATION, b"lo", mask=None), "80026c6f", id="last fragment"),
        pytest.param(frame(PING, b"Hello", mask=None), "890548656c6c6f", id="ping"),
        pytest.param(header(BINARY, 256, masked=False), "827e0100", id="256 octets"),
        pytest.param(header(BINARY, 65_536, masked=False), "827f0000000000010000", id="64 KiB"),
    ],
)
def test_frames_are_built_as_the_examples_of_section_5_7(built: bytes, octets: str) -> None:
    assert built == bytes.fromhex(octets)


def test_a_message_in_fragments_starts_once_and_ends_once() -> None:
    assert [octets[0] for octets in fragments(b"a", b"b", b"c")] == [0x01, 0x00, 0x80]
    assert fragments(b"a") == [frame(TEXT, b"a")]


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(TEXT, b"{}"), id="masked"),
        *(pytest.param(frame(TEXT, b"{}", mask=None, rsv=rsv), id=f"reserved bits {rsv:03b}") for rsv in (1, 2, 4)),
        pytest.param(frame(3, mask=None), id="reserved opcode"),
        pytest.param(frame(11, mask=None), id="reserved control opcode"),
        pytest.param(frame(TEXT, b"{}", mask=None, octets=2), id="length in 2 octets too many"),
        pytest.param(frame(TEXT, b" " * 200, mask=None, octets=8), id="length in 6 octets too many"),
        pytest.param(header(TEXT, 2**63, masked=False), id="length with the top bit"),
        pytest.param(frame(TEXT, b"{", mask=None, fin=False), id="fragment"),
        pytest.param(frame(CONTINUATION, b"}", mask=None), id="continuation of nothing"),
        pytest.param(frame(PING, mask=None, fin=False), id="fragmented ping"),
        pytest.param(frame(PING, b" " * 126, mask=None), id="long ping"),
        pytest.param(frame(TEXT, b'"\xff"', mask=None), id="text that is not UTF-8"),
        pytest.param(frame(BINARY, b"{}", mask=None), id="binary instead of text"),
        pytest.param(frame(TEXT, b"{}", mask=None)[:-1], id="half a frame"),
        pytest.param(b"", id="silence"),
    ],
)
async def test_the_client_finds_fault_with_a_wrong_frame_of_the_server(pair: Pair, octets: bytes) -> None:
    peer, server = pair
    server.sendall(octets)
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        await peer.message()


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(CLOSE, b"\x03", mask=None), id="half a code"),
        pytest.param(frame(CLOSE, b"\x03\xe8\xff", mask=None), id="reason that is not UTF-8"),
        pytest.param(frame(CLOSE, b"\x03\xe9", mask=None), id="another code"),
        pytest.param(frame(CLOSE, mask=None), id="no code"),
        pytest.param(frame(PING, mask=None), id="ping instead of it"),
        pytest.param(frame(CLOSE, b"\x03\xe8", mask=None) + frame(TEXT, b"{}", mask=None), id="message after it"),
        pytest.param(frame(CLOSE, b"\x03\xe8", mask=None), id="no end after it"),
    ],
)
async def test_the_client_finds_fault_with_a_wrong_close_of_the_server(pair: Pair, octets: bytes) -> None:
    peer, server = pair
    server.sendall(octets)
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        await peer.ended_by(1000)


async def test_the_client_is_content_with_a_right_server(pair: Pair) -> None:
    peer, server = pair
    server.sendall(frame(TEXT, b"{}".ljust(65_536), mask=None) + frame(CLOSE, b"\x03\xe8end", mask=None))
    server.shutdown(socket.SHUT_WR)
    await peer.messages([{}])
    await peer.ended_by(1000)


class Counting(asyncio.Protocol):
    """Keeps what comes as it comes."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.reads.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def test_chopped_octets_are_read_apart_and_others_at_once(pair: Pair) -> None:
    peer, server = pair
    _, counting = await asyncio.get_running_loop().connect_accepted_socket(Counting, server)
    await peer.send(b"abcdefg", chop=1)
    await peer.send(b"abc", b"defg", chop=3)
    assert counting.reads == [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"abc", b"def", b"g"]
    await peer.send(b"abc", b"defg")
    await peer.send(b"", chop=1)
    await peer.send_end()
    async with asyncio.timeout(5):
        await counting.ended.wait()
    assert counting.reads[10:] == [b"abcdefg"]
