"""Reading a key set from a server that wants to hold the hub, to lead it elsewhere, or to fill it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httptools
import pytest
import uvloop

from hub.errors import Unavailable
from hub.fetching import LARGEST, Document
from hub.keys import KeySet
from hub.settings import WrongSetting, from_environment
from hub.tokens import Tokens
from tests.bus.test_signing_in import certificate
from tests.issuer import OLD, key_set, signed
from tests.running import PATIENCE, now
from tests.security.forging import Canary, canary

SECONDS = 0.2
"""What a reading may take here."""
SET = key_set(old=OLD)
Serves = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


loops = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
"""Here and in `hub serve`."""
Loop = Callable[[], asyncio.AbstractEventLoop]


@asynccontextmanager
async def serving(serve: Serves, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a key set that is given out so, once the request was read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/keys?of=hub"


def saying(*octets: bytes) -> Serves:
    """Sends these, and ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for some in octets:
            writer.write(some)
            await writer.drain()

    return serve


def dripping(before: bytes, drop: bytes) -> Serves:
    """Sends a drop again and again, each well within any time-out of a single read, until nobody takes them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(SECONDS / 20)

    return serve


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing until the other side goes."""
    await reader.read()


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def tokens_at(url: str) -> Tokens:
    """Tokens that are verified with the keys at an address."""
    return Tokens(KeySet(url, seconds=SECONDS, cool_down=0), audience=None, issuer=None, clock=now)


async def unread(url: str) -> None:
    """Nobody can sign in with the keys there, which is told in time."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(Unavailable):
            await tokens_at(url).actor(signed(OLD, "old"))


async def unread_meanwhile(url: str) -> None:
    """The same, and the loop goes on as if nothing were."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(SECONDS / 100)

    turning = asyncio.create_task(turn())
    await unread(url)
    turning.cancel()
    assert turns > 10


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param([OK, b"\r\n", SET], id="until the end"),
        pytest.param([OK, b"Content-Length: %d\r\n\r\n" % len(SET), SET], id="of a length"),
        pytest.param(
            [OK, b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SET), SET)], id="in chunks"
        ),
        pytest.param([b"HTTP/1.0 200 Fine\r\n\r\n", SET], id="HTTP 1.0"),
        pytest.param([OK + b"\r\n" + SET[:50], SET[50:]], id="in two parts"),
    ],
)
async def test_a_set_is_read_in_whatever_form_it_comes(octets: list[bytes]) -> None:
    async with serving(saying(*octets)) as url:
        assert (await tokens_at(url).actor(signed(OLD, "old"))).id == "ann"


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(mute, id="no answer"),
        pytest.param(dripping(b"HTTP/1.1 200 ", b"O"), id="a first line by the letter"),
        pytest.param(dripping(OK, b"X: 1\r\n"), id="a head that does not end"),
        pytest.param(dripping(OK + b"X: ", b"1"), id="a header by the letter"),
        pytest.param(dripping(OK + b"Content-Length: 100000\r\n\r\n", b" "), id="a body by the letter"),
        pytest.param(dripping(OK + CHUNKED, b"1\r\n \r\n"), id="chunk by chunk"),
    ],
)
@loops
def test_J5_a_server_that_is_slow_on_purpose_has_its_time_in_all_and_no_more(loop: Loop, serve: Serves) -> None:
    async def meet() -> None:
        async with serving(serve) as url:
            await unread_meanwhile(url)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(meet())


async def test_the_time_is_what_ends_a_slow_reading() -> None:
    """The negative control: with all the time of the world it goes on for longer than the others were given."""
    async with serving(dripping(OK + b"Content-Length: 100000\r\n\r\n", b" ")) as url:
        reading = asyncio.create_task(Document(url, seconds=PATIENCE).read())
        done, _ = await asyncio.wait([reading], timeout=3 * SECONDS)
        assert not done
        reading.cancel()
        await asyncio.wait([reading])


@pytest.fixture
def full() -> Iterator[str]:
    """The address of a listener that takes no connection any more: whoever comes waits for one."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            guest = stack.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/keys"


@loops
def test_J5_a_connection_that_is_never_taken_holds_nobody(loop: Loop, full: str) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(unread_meanwhile(full))


async def test_J5_a_name_that_is_never_found_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()

    def ask(*_: Any, **__: Any) -> list[Any]:
        found.wait(PATIENCE)
        raise socket.gaierror("not found")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    try:
        await unread_meanwhile("http://keys.example/keys")
    finally:
        found.set()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(OK + b"\r\n", id="without a length"),
        pytest.param(OK + b"Content-Length: 99999999999\r\n\r\n", id="of a length"),
        pytest.param(OK + b"X: ", id="in the head"),
    ],
)
async def test_J5_an_answer_without_end_is_not_kept(head: bytes) -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head)
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()
            sent += 65_536

    async with serving(serve) as url:
        with pytest.raises((ValueError, httptools.HttpParserError)):
            await Document(url, PATIENCE).read()
    assert sent < 20 * LARGEST  # what the kernel's own buffers hold, and no endless stream


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", ["canary", "file:///etc/passwd", "ftp://127.0.0.1/keys", "//127.0.0.1/keys"])
async def test_J3_a_redirect_is_not_followed(status: int, elsewhere: str, caplog: pytest.LogCaptureFixture) -> None:
    with canary() as bird:
        target = bird.url if elsewhere == "canary" else elsewhere
        away = b"HTTP/1.1 %d Moved\r\nLocation: %b\r\nContent-Length: %d\r\n\r\n" % (status, target.encode(), len(SET))
        async with serving(saying(away, SET)) as url:
            await unread(url)
        assert bird.came == 0
    assert f"the key set can't be read: the answer is {status}, not 200" in caplog.text


@pytest.fixture
def bird() -> Iterator[Canary]:
    """Somewhere that nobody should go."""
    with canary() as listening:
        yield listening


async def test_J3_no_proxy_of_the_environment_is_asked(bird: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, bird.url)
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(saying(OK + b"\r\n", SET)) as url:
        assert (await tokens_at(url).actor(signed(OLD, "old"))).id == "ann"
    assert bird.came == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/keys", "data:application/json,{}", "/keys", "x"]
)
def test_J3_an_address_of_another_scheme_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        Document(url, 1)
    with pytest.raises(WrongSetting, match="HUB_JWT_JWKS_URL"):
        from_environment({"HUB_JWT_JWKS_URL": url})


@loops
def test_over_tls_the_certificate_is_checked(loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown)

    async def meet() -> None:
        async with serving(saying(OK + b"\r\n", SET), context) as url:
            await unread(url)
            monkeypatch.setenv("SSL_CERT_FILE", str(shown))
            assert (await tokens_at(url).actor(signed(OLD, "old"))).id == "ann"

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(meet())


async def test_what_is_asked_is_the_address_and_no_more() -> None:
    asked = asyncio.get_running_loop().create_future()

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.set_result(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK + b"Content-Length: 2\r\n\r\n{}")
            await writer.drain()
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(tell, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        url = f"http://ann:secret@127.0.0.1:{port}/realms/a b/ü?of=hub&x=%2F#part"
        assert json.loads(await Document(url, PATIENCE).read()) == {}
    lines = (await asked).decode().split("\r\n")
    assert lines[0] == "GET /realms/a%20b/%C3%BC?of=hub&x=%2F HTTP/1.1"
    assert lines[1] == f"Host: 127.0.0.1:{port}"
    assert "secret" not in "".join(lines)
