"""The floor: a uvloop server that lets sockets in and writes one ready frame to all of them, and does nothing else.

`GET` is answered by the accept key of RFC 6455 §4.2.2, without a look at anything else; with `checked` by the whole
handshake, read and judged by websockets as §4.2.1 wants it. `POST` writes its body, a ready frame, to everyone, then is
answered. Requests must come whole, as they do from a client on this machine; what sockets send is dropped.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from typing import ClassVar, cast

import uvloop
from websockets.http11 import Request
from websockets.server import ServerProtocol

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"sec-websocket-key: "
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
TOLD = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
BACKLOG = 2048

everyone: set[asyncio.Transport] = set()


def accepted(request: bytes) -> bytes:
    """The answer to what is taken for a right handshake."""
    at = request.index(KEY) + len(KEY)
    accept = b64encode(sha1(request[at : request.index(b"\r\n", at)] + GUID).digest())
    return SWITCHING + accept + b"\r\n\r\n"


def checked(request: bytes) -> bytes:
    """The answer of websockets' sans-I/O protocol, which reads and checks all of it."""
    protocol = ServerProtocol()
    protocol.receive_data(request)
    (read,) = protocol.events_received()
    protocol.send_response(protocol.accept(cast(Request, read)))
    return b"".join(protocol.data_to_send())


class Bare(asyncio.Protocol):
    """One connection: a transport, and no more."""

    __slots__ = ("transport",)
    answer: ClassVar[Callable[[bytes], bytes]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        everyone.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        """A request, or a frame that nobody reads."""
        if data.startswith(b"GET "):
            self.transport.write(Bare.answer(data))
            everyone.add(self.transport)
        elif data.startswith(b"POST "):
            frame = data[data.index(b"\r\n\r\n") + 4 :]
            for transport in everyone:
                transport.write(frame)
            self.transport.write(TOLD)


async def main(port: int, answer: Callable[[bytes], bytes]) -> None:
    """Listen until told to stop."""
    Bare.answer = staticmethod(answer)
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), checked if "checked" in sys.argv else accepted))
