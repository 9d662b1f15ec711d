"""The direct driver of `/ws`: a connection on the server's own transport, without task, queue, scope or request.

What is known of the wire (RFC 6455) is websockets'; what is known of the hub is the connection's. This is between:
ready frames go straight to the transport, and a peer that takes nothing or says nothing is ended for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN

from hub.frames import Frame as Ready
from hub.sockets.assembling import Assembly
from hub.sockets.backlog import LOOKS, Backlog
from hub.sockets.closing import TOO_SLOW
from hub.sockets.connection import Connection
from hub.sockets.kernel import kept_by, take_all
from hub.sockets.lobby import Lobby
from hub.sockets.parsing import Parser
from hub.sockets.pulse import Pulse

SLICE = 4 * 1024
"""Octets of one peer that are read before others have their turn. libuv would hand over megabytes of them in one go."""
MOST_AFTER = 1_000
"""Frames that a peer may still send after this side's close."""
HIGH_WATER = 32 * 1024
"""Octets that may lie unsent here before a peer counts as slow, and gets newest states only."""
LOW_WATER = 8 * 1024
"""Octets to which that must shrink before it is told again."""
CLOSE_SECONDS = 2.0
"""How long a peer may take to answer a close before it is cut off."""
LAST_SECONDS = 0.5
"""How long one may that was given up: enough for the close to reach the kernel, which goes on trying by itself."""

PING = b"\x89\x00"
CONTROL_OPCODES = (Opcode.CLOSE, Opcode.PING, Opcode.PONG)


