"""Opening handshakes that are wrong: an HTTP answer of 4xx, and the connection ends (§4.2.1, §4.2.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rfc6455.frames import TEXT, frame, ping
from tests.rfc6455.raw import HANDSHAKE, Peer, entered, reach
from tests.rfc6455.upgrades import KEY, Answer, Request
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

POST = replace(HANDSHAKE, line="POST /ws HTTP/1.1")
HOST_UNREAD = pytest.mark.deviates("asgi", "neither httptools nor websockets looks at Host (RFC 9112 §3.2): 101")


async def refused(peer: Peer, answer: Answer) -> None:
    """It is no fault of the hub's, and there is nothing more to say."""
    assert 400 <= answer.status < 500, answer
    await peer.body(answer)
    await peer.end()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="missing"),
        pytest.param([""], id="empty"),
        pytest.param(["AAAAAAAAAAAAAAAAAAAA"], id="15 octets"),
        pytest.param(["AAAAAAAAAAAAAAAAAAAAAAA="], id="17 octets"),
        pytest.param(["dGhlIHNhbXBsZSBub25jZ!=="], id="not base64"),
        pytest.param([KEY[:-2]], id="no padding"),
        pytest.param([KEY, KEY], id="twice"),
    ],
)
async def test_a_key_that_is_not_one_of_16_octets_in_base64_is_refused(hub: Running, values: list[str]) -> None:
    async with reach(hub) as peer:
        answer = await peer.ask(HANDSHAKE.but("Sec-WebSocket-Key", *values))
        assert answer.status == 400
        await refused(peer, answer)


VERSIONS = [
    pytest.param([], id="missing"),
    pytest.param(["8"], id="8"),
    pytest.param(["14"], id="14"),
    pytest.param(["013"], id="013"),
    pytest.param(["13, 8"], id="list"),
    pytest.param(["13", "13"], id="twice"),
]


@pytest.mark.parametrize("values", VERSIONS)
async def test_a_version_other_than_13_is_refused(hub: Running, values: list[str]) -> None:
    async with reach(hub) as peer:
        answer = await peer.ask(HANDSHAKE.but("Sec-WebSocket-Version", *values))
        assert answer.status in (400, 426)
        await refused(peer, answer)


@pytest.mark.deviates("asgi", "websockets does not name the version it speaks (§4.2.2, §4.4)")
@pytest.mark.parametrize("values", VERSIONS)
async def test_who_speaks_another_version_is_told_ours(hub: Running, values: list[str]) -> None:
    async with reach(hub) as peer:
        answer = await peer.ask(HANDSHAKE.but("Sec-WebSocket-Version", *values))
        assert answer.all("sec-websocket-version") == ["13"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param(POST, 405, id="POST"),
        pytest.param(POST.but("Content-Length", "0"), 405, id="POST of nothing"),
        pytest.param(replace(HANDSHAKE, line="PUT /ws HTTP/1.1"), 405, id="PUT"),
        pytest.param(replace(HANDSHAKE, line="get /ws HTTP/1.1"), 400, id="get"),
        pytest.param(replace(HANDSHAKE, line="GET /nowhere HTTP/1.1"), 404, id="wrong path"),
        pytest.param(replace(HANDSHAKE, line="GET /ws/ HTTP/1.1"), 404, id="slash too many"),
        pytest.param(HANDSHAKE.but("Origin", "https://evil.example"), 403, id="evil origin"),
        pytest.param(HANDSHAKE.but("Origin", "http://{host}", "https://evil.example"), 400, id="own and evil origin"),
        pytest.param(HANDSHAKE.but("Origin", "https://evil.example", "http://{host}"), 400, id="evil and own origin"),
        pytest.param(HANDSHAKE.but("Host"), 400, id="no host", marks=HOST_UNREAD),
        pytest.param(HANDSHAKE.but("Host", "{host}", "evil.example"), 400, id="two hosts", marks=HOST_UNREAD),
    ],
)
async def test_a_wrong_request_is_refused(hub: Running, asked: Request, status: int) -> None:
    async with reach(hub) as peer:
        answer = await peer.ask(asked)
        assert answer.status == status
        await refused(peer, answer)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(HANDSHAKE.but("Upgrade"), id="no upgrade"),
        pytest.param(HANDSHAKE.but("Upgrade", "h2c"), id="upgrade to something else"),
        pytest.param(HANDSHAKE.but("Connection"), id="no connection"),
        pytest.param(HANDSHAKE.but("Connection", "keep-alive"), id="connection of another option"),
        pytest.param(
            replace(HANDSHAKE, line="GET /ws HTTP/1.0"),
            id="HTTP 1.0",
            marks=pytest.mark.deviates("asgi", "uvicorn rewrites it as HTTP/1.1 (RFC 9110 §7.8: MUST ignore): 101"),
        ),
    ],
)
async def test_what_asks_for_no_websocket_is_plain_http_and_there_is_nothing(hub: Running, asked: Request) -> None:
    async with reach(hub) as peer:
        answer = await peer.ask(asked)
        assert (answer.status, answer.all("content-type")) == (404, ["application/problem+json"])


async def test_frames_behind_a_refused_handshake_reach_nobody(hub: Running) -> None:
    async with reach(hub) as peer:
        wrong = replace(HANDSHAKE.but("Sec-WebSocket-Key"), body=frame(TEXT, ping("a")))
        await refused(peer, await peer.ask(wrong))


@pytest.mark.deviates("asgi", "websockets refuses it, uvicorn looks for frames only: no answer and no end, for ever")
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(HANDSHAKE.but("Cookie", "c" * 9000), id="a line of 9,000 octets"),
        pytest.param(HANDSHAKE.but("X-Name", *["1"] * 130), id="135 headers"),
        pytest.param(replace(HANDSHAKE, line=f"GET /ws?{'q' * 9000} HTTP/1.1"), id="a query of 9,000 octets"),
        pytest.param(replace(HANDSHAKE.but("Content-Length", "4"), body=b"body"), id="a body"),
        pytest.param(replace(HANDSHAKE.but("Transfer-Encoding", "chunked"), body=b"0\r\n\r\n"), id="a body in chunks"),
    ],
)
async def test_a_handshake_that_is_too_much_is_answered_one_way_or_the_other(hub: Running, asked: Request) -> None:
    async with reach(hub) as peer:
        await peer.send(asked.octets("hub.example"))
        # A later handshake was answered: had this one got an answer, it were here. So its lack shows without a wait.
        async with entered(hub):
            await peer.send_end()
        answer = await peer.answer()
        assert answer.status == 101 or 400 <= answer.status < 500, answer


@pytest.mark.deviates("asgi", "uvicorn answers 101, then writes the answer to the request before among the frames")
async def test_a_handshake_behind_an_unanswered_request_is_not_taken(hub: Running) -> None:
    async with reach(hub) as peer:
        before = Request("GET /healthz HTTP/1.1", (("Host", "{host}"),))
        await peer.send(before.octets("hub"), HANDSHAKE.octets("hub"))
        answer = await peer.answer()
        assert answer.status == 200
        await peer.body(answer)
        await peer.end()
