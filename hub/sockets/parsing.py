"""Octets to frames: websockets' sans-I/O protocol, with what the hub wants to be otherwise."""

from __future__ import annotations

from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from hub.sockets.trail import GONE


class Parser(ServerProtocol):
    """websockets' own, which hands each frame to `taken` before it reads the next: no close overtakes what was said."""

    taken: Callable[[Frame], None]

    def recv_frame(self, frame: Frame) -> None:
        """A frame was read; what `taken` raises fails the connection, as 1007 where it is a UnicodeDecodeError."""
        if frame.opcode is Opcode.CLOSE:
            # It may come within a message, as any control frame (RFC 6455 §5.4), which would be held against it.
            self.current_size = None
        super().recv_frame(frame)
        self.events.clear()
        self.taken(frame)

    @property
    def code(self) -> int:
        """Of the close that came first, or that was sent because of what came."""
        close = self.close_rcvd or self.close_sent
        return GONE if close is None else close.code
