"""Opening handshakes that are right (§4.2), and what is not promised in the answer."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest

from tests.rfc6455.frames import PROTOCOL_ERROR, TEXT, frame, ping, pong
from tests.rfc6455.raw import HANDSHAKE, entered, reach
from tests.rfc6455.upgrades import ACCEPT, KEY, Answer, Request
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OFFERS = [
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits; server_no_context_takeover, x-unknown"),
    ("Sec-WebSocket-Extensions", "x-webkit-deflate-frame"),
    ("Sec-WebSocket-Extensions", 'x-unknown; q="1"'),
    ("Sec-WebSocket-Protocol", "chat"),
    ("Sec-WebSocket-Protocol", "chat, superchat"),
]


def accepted(answer: Answer, key: str = KEY) -> None:
    """The answer says all that §4.2.2 demands, once, and takes up nothing that was offered."""
    assert answer.status == 101
    assert [value.lower() for value in answer.all("upgrade")] == ["websocket"]
    assert [value.lower() for value in answer.all("connection")] == ["upgrade"]
    digest = hashlib.sha1((key + GUID).encode()).digest()
    assert answer.all("sec-websocket-accept") == [base64.b64encode(digest).decode()]
    assert answer.all("sec-websocket-extensions") == []
    assert answer.all("sec-websocket-protocol") == []


async def test_the_key_of_section_1_3_is_accepted_as_there(hub: Running) -> None:
    async with reach(hub) as peer:
        answer = await peer.ask(HANDSHAKE)
        assert answer.all("sec-websocket-accept") == [ACCEPT]
        accepted(answer)


@pytest.mark.parametrize("key", ["AAAAAAAAAAAAAAAAAAAAAA==", "/////////////////////w==", "x3JJHMbDL1EzLkh9GBhXDw=="])
async def test_any_key_of_16_octets_is_accepted(hub: Running, key: str) -> None:
    async with reach(hub) as peer:
        accepted(await peer.ask(HANDSHAKE.but("Sec-WebSocket-Key", key)), key)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(
            Request(
                "GET /ws HTTP/1.1",
                (
                    ("hOsT", "{host}"),
                    ("uPGRADE", "WebSOCKET"),
                    ("CONNECTION", "uPgRaDe"),
                    ("sec-websocket-key", KEY),
                    ("SEC-WEBSOCKET-VERSION", "13"),
                ),
            ),
            id="odd case",
        ),
        pytest.param(HANDSHAKE.but("Connection", "keep-alive, Upgrade"), id="one of two options"),
        pytest.param(HANDSHAKE.but("Connection", "Upgrade , keep-alive"), id="another of two options"),
        pytest.param(HANDSHAKE.but("Connection", "keep-alive", "Upgrade"), id="options in two lines"),
        pytest.param(
            HANDSHAKE.but("Connection", "Upgrade", "keep-alive"),
            id="options in two lines, the other way round",
            marks=pytest.mark.deviates("asgi", "uvicorn reads the last Connection line only (RFC 9110 §5.3): 404"),
        ),
        pytest.param(HANDSHAKE.but("Sec-WebSocket-Version", "  13\t"), id="blanks around a value"),
        pytest.param(HANDSHAKE.but("Content-Length", "0"), id="a body of nothing"),
        pytest.param(HANDSHAKE.but("X-Name", "\xfc"), id="a value that is not ASCII"),
        pytest.param(HANDSHAKE.but("Origin", "http://{host}"), id="own origin"),
        pytest.param(replace(HANDSHAKE, line="GET /ws?a=b HTTP/1.1"), id="a query"),
        pytest.param(
            replace(HANDSHAKE, line="GET http://{host}/ws HTTP/1.1"),
            id="an absolute URI",
            marks=pytest.mark.deviates("asgi", "uvicorn takes the URI for the path (§4.1, RFC 9112 §3.2.2): 403"),
        ),
    ],
)
async def test_a_right_handshake_is_accepted_in_whatever_form(hub: Running, asked: Request) -> None:
    async with reach(hub) as peer:
        accepted(await peer.ask(asked))
        assert (await peer.message())["type"] == "welcome"


async def test_a_handshake_may_come_octet_by_octet(hub: Running) -> None:
    async with reach(hub) as peer:
        accepted(await peer.ask(HANDSHAKE, chop=1))
        assert (await peer.message())["type"] == "welcome"


async def test_a_handshake_may_follow_plain_http_on_one_connection(hub: Running) -> None:
    async with reach(hub) as peer:
        plain = await peer.ask(Request("GET /healthz HTTP/1.1", (("Host", "{host}"),)))
        assert plain.status == 200
        await peer.body(plain)
        accepted(await peer.ask(HANDSHAKE))
        assert (await peer.message())["type"] == "welcome"


@pytest.mark.parametrize(("name", "offer"), OFFERS, ids=[offer for _, offer in OFFERS])
async def test_no_offer_is_taken_up(hub: Running, name: str, offer: str) -> None:
    async with reach(hub) as peer:
        accepted(await peer.ask(HANDSHAKE.but(name, offer)))


async def test_compression_that_was_offered_is_not_used_by_either_side(hub: Running) -> None:
    async with entered(hub, HANDSHAKE.but("Sec-WebSocket-Extensions", "permessage-deflate")) as peer:
        await peer.send(frame(TEXT, ping("a" * 128)))
        assert await peer.message() == pong("a" * 128)
        # The first reserved bit would mark a compressed message (RFC 7692 §6).
        await peer.send(frame(TEXT, b"\xaaV*\xa9,HU\xb2R*\xc8\xccKW\xaa\x05\x00", rsv=4))
        await peer.ended_by(PROTOCOL_ERROR)
