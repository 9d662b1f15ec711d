"""Class 7: the closing handshake (§5.5.1, §7)."""

from __future__ import annotations

import pytest

from tests.rfc6455.frames import (
    BINARY,
    CLOSE,
    NORMAL,
    NOT_UTF8,
    PING,
    PROTOCOL_ERROR,
    TEXT,
    Frame,
    close,
    fragments,
    frame,
    ping,
    pong,
)
from tests.rfc6455.raw import entered
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEGAL = (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999)
"""§7.4.1, and 1012 to 1014 of the registry that §11.7 opened; 3000 to 4999 are anyone's (§7.4.2)."""
ILLEGAL = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
"""Of no range of §7.4.2, reserved (§7.4.1), or in the RFC's own range and not registered."""


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param(b"", id="no reason"),
        pytest.param(b"bye", id="a reason"),
        pytest.param("tschüß 𝄞".encode(), id="a reason of many octets a letter"),
        pytest.param(b"r" * 123, id="the longest reason"),
    ],
)
async def test_a_close_is_answered_by_its_code_and_the_connection_ends(hub: Running, reason: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(close(NORMAL, reason), chop=1)
        answer = await peer.close()
        assert answer[:2] == NORMAL.to_bytes(2)
        # "typically echoes the status code" (§5.5.1): of the reason nothing is said.
        assert answer[2:] in (b"", reason)
        await peer.end()


async def test_a_close_without_a_code_is_answered_without_one(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(close())
        # 1000 would claim more than was said, but is no fault.
        assert await peer.close() in (b"", NORMAL.to_bytes(2))
        await peer.end()


@pytest.mark.parametrize("code", LEGAL)
async def test_a_code_that_may_be_sent_is_echoed(hub: Running, code: int) -> None:
    async with entered(hub) as peer:
        await peer.send(close(code))
        assert await peer.close() == code.to_bytes(2)
        await peer.end()


@pytest.mark.parametrize("code", ILLEGAL)
async def test_a_code_that_may_not_be_sent_is_a_protocol_error(hub: Running, code: int) -> None:
    async with entered(hub) as peer:
        await peer.send(close(code, b"why"))
        await peer.ended_by(PROTOCOL_ERROR)


async def test_half_a_code_is_a_protocol_error(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(CLOSE, b"\x03"))
        await peer.ended_by(PROTOCOL_ERROR)


@pytest.mark.parametrize("reason", ["ff", "62 79 c3", "ed a0 80", "c0 af"])
async def test_a_reason_that_is_not_utf8_is_told_so(hub: Running, reason: str) -> None:
    async with entered(hub) as peer:
        await peer.send(close(NORMAL, bytes.fromhex(reason)))
        await peer.ended_by(NOT_UTF8)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(frame(TEXT, ping("late")), id="text"),
        pytest.param(frame(PING, b"late"), id="ping"),
        pytest.param(close(1001), id="second close"),
        pytest.param(frame(3), id="wrong frame"),
        pytest.param(b"\x00" * 1000, id="noise"),
    ],
)
async def test_nothing_behind_a_close_is_answered(hub: Running, more: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(close(NORMAL), more)
        assert await peer.close() == NORMAL.to_bytes(2)
        await peer.end()


async def test_what_precedes_a_close_in_one_segment_is_answered_before_it_or_not_at_all(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(PING, b"a"), frame(TEXT, ping("b")), close(NORMAL))
        assert await peer.pong() == b"a"
        # A peer that closes wants no more answers: §7.1.4 promises none.
        answer = await peer.frame()
        if answer.opcode == TEXT:
            answer = await peer.frame()
        assert answer == Frame(CLOSE, NORMAL.to_bytes(2))
        await peer.end()


async def test_messages_behind_the_hubs_own_close_are_not_answered_but_pings_are(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(BINARY))
        assert (await peer.close())[:2] == (4400).to_bytes(2)
        await peer.send(frame(TEXT, ping("late")), *fragments(b"{", b"}"), frame(PING, b"a"), frame(BINARY))
        await peer.send(close(4400))
        # §5.5.2: a ping is to be answered until a close came, and the hub's own is not one that came.
        assert await peer.pong() == b"a"
        await peer.end()


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="between frames"),
        pytest.param(frame(TEXT, ping("a"))[:1], id="within a header"),
        pytest.param(frame(TEXT, ping("a"))[:-1], id="within a payload"),
        pytest.param(fragments(b"{", b"}")[0], id="between fragments"),
    ],
)
async def test_a_connection_that_ends_without_a_close_ends_on_the_hubs_side_too(hub: Running, octets: bytes) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(TEXT, ping("before")))
        assert await peer.message() == pong("before")
        await peer.send(octets)
        await peer.send_end()
        await peer.end()


async def test_a_close_is_answered_though_the_peer_has_ended_its_half_of_the_connection(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(close(NORMAL))
        await peer.send_end()
        assert await peer.close() == NORMAL.to_bytes(2)
        await peer.end()
