"""What state Redis is in, looked at from outside: one message goes round by a channel of its own."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from hub import redisurl
from hub.bus.redis.servers import AWAY, STRANGE, Layout, Servers, ask, drop, told

ROUND_SECONDS = 2.0
"""For what is asked of one server, beside the second to connect to it."""
LOGIN, RIGHTS, SILENT, NOWHERE = "login", "rights", "silent", "nowhere"


@dataclass(slots=True)
class Condition:
    """One server. `fault` is what went wrong, in the driver's words, and `trouble` of which kind that is.

    `round_trip` is in seconds. `facts` are INFO's and CONFIG's members; where the user may not ask, there are none.
    """

    address: str
    fault: str | None = None
    trouble: str | None = None
    round_trip: float = 0.0
    facts: dict[str, str] = field(default_factory=dict)

    def failed(self, error: BaseException) -> None:
        """Remember what was raised."""
        self.fault = "no answer in time" if isinstance(error, TimeoutError) else told(error)
        self.trouble = _kind(error)

    @property
    def version(self) -> str:
        """Which server it is, as far as it says."""
        if number := self.facts.get("valkey_version"):
            return f"Valkey {number}"
        return f"version {self.facts.get('redis_version', 'not told')}"


def _kind(error: BaseException) -> str:
    if isinstance(error, AuthenticationError):
        return LOGIN
    if isinstance(error, NoPermissionError):
        return RIGHTS
    return SILENT if isinstance(error, TimeoutError) else NOWHERE


async def condition(url: str) -> list[Condition]:
    """The condition of each server that takes channels, or of the one address where nobody could say who does.

    `url` as HUB_REDIS_URL takes it; raises ValueError. A few seconds at most.
    """
    where = redisurl.parse(url)
    servers = Servers(where)
    try:
        layout = await servers.layout()
    except (*AWAY, *STRANGE) as error:
        nobody = Condition(", ".join(map(str, where.addresses)))
        nobody.failed(error)
        return [nobody]
    prefix = b"hub:1:%d:beat:%s" % (where.namespace, os.urandom(8).hex().encode())
    return list(await asyncio.gather(*(_of(servers, layout, address, prefix) for address in layout.owners)))


async def _of(servers: Servers, layout: Layout, address: redisurl.Address, prefix: bytes) -> Condition:
    found = Condition(str(address))
    connections: list[AbstractConnection] = []
    channel = next(name for number in count() if layout.owner(name := b"%s:%d" % (prefix, number)) == address)
    try:
        for _ in range(2):
            connections.append(await servers.connect(address))
        async with asyncio.timeout(ROUND_SECONDS):
            found.facts.update(await _facts(connections[0]))
            found.round_trip = await _round_trip(connections, channel, layout.sharded)
    except (*AWAY, *STRANGE) as error:
        found.failed(error)
    finally:
        for connection in connections:
            await drop(connection)
    return found


async def _facts(connection: AbstractConnection) -> Mapping[str, str]:
    facts: dict[str, str] = {}
    for command in (("INFO",), ("CONFIG", "GET", "maxclients"), ("CONFIG", "GET", "client-output-buffer-limit")):
        try:
            answer = await ask(connection, *command)
        except AuthenticationError:
            raise
        except RedisError:  # managed servers keep CONFIG to themselves, and rights may be narrow
            continue
        facts.update(_pairs(answer))
    return facts


def _pairs(answer: Any) -> Mapping[str, str]:
    if isinstance(answer, bytes):
        lines = (line.partition(":") for line in answer.decode(errors="replace").splitlines())
        return {name: value for name, colon, value in lines if colon}
    texts = [one.decode(errors="replace") for one in answer]
    return dict(zip(texts[::2], texts[1::2], strict=True))


async def _round_trip(connections: Sequence[AbstractConnection], channel: bytes, sharded: bool) -> float:
    clock, prefix = asyncio.get_running_loop().time, "S" if sharded else ""
    speaks, hears = connections
    await ask(hears, f"{prefix}SUBSCRIBE", channel)
    before = clock()
    await ask(speaks, f"{prefix}PUBLISH", channel, b"check")
    kind, *_ = await hears.read_response(timeout=math.inf)
    if kind not in (b"message", b"smessage"):
        raise RedisError(f"this is no Redis: {kind!r:.100}")
    return clock() - before
