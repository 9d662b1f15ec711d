"""A14, A17: requests that two readers could understand in two ways get one refusal, and the end of the connection."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from hub.sockets import framing
from tests.rfc6455.raw import reach
from tests.running import API, Running, running, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEXT = b"GET /api/live-sessions/smuggled HTTP/1.1\r\nHost: hub\r\n\r\n"
"""What is hidden in the body: an answer to it would be a second one."""


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """On the loop that `hub serve` runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub for all of them."""
    async with running(tmp_path_factory.mktemp("smuggling")) as listening:
        yield listening


def post(*lines: bytes, body: bytes = NEXT, version: bytes = b"HTTP/1.1") -> bytes:
    head = [b"POST /api/live-sessions " + version, b"Host: hub", *lines, b"", b""]
    return b"\r\n".join(head) + body


def get(*lines: bytes, target: bytes = b"/healthz", version: bytes = b" HTTP/1.1", method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" " + target + version, *lines, b"", b""])


HOST = b"Host: hub"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"0\r\n\r\n" + NEXT

LENGTHS = {
    "a length and chunks": post(b"Content-Length: 4", CHUNKED, body=CHUNKS),
    "chunks and a length": post(CHUNKED, b"Content-Length: 4", body=CHUNKS),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 60"),
    "the same length twice": post(b"Content-Length: 0", b"Content-Length: 0"),
    "a list of lengths": post(b"Content-Length: 0, 0"),
    "a length with a sign": post(b"Content-Length: +0"),
    "a length below nothing": post(b"Content-Length: -1"),
    "a length in another base": post(b"Content-Length: 0x0"),
    "a length of nothing": post(b"Content-Length: "),
    "a length beyond any": post(b"Content-Length: 99999999999999999999999"),
    "a blank before the length's colon": post(b"Content-Length : 0"),
}
CODINGS = {
    "chunked twice": post(CHUNKED, CHUNKED, body=CHUNKS),
    "chunked twice in a line": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "chunked and not last": post(b"Transfer-Encoding: chunked, identity", body=CHUNKS),
    "identity": post(b"Transfer-Encoding: identity", body=CHUNKS),
    "another coding before": post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "nearly chunked": post(b"Transfer-Encoding: xchunked", body=CHUNKS),
    "a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "a blank before its colon": post(b"Transfer-Encoding : chunked", body=CHUNKS),
    "chunks in HTTP 1.0": post(CHUNKED, body=CHUNKS, version=b"HTTP/1.0"),
    "folded": post(b"Transfer-Encoding:", b" chunked", body=CHUNKS),
}
CHUNKINGS = {
    "line feeds alone": post(CHUNKED, body=b"1\na\n0\n\n" + NEXT),
    "a size with a prefix": post(CHUNKED, body=b"0x1\r\na\r\n" + CHUNKS),
    "a size below nothing": post(CHUNKED, body=b"-1\r\na\r\n" + CHUNKS),
    "a size beyond any": post(CHUNKED, body=b"fffffffffffffffff\r\na\r\n" + CHUNKS),
    "more than its size": post(CHUNKED, body=b"1\r\nabc\r\n" + CHUNKS),
    "an extension that a line feed ends": post(CHUNKED, body=b"1;\na\r\n" + CHUNKS),
}
LINES = {
    "line feeds alone": b"GET /healthz HTTP/1.1\nHost: hub\n\n",
    "a carriage return alone": get(b"Host: hub\rX-Name: a"),
    "a blank before a colon": get(b"Host : hub"),
    "a folded line": get(HOST, b"X-Name: a", b" b"),
    "a folded first line": get(b" X-Name: a", HOST),
    "NUL in a value": get(HOST, b"X-Name: a\0b"),
    "NUL in a name": get(HOST, b"X\0Name: a"),
    "NUL in the target": get(HOST, target=b"/health\0z"),
    "a line without a colon": get(HOST, b"X-Name"),
    "an empty name": get(HOST, b": a"),
}
VERSIONS = {
    "HTTP 0.9": b"GET /healthz\r\n\r\n",
    "HTTP 0.9 that says so": get(HOST, version=b" HTTP/0.9"),
    "HTTP 1.2": get(HOST, version=b" HTTP/1.2"),
    "HTTP 2.0": get(HOST, version=b" HTTP/2.0"),
    "HTTP 2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "in small letters": get(HOST, version=b" http/1.1"),
}
HOSTS = {
    "no host": get(),
    "an empty host": get(b"Host:"),
    "two hosts": get(HOST, b"Host: evil.example"),
    "the same host twice": get(HOST, HOST),
    "two hosts in HTTP 1.0": get(HOST, b"Host: evil.example", version=b" HTTP/1.0"),
    "a path in it": get(b"Host: hub/../"),
    "a person in it": get(b"Host: hub@evil.example"),
    "a list": get(b"Host: hub, evil.example"),
    "a port that is none": get(b"Host: hub:evil"),
    "an escape": get(b"Host: hub%00"),
    "markup": get(b'Host: "><script>'),
    "another host in the target": get(HOST, target=b"http://evil.example/healthz"),
    "another port in the target": get(HOST, target=b"http://hub:81/healthz"),
}
TARGETS = {
    "no slash": get(HOST, target=b"healthz"),
    "a fragment": get(HOST, target=b"/healthz#a"),
    "CONNECT": get(b"Host: evil.example:443", target=b"evil.example:443", method=b"CONNECT"),
    "raw UTF-8": get(HOST, target="/é".encode()),
    "a control character": get(HOST, target=b"/a\x01"),
    "an unknown method": get(HOST, method=b"BREW" * 20),
}
WRONG = {
    f"{kind}, {name}": octets
    for kind, cases in {
        "length": LENGTHS,
        "coding": CODINGS,
        "chunk": CHUNKINGS,
        "line": LINES,
        "version": VERSIONS,
        "host": HOSTS,
        "target": TARGETS,
    }.items()
    for name, octets in cases.items()
}
NOT_LLHTTPS = ("HTTP 0.9 that says so", "HTTP 2.0", "another coding before", "chunks in HTTP 1.0", "a fragment")


async def told(hub: Running, octets: bytes) -> tuple[list[int], bytes]:
    """The statuses of all that is answered until the hub ends the connection, and the first answer's body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(octets)
        async with asyncio.timeout(5):
            answered = await reader.read()
    finally:
        writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answered)], answered.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("octets", WRONG.values(), ids=[f"A17 {name}" for name in WRONG])
