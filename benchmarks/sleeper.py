"""A watcher who stops reading, and what the kernel holds for it meanwhile."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from dataclasses import dataclass

from benchmarks.audience import REVISION
from benchmarks.machine import KB
from benchmarks.sockets import TEXT, Socket, frame, number
from benchmarks.wrong import Wrong

SMALL_BUFFER = 4_096
SMALL_SEGMENT = 536
"""A sender's buffer grows to a multiple of this; by the segments of 127.0.0.1 it would be megabytes."""
ASKING = frame(TEXT, b'{"type":"ping","id":"%s"}' % (b"-" * 128)) * 32
PAUSE = 0.02
HEAD = 4
FULL = 4
"""Times in a row that no more of the answers is in the kernel, for it to be full."""
MOST = 4 * KB * KB
ESTABLISHED = 1

SOCK_DIAG, BY_FAMILY, REQUEST = 4, 20, 1
ALL_STATES, NO_COOKIE = 0xFFFFFFFF, -1
HEADER = 16
STATE, QUEUES = HEADER + 1, HEADER + 56
LOCALHOST = socket.inet_aton("127.0.0.1")


@dataclass
class Backlog:
    """Bytes that lay in the kernel for the slow one: when it fell asleep, and at the most.

    `gone` tells after how many seconds the server was found to have ended the connection; None when it had not.
    """

    filled: int = 0
    most: int = 0
    gone: float | None = None

    @property
    def taken(self) -> int:
        """Of what came while it slept, the bytes that the kernel had room for."""
        return self.most - self.filled


class Sleeper:
    """The slow reader: stops once it has a snapshot. `frames` and `size` are the states that came after, and bytes."""

    def __init__(self, port: int, session: int) -> None:
        self._port = port
        self._session = session
        self._raw = socket.socket()
        self._revision = -1
        self._asleep_since = 0.0
        self.frames = 0
        self.size = 0
        self.socket: Socket
        self.backlog = Backlog()

    async def fall_asleep(self) -> None:
        """Connect with small buffers, watch, read no more, and fill the kernel: what comes now is the hub's to hold."""
        self._raw.setblocking(False)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT)
        await asyncio.get_running_loop().sock_connect(self._raw, ("127.0.0.1", self._port))
        self.socket = await Socket.open(self._port, self._heard, connected=self._raw)
        await self.socket.watch(self._session)
        self.socket.transport.pause_reading()
        await self._fill()
        self.frames = self.size = 0
        self._asleep_since = time.monotonic()

    async def _fill(self) -> None:
        """Ask for answers that are not read, until no more of them is seen to arrive in the kernel."""
        full, held = 0, 0
        while full < FULL and held < MOST:
            self.socket.transport.write(ASKING)
            await asyncio.sleep(PAUSE)
            before, held = held, self._held() or 0
            full = full + 1 if held <= before else 0
        self.backlog.filled = self.backlog.most = held

    def look(self) -> None:
        """Note what the kernel holds now, and whether the connection stands."""
        backlog = self.backlog
        if backlog.gone is not None:
            return
        held = self._held()
        if held is None:
            backlog.gone = time.monotonic() - self._asleep_since
        else:
            backlog.most = max(backlog.most, held)

    def _held(self) -> int | None:
        """Bytes on their way in the kernel; None when the server has ended the connection."""
        mine = self._raw.getsockname()[1]
        theirs = end_of(self._port, mine)
        return theirs.unsent + end_of(mine, self._port).unread if theirs.state == ESTABLISHED else None

    async def wake(self, revision: int) -> bool:
        """Read again; whether that revision is told on this connection."""
        # A pong to an end that was closed is answered by a reset, which takes along what lies in the kernel unread.
        self.socket.answers_pings = False
        self.socket.transport.resume_reading()
        return await self._told(self.socket, revision)

    async def come_back(self, revision: int) -> bool:
        """Connect anew; whether that revision is told."""
        again = await Socket.watching(self._port, self._session, self._heard)
        told = await self._told(again, revision)
        again.transport.close()
        return told

    async def _told(self, reading: Socket, revision: int) -> bool:
        try:
            await reading.until(lambda: self._revision == revision, "the newest state")
        except Wrong:
            return False
        return True

    def _heard(self, _: Socket, payload: bytes) -> None:
        self._revision = number(payload, REVISION)
        self.frames += 1
        self.size += len(payload) + HEAD


@dataclass(frozen=True)
class End:
    """One end of a connection in the kernel: its state, and the bytes that wait to be sent and to be read."""

    state: int = 0
    unsent: int = 0
    unread: int = 0


def end_of(port: int, peer: int) -> End:
    """The end at `port` of a connection on 127.0.0.1, asked of the kernel for this one alone (sock_diag(7)).

    /proc/net/tcp tells the same, but lists every connection there is, and while it is read nobody else is.
    """
    ends = struct.pack("!HH4s12x4s12x", port, peer, LOCALHOST, LOCALHOST) + struct.pack("=Iq", 0, NO_COOKIE)
    question = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, ALL_STATES) + ends
    head = struct.pack("=IHHII", HEADER + len(question), BY_FAMILY, REQUEST, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, SOCK_DIAG) as kernel:
            kernel.settimeout(1.0)
            kernel.send(head + question)
            answer = kernel.recv(4_096)
    except (AttributeError, OSError) as error:
        raise Wrong(f"this needs to see a socket's queues, which only Linux's sock_diag tells: {error}") from None
    if int.from_bytes(answer[4:6], sys.byteorder) != BY_FAMILY:
        return End()
    unread, unsent = struct.unpack_from("=II", answer, QUEUES)
    return End(answer[STATE], unsent, unread)
