"""A client of bare TCP that sends what it is told to, and holds the server to RFC 6455 in all that comes back."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from tests.rfc6455.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, close
from tests.rfc6455.upgrades import Answer, Request
from tests.running import Running

PATIENCE = 5.0
HOST = "127.0.0.1"
HANDSHAKE = Request()

T = TypeVar("T")


class Peer:
    """One connection. Every wait has an end, and what does not come in time fails as an AssertionError."""

    def __init__(self, tcp: socket.socket, patience: float = PATIENCE) -> None:
        self._tcp = tcp
        self._patience = patience
        self._unread = b""

    async def send(self, *octets: bytes, chop: int | None = None) -> None:
        """Send all in one write, or `chop` octets at a time, each of which the hub reads before the next is sent.

        That the server has ended the connection meanwhile is no fault: what it said before counts.
        """
        whole = b"".join(octets)
        loop = asyncio.get_running_loop()
        step = chop or max(len(whole), 1)
        with suppress(ConnectionError):
            for start in range(0, len(whole), step):
                await self._in_time(loop.sock_sendall(self._tcp, whole[start : start + step]))
                if chop is not None:
                    # A hub in this loop reads between the next turn and the one after it.
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)

    async def send_end(self) -> None:
        """End this half of the connection."""
        self._tcp.shutdown(socket.SHUT_WR)

    async def frame(self) -> Frame:
        """The next frame, which must be one that a server may send."""
        first, second = await self._take(2)
        opcode, length = first & 0x0F, second & 0x7F
        assert not first & 0x70, "a reserved bit without an extension (§5.2)"
        assert not second & 0x80, "a server's frame is masked (§5.1)"
        assert opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG), f"reserved opcode {opcode} (§5.2)"
        if opcode >= CLOSE:
            assert first & 0x80, "a fragmented control frame (§5.5)"
            assert length < 126, "a control frame of more than 125 octets (§5.5)"
        else:
            # The hub sends each of its messages whole.
            assert first & 0x80, "a fragment"
            assert opcode != CONTINUATION, "a continuation of nothing (§5.4)"
        return Frame(opcode, await self._take(await self._length(length)))

    async def _length(self, short: int) -> int:
        if short < 126:
            return short
        octets, least = (2, 126) if short == 126 else (8, 65_536)
        length = int.from_bytes(await self._take(octets))
        assert length >= least, "a length in more octets than it needs (§5.2)"
        assert length < 2**63, "a length with the top bit set (§5.2)"
        return length

    async def message(self) -> dict[str, Any]:
        """The next message, which no other frame may precede."""
        frame = await self.frame()
        assert frame.opcode == TEXT, frame
        message: dict[str, Any] = json.loads(frame.payload.decode())
        return message

    async def messages(self, wanted: Iterable[Any]) -> None:
        """Exactly these messages come next."""
        for message in wanted:
            assert await self.message() == message

    async def pong(self) -> bytes:
        """The payload of a pong frame, which must come next."""
        frame = await self.frame()
        assert frame.opcode == PONG, frame
        return frame.payload

    async def close(self) -> bytes:
        """The payload of a close frame, which must come next: a code and a reason, or nothing."""
        frame = await self.frame()
        assert frame.opcode == CLOSE, frame
        assert len(frame.payload) != 1, "a close with half a code (§5.5.1)"
        frame.payload[2:].decode()
        return frame.payload

    async def end(self) -> None:
        """The server ends the connection and says nothing before."""
        rest = self._unread or await self._more()
        assert rest == b"", f"{rest[:80]!r} came instead of the end"

    async def ended_by(self, *codes: int) -> None:
        """The server closes with one of the codes, is answered as §5.5.1 says, and ends the connection."""
        payload = await self.close()
        assert int.from_bytes(payload[:2]) in codes, payload
        await self.send(close(int.from_bytes(payload[:2])))
        await self.end()

    async def ask(self, request: Request, chop: int | None = None) -> Answer:
        """Send an HTTP request; the answer to it, up to its body."""
        await self.send(request.octets("{}:{}".format(*self._tcp.getpeername())), chop=chop)
        return await self.answer()

    async def answer(self) -> Answer:
        """The head of an HTTP answer, which must come next."""
        while b"\r\n\r\n" not in self._unread:
            more = await self._more()
            assert more, f"the connection ended after {self._unread!r}"
            self._unread += more
        head, self._unread = self._unread.split(b"\r\n\r\n", 1)
        return Answer.of(head)

    async def answer_or_end(self) -> Answer | None:
        """The head of the next answer; None at the end of the connection."""
        self._unread = self._unread or await self._more()
        return await self.answer() if self._unread else None

    async def body(self, answer: Answer) -> bytes:
        """The body of an answer."""
        (length,) = answer.all("content-length")
        return await self._take(int(length))

    async def _take(self, count: int) -> bytes:
        while len(self._unread) < count:
            more = await self._more()
            assert more, f"the connection ended, {count} octets were awaited after {self._unread!r}"
            self._unread += more
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    async def _more(self) -> bytes:
        """What came; nothing at the end, be it a FIN or, since octets of ours were still unread there, a RST."""
        try:
            return await self._in_time(asyncio.get_running_loop().sock_recv(self._tcp, 65_536))
        except ConnectionResetError:
            return b""

    async def _in_time(self, waiting: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await waiting
        except TimeoutError:
            raise AssertionError(f"nothing for {self._patience} s, {self._unread!r} before") from None


@asynccontextmanager
async def reach(running: Running, window: int | None = None) -> AsyncIterator[Peer]:
    """A connection over which nothing was said yet; its peer can have about `window` octets under way to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as tcp:
        tcp.setblocking(False)
        if window is not None:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_connect(tcp, (HOST, running.port))
        yield Peer(tcp)


@asynccontextmanager
async def entered(running: Running, request: Request = HANDSHAKE, window: int | None = None) -> AsyncIterator[Peer]:
    """A WebSocket that was opened and greeted."""
    async with reach(running, window) as peer:
        answer = await peer.ask(request)
        assert answer.status == 101, answer
        assert (await peer.message())["type"] == "welcome"
        yield peer