async def test_what_can_be_read_in_two_ways_is_refused_once_and_ends_the_connection(
    hub: Running, octets: bytes
) -> None:
    statuses, body = await told(hub, octets)
    assert statuses == [400]
    problem = json.loads(body)
    assert (problem["status"], problem["code"], problem["success"]) == (400, "invalid_input", False)


RIGHT = {
    "a length": post(b"Content-Length: 2", body=b"{}"),
    "chunks": post(b"Transfer-Encoding:\tChunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "a whole URI": get(HOST, target=b"http://HUB/healthz"),
    "an address and a port": get(b"Host: [::1]:8000"),
    "HTTP 1.0 without a host": get(version=b" HTTP/1.0"),
    "every server at once": get(HOST, target=b"*", method=b"OPTIONS"),
}


@pytest.mark.parametrize("octets", RIGHT.values(), ids=list(RIGHT))
async def test_what_can_be_read_in_one_way_is_answered_as_ever(hub: Running, octets: bytes) -> None:
    async with reach(hub) as peer:
        await peer.send(octets)
        assert (await peer.answer()).status in (200, 401, 404)


@pytest.mark.parametrize(
    "octets",
    [octets for name, octets in WRONG.items() if name.startswith("host") or name.split(", ")[1] in NOT_LLHTTPS],
)
async def test_A17_without_our_own_look_at_heads_they_would_be_answered(
    hub: Running, octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "fault", lambda version, target, headers: None)
    async with reach(hub) as peer:
        await peer.send(octets)
        assert (await peer.answer()).status in (200, 401)


TRAILED = post(CHUNKED, body=b"0\r\nAuthorization: Bearer %s\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")


async def test_A17_a_line_behind_the_body_does_not_pass_for_one_of_the_head(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(TRAILED % token("e-7", "expert").encode())
        assert (await peer.answer()).status == 401


async def test_A14_a_strange_host_is_in_no_answer_that_others_get(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(get(b"Host: evil.example", target=API.encode() + b"/"))
        answer = await peer.answer()
        assert answer.status == 200
        assert b"evil" not in await peer.body(answer)
        assert not any("evil" in value for _, value in answer.headers)


async def test_A17_what_stands_behind_an_answered_body_is_a_request_of_its_own(hub: Running) -> None:
    """The body ends where its length says: what follows is read once, as the next request, and answered in turn."""
    async with reach(hub) as peer:
        await peer.send(post(b"Content-Length: 2", body=b"{}" + NEXT))
        first = await peer.answer()
        assert first.status == 401
        await peer.body(first)
        second = await peer.answer()
        assert second.status == 404
        assert json.loads(await peer.body(second))["instance"].endswith("/smuggled")
