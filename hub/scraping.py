"""An address of each process's own, where its figures are and nothing else.

Workers share one address, so there `/metrics` is that of whichever worker answers. This is HTTP for a scraper that one
knows: a request a connection, five seconds for all of it, a few at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from hub.metrics import CONTENT_TYPE

SECONDS = 5.0
AT_ONCE = 16
HEAD = "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"


async def listen(own: socket.socket, text: Callable[[], bytes]) -> asyncio.Server:
    """Answer `GET /metrics` by `text` on a bound socket, until the server is closed."""
    asking = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asking
        asking += 1
        try:
            async with asyncio.timeout(SECONDS if asking <= AT_ONCE else 0):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, text))
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError, asyncio.LimitOverrunError):  # TimeoutError is an OSError
            pass
        finally:
            asking -= 1
            writer.transport.abort()

    return await asyncio.start_server(answer, sock=own)


def _answer(head: bytes, text: Callable[[], bytes]) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != b"/metrics":
        status, kind, body = "404 Not Found", "text/plain", b"The figures are at /metrics.\n"
    elif method not in (b"GET", b"HEAD"):
        status, kind, body = (
            "405 Method Not Allowed\r\nallow: GET, HEAD",
            "text/plain",
            b"They are read by GET.\n",
        )
    else:
        status, kind, body = "200 OK", CONTENT_TYPE, text()
    return HEAD.format(status, kind, len(body)).encode() + (b"" if method == b"HEAD" else body)
