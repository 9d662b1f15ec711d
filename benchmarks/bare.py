"""The floor: a uvloop server that lets sockets in and writes one ready frame to all of them, and does nothing else.

`GET` is answered by the handshake of RFC 6455 §4.2.2. `POST` writes its body, a ready frame, to everyone, then is
answered. Requests must come whole, as they do from a client on this machine; what sockets send is dropped.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from hashlib import sha1
from typing import cast

import uvloop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"sec-websocket-key: "
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
TOLD = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
BACKLOG = 2048

everyone: set[asyncio.Transport] = set()


class Bare(asyncio.Protocol):
    """One connection: a transport, and no more."""

    __slots__ = ("transport",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        everyone.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        """A request, or a frame that nobody reads."""
        if data.startswith(b"GET "):
            at = data.index(KEY) + len(KEY)
            accept = b64encode(sha1(data[at : data.index(b"\r\n", at)] + GUID).digest())
            self.transport.write(SWITCHING + accept + b"\r\n\r\n")
            everyone.add(self.transport)
        elif data.startswith(b"POST "):
            frame = data[data.index(b"\r\n\r\n") + 4 :]
            for transport in everyone:
                transport.write(frame)
            self.transport.write(TOLD)


async def main(port: int) -> None:
    """Listen until told to stop."""
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
