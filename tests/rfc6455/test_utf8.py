"""Class 6: a text is UTF-8 (§5.6, §8.1; RFC 3629), however fragments and segments cut it."""

from __future__ import annotations

import pytest

from tests.rfc6455.frames import BINARY, NORMAL, NOT_UTF8, TEXT, close, fragments, frame, ping, pong
from tests.rfc6455.raw import entered
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


def each(octets: bytes) -> list[bytes]:
    """A fragment for each octet."""
    return fragments(*(bytes([octet]) for octet in octets))


MIXED = "aß€𝄞 Ωмега"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(" ~\x7f", id="1 octet"),
        pytest.param("\x80\u07ff", id="2 octets"),
        pytest.param("\u0800\u0fff\u1000\uffff", id="3 octets"),
        pytest.param("\ud7ff\ue000", id="around the surrogates"),
        pytest.param("\ufffe\uffff\ufdd0\U0001fffe", id="noncharacters"),
        pytest.param("\ufeff\ufffd", id="mark and replacement"),
        pytest.param("\U00010000\U0003ffff\U00040000\U000fffff", id="4 octets"),
        pytest.param("\U00100000\U0010ffff", id="the last of all"),
        pytest.param("e\u0301\u200d👩‍🚀", id="combined"),
        pytest.param(MIXED, id="mixed"),
    ],
)
async def test_right_texts_come_back_however_they_are_cut(hub: Running, text: str) -> None:
    async with entered(hub) as peer:
        said = ping(text)
        await peer.send(frame(TEXT, said))
        await peer.send(*each(said))
        await peer.send(frame(TEXT, said), *each(said), chop=1)
        await peer.messages([pong(text)] * 4)


async def test_a_text_may_be_cut_in_two_at_every_octet(hub: Running) -> None:
    async with entered(hub) as peer:
        said = ping(MIXED)
        for cut in range(len(said) + 1):
            await peer.send(*fragments(said[:cut], said[cut:]))
        await peer.messages([pong(MIXED)] * (len(said) + 1))


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param("c0 af", id="overlong in 2, first"),
        pytest.param("c1 bf", id="overlong in 2, last"),
        pytest.param("e0 80 af", id="overlong in 3, first"),
        pytest.param("e0 9f bf", id="overlong in 3, last"),
        pytest.param("f0 80 80 af", id="overlong in 4, first"),
        pytest.param("f0 8f bf bf", id="overlong in 4, last"),
        pytest.param("ed a0 80", id="first surrogate"),
        pytest.param("ed bf bf", id="last surrogate"),
        pytest.param("ed a0 b4 ed b4 9e", id="pair of surrogates"),
        pytest.param("f4 90 80 80", id="over U+10FFFF"),
        pytest.param("f5 80 80 80", id="far over U+10FFFF"),
        pytest.param("f8 88 80 80 80", id="5 octets"),
        pytest.param("fc 84 80 80 80 80", id="6 octets"),
        pytest.param("fe", id="0xfe"),
        pytest.param("ff", id="0xff"),
        pytest.param("80", id="lone continuation"),
        pytest.param("c3 bc bf", id="one continuation too many"),
        pytest.param("c3", id="1 of 2 octets"),
        pytest.param("e2 82", id="2 of 3 octets"),
        pytest.param("f0 9d 84", id="3 of 4 octets"),
        pytest.param("f0 9d 84 c3 bc", id="3 of 4 octets before another"),
    ],
)
async def test_a_wrong_text_ends_the_socket_however_it_is_cut(hub: Running, octets: str) -> None:
    said = ping("ü|ü").replace(b"|", bytes.fromhex(octets))
    for frames, chop in (([frame(TEXT, said)], None), (each(said), None), ([frame(TEXT, said)], 1)):
        async with entered(hub) as peer:
            await peer.send(*frames, chop=chop)
            await peer.ended_by(NOT_UTF8)


@pytest.mark.parametrize("octets", ["c3", "e2", "e2 82", "f0", "f0 9d", "f0 9d 84"])
async def test_a_text_that_ends_within_a_character_is_wrong_however_it_is_cut(hub: Running, octets: str) -> None:
    said = bytes.fromhex(octets)
    for frames in ([frame(TEXT, said)], fragments(said, b""), each(b"a" + said)):
        async with entered(hub) as peer:
            await peer.send(*frames)
            await peer.ended_by(NOT_UTF8)


async def test_a_wrong_text_ends_the_socket_after_right_ones_were_answered(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(TEXT, ping(MIXED)))
        assert await peer.message() == pong(MIXED)
        await peer.send(frame(TEXT, b"\xff"), frame(TEXT, ping("after")))
        await peer.ended_by(NOT_UTF8)


async def test_what_is_not_utf8_is_no_fault_of_a_binary_message(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(BINARY, b"\xff\xc0\xaf"))
        await peer.ended_by(4400)


@pytest.mark.deviates("asgi", "uvicorn closes what the close frame behind has closed: an exception, and a RST instead")
async def test_a_wrong_text_with_a_close_behind_it_in_one_segment_is_closed_too(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(TEXT, b"\xff"), close(NORMAL))
        await peer.ended_by(NOT_UTF8)


@pytest.mark.deviates("asgi", "uvicorn answers the close before it hands over what was said")
async def test_a_close_does_not_overtake_what_was_said_before_it(hub: Running) -> None:
    async with entered(hub) as peer:
        await peer.send(frame(BINARY, b"a"), close(NORMAL))
        await peer.ended_by(4400)
