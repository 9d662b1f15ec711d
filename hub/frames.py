"""A message ready to be sent: encoded once, for however many sockets and whichever way it leaves."""

from __future__ import annotations

import struct

from hub import views


class Frame:
    """A text message. `payload` is its JSON in UTF-8, `framed` the same as a WebSocket's octets.

    A server's frames carry no mask and, without extensions, nothing of the connection (RFC 6455 §5.2): the same octets
    serve every socket.
    """

    __slots__ = ("framed", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x81, size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x81, 126, size)
        else:
            head = struct.pack("!BBQ", 0x81, 127, size)
        self.framed = head + payload

    @classmethod
    def of(cls, message: views.View) -> Frame:
        """`message`, encoded."""
        return cls(views.encode(message))