class Socket(asyncio.Protocol):
    """The wire of one connection."""

    __slots__ = (
        "_after",
        "_assembly",
        "_backlog",
        "_closing",
        "_connection",
        "_gone",
        "_held",
        "_parser",
        "_pulse",
        "_timer",
        "_transport",
        "_unread",
        "heard",
        "pinged",
        "slot",
        "writable",
    )

    def __init__(
        self,
        lobby: Lobby,
        pulse: Pulse,
        transport: asyncio.Transport,
        parser: Parser,
        gone: Callable[[Socket], None],
    ) -> None:
        """`parser` has accepted the handshake; `gone` is called once, when the transport is."""
        self.writable = True
        self.heard = asyncio.get_running_loop().time()
        self.pinged = 0.0
        self.slot = -1
        self._transport = transport
        self._parser = parser
        parser.taken = self._take
        self._pulse = pulse
        self._gone = gone
        self._after = 0
        self._backlog: Backlog | None = None
        self._closing = False
        self._assembly = Assembly()
        self._unread: bytearray | None = None
        self._held: list[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._connection = Connection(lobby, self)
        transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)

    def opened(self, answer: bytes, authorization: str | None, address: str) -> None:
        """Answer the handshake of a peer at `address`, and begin; `authorization` is its header."""
        self._held = [answer]
        self._pulse.add(self)
        self._connection.opened(authorization, address)
        self.release()

    # The wire.

    def send(self, frame: Ready) -> None:
        """Write one text message; nothing after a close."""
        if not self._closing:
            self._write(frame.framed)

    def close(self, code: int, reason: str) -> None:
        """Close from this side; a peer that does not answer is cut off."""
        if self._parser.state is OPEN:
            if self._transport.get_write_buffer_size():
                take_all(self._transport)
            self._parser.send_close(code, reason)
            self._say(self._parser.data_to_send())

    def hold(self) -> bool:
        """Keep what is sent until `release`: a write for each frame costs more than the frame."""
        if self._held is not None:
            return False
        self._held = []
        return True

    def release(self) -> None:
        """Send what was kept, at once."""
        held, self._held = self._held, None
        if held:
            self._write(held[0] if len(held) == 1 else b"".join(held))

    # The pulse.

    def ping(self) -> None:
        """Ask for a sign of life."""
        if not self._closing:
            self._transport.write(PING)

    def silent(self) -> None:
        """None came."""
        self._give_up("gave up a peer that shows no sign of life")

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Octets of the peer's frames."""
        self.heard = asyncio.get_running_loop().time()
        if self._unread is not None:
            self._unread += data
        elif len(data) > SLICE:
            self._unread = bytearray(data)
            self._transport.pause_reading()
            self._read_on()
        else:
            self._read(data)

    def pause_writing(self) -> None:
        """The peer is slow: if it takes nothing, it is closed, and then cut off."""
        self.writable = False
        self._backlog = Backlog(self._untaken())
        if not self._closing:
            self._do_in(self._pulse.timeout / LOOKS, self._look)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.writable = True
        self._backlog = None
        if not self._closing:
            self._stop_timer()
            self._connection.writable_again()

    def eof_received(self) -> bool:
        """Nothing more will come; what was written still goes out, if the peer takes it."""
        self._over()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        self._stop_timer()
        self._pulse.discard(self)
        self._closing, self._unread = True, None
        connection, gone = self._connection, self._gone
        # Rings would keep it all until the collector comes, which is seldom where thousands lie idle.
        del self._connection, self._gone, self._parser.parser, self._parser.taken
        try:
            # Where the kernel gave up, the peer has been gone for long.
            connection.closed(self._silence() if isinstance(exc, TimeoutError) else 0.0)
        finally:
            gone(self)

    def shutdown(self) -> None:
        """The server stops, and all that could be said was said."""
        self._transport.abort()

    # Reading.

    def _read_on(self) -> None:
        """Read a slice, and the next one when others had their turn."""
        if self._unread is None or self._transport.is_closing():
            return
        part = bytes(self._unread[:SLICE])
        del self._unread[:SLICE]
        self._read(part)
        if self._unread:
            asyncio.get_running_loop().call_soon(self._read_on)
        elif not self._transport.is_closing():
            self._unread = None
            self._transport.resume_reading()

    def _read(self, data: bytes) -> None:
        self.hold()
        try:
            self._parser.receive_data(data)
            self._say(self._parser.data_to_send())
        finally:
            self.release()

    def _take(self, frame: Frame) -> None:
        if self._transport.is_closing():
            return
        if frame.opcode is Opcode.PING:
            for pong in self._parser.data_to_send():
                self._write(pong)
        if self._closing:
            self._after += 1
            if self._after > MOST_AFTER:
                self._cut("gave up a peer that goes on after the close")
            return
        if not frame.fin or frame.opcode in CONTROL_OPCODES:
            self._connection.bothered()
        message = self._assembly.add(frame)
        if message is not None:
            self._connection.received(message)

    # Writing.

    def _say(self, said: list[bytes]) -> None:
        """Write what the parser wants said."""
        for data in said:
            self._write(data)
        if self._parser.state is not OPEN:
            self._over()
            if said and not said[-1]:  # the parser's sign for the end
                self.release()
                self._half_close()

    def _over(self) -> None:
        """Nothing more is said to the peer, which has CLOSE_SECONDS to take what was, and to end the connection."""
        self._connection.closed(code=self._parser.code)
        if not self._closing:
            self._closing = True
            self._do_in(CLOSE_SECONDS, self._transport.abort)

    def _do_in(self, seconds: float, what: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, what)

    def _write(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
        elif data:
            if self._backlog is not None and not self._backlog.grow(len(data)):
                self._cut("gave up a peer that asks and does not read")
                return
            self._transport.write(data)

    def _half_close(self) -> None:
        """Closing at once would reset what the peer is still sending, and with it the close that it has yet to read."""
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _look(self) -> None:
        """A slow peer that takes some is alive, though its pong lies behind all that it has yet to take."""
        if self._backlog is None:
            return
        every = self._pulse.timeout / LOOKS
        if self._backlog.look(self._untaken()):
            # It did since the look before; who took the last of it right after that is not to have been here till now.
            self.heard = max(self.heard, asyncio.get_running_loop().time() - every)
        if self._backlog.stuck:
            self._give_up("gave up a peer that takes too little")
        else:
            self._do_in(every, self._look)

    def _give_up(self, why: str) -> None:
        """Close, and end it soon, whatever the peer does. If it ever reads again, it finds out why."""
        self._connection.close(TOO_SLOW, self._silence(), why)
        self._do_in(LAST_SECONDS, self._transport.abort)

    def _cut(self, why: str) -> None:
        self._closing = True
        self._connection.closed(self._silence(), why=why)
        self._transport.abort()

    def _silence(self) -> float:
        return asyncio.get_running_loop().time() - self.heard

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _untaken(self) -> int:
        """Octets that lie here and in the kernel; it lets go of more only once half of its own were taken."""
        return self._transport.get_write_buffer_size() + kept_by(self._transport)
