"""Listening to one server: what is wanted against what is confirmed, and a heart that beats through the server."""

from __future__ import annotations

import asyncio
import math
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Refused

from hub.bus import Figures
from hub.bus.redis.sender import Sender
from hub.bus.redis.servers import AWAY, Outage, Servers, drop, pause
from hub.redisurl import Address

BEAT_SECONDS = 1.0
PATIENCE_SECONDS = 3.0
_TIME = struct.Struct("<d")


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told: of a channel's payload, of a gap, and that the layout may have changed."""

    heard: Callable[[bytes, bytes], None]
    missed: Callable[[], None]
    doubt: Callable[[], None]


class Link:
    """One server's subscriptions and its sender. The newest wish for a channel wins, whatever is under way.

    `owed` are the channels of which something may have been lost: once all of them are confirmed, `missed` is called.
    """

    def __init__(
        self, servers: Servers, address: Address, *, sharded: bool, beat: bytes, ears: Ears, figures: Figures
    ) -> None:
        """`beat` is a channel of this process alone, which this server takes."""
        self.address = address
        self.sender = Sender(servers, address, "SPUBLISH" if sharded else "PUBLISH", figures, ears.doubt)
        self.up = False
        self.lag = 0.0
        self.owed: set[bytes] = set()
        self._servers = servers
        self._sharded = sharded
        self.beat = beat
        self._ears = ears
        self._figures = figures
        self._wanted: set[bytes] = {beat}
        self._asked: set[bytes] = set()
        self._unanswered: Counter[bytes] = Counter()
        self._touched: set[bytes] = set()
        self._wake = asyncio.Event()
        self._waiting: dict[bytes, asyncio.Future[None]] = {}
        self._outage = Outage(f"hearing of Redis at {address}")
        self._was_up = False
        self._failures = 0
        self._seen = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the last beat came back and nothing is owed."""
        return self.up and not self.owed and asyncio.get_running_loop().time() - self._seen <= PATIENCE_SECONDS

    def beat_on(self, channel: bytes) -> None:
        """Beat on another channel: this server takes the old one no more."""
        old, self.beat = self.beat, channel
        self.unwant(old)
        self.want(channel)

    def want(self, channel: bytes) -> asyncio.Future[None] | None:
        """Hear of `channel`; what to wait for, uncancelled, or None when it is heard already, or the server away."""
        self._wanted.add(channel)
        self._touch(channel)
        if not self.up:
            self.owed.add(channel)
            return None
        if channel in self._asked and channel not in self._unanswered:
            return None
        if channel not in self._waiting:
            self._waiting[channel] = asyncio.get_running_loop().create_future()
        return self._waiting[channel]

    def owe(self, channel: bytes) -> None:
        """Nobody waits any longer for the confirmation of `channel`, so what comes before it is missed."""
        if channel in self._wanted and (channel not in self._asked or channel in self._unanswered):
            self.owed.add(channel)

    def unwant(self, channel: bytes) -> None:
        """Hear of `channel` no more."""
        self._wanted.discard(channel)
        self._touch(channel)
        self._settle(channel)

    def assign(self, channels: Iterable[bytes]) -> None:
        """Hear of just these; of those that are new here something may have been missed."""
        target = {self.beat, *channels}
        for channel in self._wanted - target:
            self.unwant(channel)
        for channel in target - self._wanted:
            self.want(channel)
            self.owe(channel)

    async def run(self) -> None:
        """Listen and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sender.run())
            group.create_task(self._listen())

    async def _listen(self) -> None:
        while True:
            try:
                await self._session()
            except AWAY as error:
                self._outage.began(error)
            self._ears.doubt()
            self._failures += 1
            await asyncio.sleep(pause(self._failures))

    async def _session(self) -> None:
        """One connection's life: it ends by raising, never by itself."""
        connection = await self._servers.connect(self.address)
        self._asked.clear()
        self._unanswered.clear()
        self._touched = set(self._wanted)
        self.owed = set(self._wanted)
        self._wake.set()
        # No TaskGroup: one that fails while its owner is cancelled forgets that, and would never end (Python 3.11).
        parts = [asyncio.create_task(part) for part in (self._ask(connection), self._read(connection), self._watch())]
        try:
            ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()
        finally:
            self.up = False
            for channel in list(self._waiting):
                self._release(channel)
            for part in parts:
                part.cancel()
            await drop(connection)
            await asyncio.gather(*parts, return_exceptions=True)

    async def _ask(self, connection: AbstractConnection) -> None:
        """Bring what is asked of the server to what is wanted."""
        prefix = "S" if self._sharded else ""
        while True:
            await self._wake.wait()
            self._wake.clear()
            touched, self._touched = self._touched, set()
            new = [one for one in touched if one in self._wanted and one not in self._asked]
            old = [one for one in touched if one in self._asked and one not in self._wanted]
            self._asked.update(new)
            self._asked.difference_update(old)
            self._unanswered.update(new)
            self._unanswered.update(old)
            commands = [*self._commands(f"{prefix}SUBSCRIBE", new), *self._commands(f"{prefix}UNSUBSCRIBE", old)]
            if commands:
                await connection.send_packed_command(connection.pack_commands(commands))

    def _commands(self, name: str, channels: list[bytes]) -> list[tuple[str | bytes, ...]]:
        if self._sharded:
            return [(name, channel) for channel in channels]  # one command takes channels of one slot
        return [(name, *channels)] if channels else []

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            reply = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            try:
                kind, channel, payload = reply
            except (TypeError, ValueError):
                raise Refused(f"this is no Redis: {reply!r:.100}") from None
            if kind in (b"message", b"smessage"):
                if channel == self.beat:
                    self._beaten(payload)
                elif channel in self._wanted:
                    self._ears.heard(channel, payload)
            else:
                self._confirmed(channel, reply)

    def _confirmed(self, channel: bytes, reply: Any) -> None:
        if channel not in self._unanswered:
            # The server ends a subscription by itself when the channel's slot moves away.
            raise Refused(f"not asked for: {reply[0]!r}")
        self._unanswered[channel] -= 1
        if self._unanswered[channel]:
            return
        del self._unanswered[channel]
        if channel in self._asked and channel in self._wanted:
            if channel == self.beat and not self.up:
                self._came_up()
            self._settle(channel)

    def _came_up(self) -> None:
        self.up = True
        self._failures = 0
        self._figures.reconnects += self._was_up
        self._was_up = True
        self._outage.over()
        self._send_beat()

    def _settle(self, channel: bytes) -> None:
        self._release(channel)
        if channel in self.owed:
            self.owed.discard(channel)
            if self.up and not self.owed:
                self._ears.missed()

    def _release(self, channel: bytes) -> None:
        waiting = self._waiting.pop(channel, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _touch(self, channel: bytes) -> None:
        self._touched.add(channel)
        self._wake.set()

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        self._seen = clock()
        while True:
            before = clock()
            self._send_beat()
            await asyncio.sleep(BEAT_SECONDS)
            if clock() - before > 2 * BEAT_SECONDS:
                # This process stood still, not the server: what came meanwhile waits to be read.
                self._seen = clock()
            if clock() - self._seen > PATIENCE_SECONDS:
                raise Refused(f"no beat came back for {PATIENCE_SECONDS:g} seconds")

    def _send_beat(self) -> None:
        self.sender.beat(self.beat, _TIME.pack(asyncio.get_running_loop().time()))

    def _beaten(self, payload: bytes) -> None:
        if len(payload) == _TIME.size:
            self._seen = asyncio.get_running_loop().time()
            self.lag = self._seen - _TIME.unpack(payload)[0]
            self._figures.delays.add(self.lag)
