"""Reaching Redis servers within a time, and knowing which of them takes a channel.

Connections are redis-py's, without its clients and PubSub: those reconnect by themselves and tell nobody, so a gap goes
unseen; they repeat a command on a frozen server for a minute; and ClusterPubSub asks its shards in turn, so one that
is frozen keeps the others waiting.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import ConnectionError as Refused
from redis.exceptions import RedisError

from hub.redisurl import Address, Kind, RedisUrl

log = logging.getLogger("hub.bus")

SLOTS = 16_384
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
LONGEST_PAUSE = 1.5

AWAY = (RedisError, OSError)
"""What says that a server can't be reached or does not do what it is asked; time-outs are OSErrors."""

STRANGE = (AttributeError, IndexError, TypeError, ValueError)
"""What an answer of another shape than Redis documents ends in: no reason for this process to die."""


@dataclass(frozen=True)
class Layout:
    """Which server takes which slots (first and last of each range); `sharded` is whether it has SPUBLISH."""

    owners: Mapping[Address, tuple[tuple[int, int], ...]]
    sharded: bool = False
    _ranges: list[tuple[int, int, Address]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        ranges = sorted((first, last, one) for one, mine in self.owners.items() for first, last in mine)
        object.__setattr__(self, "_ranges", ranges)

    @property
    def complete(self) -> bool:
        """Whether every channel has a server."""
        return sum(last - first + 1 for first, last, _ in self._ranges) == SLOTS

    def owner(self, channel: bytes) -> Address | None:
        """The server that takes `channel`, if there is one now."""
        if len(self._ranges) == 1 and self.complete:
            return self._ranges[0][2]
        slot = key_slot(channel)
        at = bisect_right(self._ranges, slot, key=lambda one: one[0]) - 1
        return self._ranges[at][2] if at >= 0 and slot <= self._ranges[at][1] else None


def alone(address: Address) -> Layout:
    """One server that takes everything."""
    return Layout({address: ((0, SLOTS - 1),)})


class Servers:
    """The servers of one URL."""

    def __init__(self, url: RedisUrl) -> None:
        self.url = url
        self._known = list(url.addresses)

    async def connect(self, address: Address, *, sentinel: bool = False) -> AbstractConnection:
        """A connection that is open and signed in, within a second; raises what is in AWAY. Give it to `drop`."""
        connection = self._connection(address, sentinel)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await drop(connection)
            raise
        return connection

    def _connection(self, address: Address, sentinel: bool) -> AbstractConnection:
        url = self.url
        options: dict[str, Any] = {
            "username": url.sentinel_username if sentinel else url.username,
            "password": url.sentinel_password if sentinel else url.password,
            # RESP2 costs the reader a third less. No time-outs of the connection's own: each caller has a deadline.
            "protocol": 2,
            "socket_timeout": None,
            "socket_connect_timeout": None,
            "driver_info": None,
        }
        if address.path:
            return UnixDomainSocketConnection(path=address.path, **options)
        options |= {"host": address.host, "port": address.port}
        if not url.tls:
            return Connection(**options)
        verify = "required" if url.verify else "none"
        return SSLConnection(ssl_cert_reqs=verify, ssl_ca_certs=url.ca_file, **options)

    async def layout(self) -> Layout:
        """Who takes what now, from the first server that answers; raises what is in AWAY."""
        if self.url.kind is Kind.SINGLE:
            return alone(self.url.addresses[0])
        failures: list[str] = []
        for address in list(self._known):
            try:
                found = await self._layout_by(address)
            except (*AWAY, *STRANGE) as error:
                failures.append(f"{address}: {told(error)}")
                continue
            others = [one for one in (*self.url.addresses, *self._masters(found)) if one != address]
            self._known = [address, *dict.fromkeys(others)]
            return found
        raise Refused("; ".join(failures))

    def _masters(self, layout: Layout) -> list[Address]:
        return list(layout.owners) if self.url.kind is Kind.CLUSTER else []

    async def _layout_by(self, address: Address) -> Layout:
        sentinel = self.url.kind is Kind.SENTINEL
        connection = await self.connect(address, sentinel=sentinel)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if sentinel:
                    found = await ask(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.url.master)
                    if not found:
                        raise Refused(f"this Sentinel knows no master {self.url.master!r}")
                    return alone(Address(found[0].decode(), int(found[1])))
                slots = await ask(connection, "CLUSTER", "SLOTS")
                known = await ask(connection, "COMMAND", "INFO", "SPUBLISH")
        finally:
            await drop(connection)
        return _of_slots(slots, address, sharded=known[0] is not None)


def _of_slots(slots: Any, asked: Address, *, sharded: bool) -> Layout:
    owners: dict[Address, tuple[tuple[int, int], ...]] = {}
    for first, last, (host, port, *_), *_ in slots:
        # A server that does not know its own name answers with none: it is the one that was asked.
        address = Address(host.decode() if host else asked.host, port)
        owners[address] = (*owners.get(address, ()), (first, last))
    if not owners:
        raise Refused("this server takes no slots yet")
    return Layout(owners, sharded)


async def ask(connection: AbstractConnection, *command: str | bytes) -> Any:
    """The answer to a command; raises what is in AWAY, and waits without end: each caller has a deadline."""
    await connection.send_command(*command)
    return await connection.read_response(timeout=math.inf)


async def drop(connection: AbstractConnection) -> None:
    """Let go of a connection at once. A polite close would wait for a frozen server to read what was written."""
    writer = connection._writer
    if writer is not None:
        writer.transport.abort()
    await connection.disconnect(nowait=True)


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling to a second and a half, with jitter."""
    return min(LONGEST_PAUSE, 0.05 * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)


def told(error: BaseException) -> str:
    """An error as words; a time-out has none of its own."""
    return str(error) or type(error).__name__


class Outage:
    """Something that works or does not: told when it begins and when it is over, not in between."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.on = False

    def began(self, error: BaseException) -> None:
        """It does not work."""
        if not self.on:
            log.warning("%s does not work now: %s", self.what, told(error))
        self.on = True

    def over(self) -> None:
        """It works."""
        if self.on:
            log.warning("%s works again", self.what)
        self.on = False
