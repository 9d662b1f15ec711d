"""What this kernel keeps of what was written to a peer (tcp(7)); where it does not tell, nothing."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress


def kept_by(transport: asyncio.Transport) -> int:
    """Octets that the peer's kernel has not taken (SIOCOUTQ)."""
    tcp = transport.get_extra_info("socket")
    if tcp is None or not sys.platform.startswith("linux"):
        return 0
    try:
        (octets,) = struct.unpack("i", fcntl.ioctl(tcp.fileno(), termios.TIOCOUTQ, bytes(4)))
        return int(octets)
    except OSError:  # reset meanwhile
        return 0


def take_all(transport: asyncio.Transport) -> None:
    """Let it take all that lies unsent, so that what is written now gets into the stream at all."""
    tcp = transport.get_extra_info("socket")
    if tcp is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):  # the peer has reset the connection meanwhile
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)
