"""The sockets of processes that listen at one address."""

from __future__ import annotations

import socket
from typing import Any


class CannotListen(Exception):
    """The address can't be had; the message says why, and `number` is the system's (errno), if it has one."""

    def __init__(self, said: str, number: int | None = None) -> None:
        super().__init__(said)
        self.number = number


def bind(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """Sockets at one address for each of `count` workers, bound but not listening yet; raises CannotListen.

    A socket of its own for each (SO_REUSEPORT), and not one for all: the kernel then deals connections out evenly,
    where of one socket whoever wakes first takes all that wait. The supervisor keeps them open, so that what waits in
    the queue of a worker that ended is served by the next one.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        places: list[list[socket.socket]] = [[] for _ in range(count)]
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            # Sharing would also share with a stranger of the same user: first see that nobody is there.
            with _bound(family, address, port, shared=False) as alone:
                port = alone.getsockname()[1]
            for sockets in places:
                sockets.append(_bound(family, address, port, shared=count > 1))
        return places
    except OSError as error:
        raise CannotListen(f"{host}:{port} can't be listened on: {error.strerror}", error.errno) from error
    except UnicodeError as error:  # what IDNA makes of labels that are empty or too long
        raise CannotListen(f"{host}:{port} can't be listened on: it is no name of a host") from error


def _bound(family: int, address: Any, port: int, *, shared: bool) -> socket.socket:
    # Of TCP by name, or asyncio leaves Nagle's algorithm on.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address[0], port, *address[2:]))
    except OSError:
        bound.close()
        raise
    return bound
