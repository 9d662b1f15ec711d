"""The bus of many processes: Redis pub/sub, on one server, behind Sentinel, or on a Cluster (sharded where it can)."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import count

from hub import redisurl
from hub.bus import CATALOG, Deliver, Figures, Hear, wire
from hub.bus.redis.link import Ears, Link
from hub.bus.redis.servers import AWAY, Layout, Outage, Servers, alone, pause
from hub.domain.events import SessionChanged
from hub.errors import Unavailable

log = logging.getLogger("hub.bus")

FOLLOW_SECONDS = 1.0
SURVEY_SECONDS = 5.0
LAST_WORDS_SECONDS = 0.5
COMPLAIN_SECONDS = 60.0
PROBE_SECONDS = 10.0
"""After how long an announcement whose way was to be measured counts as lost."""


class RedisBus:
    """Tells other processes through Redis; the own one at once, also while Redis is away.

    A change goes to its session's channel, and with its `listing` to the catalog's. Who follows both hears it twice:
    rooms drop a revision that is not newer, and the listing comes by the catalog's channel alone.
    """

    def __init__(self, url: str, key: bytes = b"", accepted: Iterable[bytes] = ()) -> None:
        """`url` as HUB_REDIS_URL takes it; raises ValueError. Nothing is connected before `run`.

        Announcements are signed with `key` (64 bytes at most); those signed with it or one `accepted` are believed.
        """
        where = redisurl.parse(url)
        self.figures = Figures()
        self._servers = Servers(where)
        self._key = key
        self._believed = (key, *accepted)
        self._origin = os.urandom(wire.ORIGIN_BYTES)
        self._prefix = b"hub:1:%d:" % where.namespace
        self._deliver: list[Deliver] = []
        self._missed: list[Callable[[], None]] = []
        self._hear: list[Hear] = []
        self._notes = b"%snotes" % self._prefix
        self._followed: set[bytes] = set()
        self._links: dict[redisurl.Address, Link] = {}
        self._tasks: dict[redisurl.Address, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._doubt = asyncio.Event()
        self._outage = Outage("finding the Redis servers")
        self._complained = -COMPLAIN_SECONDS
        self._probe: tuple[bytes, float] = b"", -PROBE_SECONDS
        self._layout = Layout({})
        self._fixed = where.kind is redisurl.Kind.SINGLE
        if self._fixed:
            self._apply(alone(where.addresses[0]))

    @property
    def healthy(self) -> bool:
        """Whether each server was heard of in the last three seconds and confirmed what is followed; needs the loop."""
        return self._layout.complete and all(link.healthy for link in self._links.values())

    @property
    def lag(self) -> float:
        """Seconds from here through Redis and back, of the last beat; the longest of all servers."""
        return max((link.lag for link in self._links.values()), default=0.0)

    def subscribe(self, deliver: Deliver, missed: Callable[[], None]) -> None:
        """Call `deliver` with each change of what is followed, and `missed` after a gap, once nothing more is lost."""
        self._deliver.append(deliver)
        self._missed.append(missed)

    def publish(self, change: SessionChanged) -> None:
        """Tell this process now, and the others soon. Never waits, never raises for the network."""
        frame = wire.frame_of(change)
        plain = change if change.listing is None else replace(change, listing=None)
        self._announce(change.state.session, plain, frame)
        if change.listing is not None:
            self._announce(CATALOG, change, frame)
        for deliver in self._deliver:
            deliver(change, frame)

    async def follow(self, topics: Iterable[int]) -> None:
        """Hear of these. Waits for the servers' word, a second at most, and not at all while they are away.

        What may be lost when that word is late is told by `missed`, as after an outage.
        """
        waiting: dict[bytes, tuple[Link, asyncio.Future[None]]] = {}
        for topic in topics:
            channel = self._channel(topic)
            self._followed.add(channel)
            link = self._owner(channel)
            future = None if link is None else link.want(channel)
            if link is not None and future is not None:
                waiting[channel] = link, future
        if not waiting:
            return
        try:
            await asyncio.wait([future for _, future in waiting.values()], timeout=FOLLOW_SECONDS)
        finally:
            for channel, (link, future) in waiting.items():
                if not future.done():
                    link.owe(channel)

    def unfollow(self, topics: Iterable[int]) -> None:
        """Hear of these no more, at once."""
        for topic in topics:
            channel = self._channel(topic)
            self._followed.discard(channel)
            link = self._owner(channel)
            if link is not None:
                link.unwant(channel)

    def whisper(self, note: bytes) -> None:
        """Tell the other processes, through the server of all notes, unless that is away."""
        link = self._owner(self._notes)
        if link is not None and link.up:
            link.sender.put(self._notes, wire.sign(self._key, self._notes, self._origin + note))

    def overhear(self, hear: Hear) -> None:
        """Call `hear` with each note of another process with the same key."""
        self._hear.append(hear)
        self._followed.add(self._notes)
        link = self._owner(self._notes)
        if link is not None:
            link.want(self._notes)

    async def answers(self) -> None:
        """Return at once when healthy; raises Unavailable."""
        if not self.healthy:
            raise Unavailable("Other processes can't be reached right now: Redis does not answer.")

    async def run(self) -> None:
        """Connect and stay connected, until cancelled; then send what waits, for half a second at most, and close."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for link in self._links.values():
                self._start(link)
            try:
                await (asyncio.Event().wait() if self._fixed else self._survey())
            finally:
                self._group = None
                idle = [asyncio.create_task(link.sender.idle()) for link in self._links.values()]
                if idle:
                    await asyncio.wait(idle, timeout=LAST_WORDS_SECONDS)
                    for task in idle:
                        task.cancel()

    async def _survey(self) -> None:
        """Look again and again who takes what: a master that was replaced may still answer, so nothing would fail."""
        failures = 0
        while True:
            self._doubt.clear()
            try:
                layout = await self._servers.layout()
            except AWAY as error:
                self._outage.began(error)
                failures += 1
                await asyncio.sleep(pause(failures))
                continue
            failures = 0
            self._outage.over()
            self._apply(layout)
            with suppress(TimeoutError):
                async with asyncio.timeout(SURVEY_SECONDS):
                    await self._doubt.wait()
            await asyncio.sleep(pause(1))

    def _apply(self, layout: Layout) -> None:
        if layout == self._layout:
            return
        changed_way = layout.sharded != self._layout.sharded
        gone = [one for one in self._links if changed_way or one not in layout.owners]
        self._layout = layout
        left_over = [waiting for address in gone for waiting in self._stop(address)]
        for address in layout.owners:
            link = self._links.get(address)
            if link is None:
                self._open(address)
            elif layout.owner(link.beat) != address:
                link.beat_on(self._beat_channel(address))
        for address, link in self._links.items():
            link.assign(channel for channel in self._followed if layout.owner(channel) == address)
        for channel, payload in left_over:
            self._send(channel, payload)

    def _open(self, address: redisurl.Address) -> None:
        link = self._links[address] = Link(
            self._servers,
            address,
            sharded=self._layout.sharded,
            beat=self._beat_channel(address),
            ears=Ears(self._heard, self._tell_missed, self._doubt.set),
            figures=self.figures,
        )
        self._start(link)

    def _start(self, link: Link) -> None:
        if self._group is not None:
            self._tasks[link.address] = self._group.create_task(link.run(), name=f"redis {link.address}")

    def _stop(self, address: redisurl.Address) -> list[tuple[bytes, bytes]]:
        task = self._tasks.pop(address, None)
        if task is not None:
            task.cancel()
        return self._links.pop(address).sender.take_all()

    def _beat_channel(self, address: redisurl.Address) -> bytes:
        """A channel of this process that `address` takes, so that each server of a cluster has its own beats."""
        names = (b"%sbeat:%s:%d" % (self._prefix, self._origin.hex().encode(), number) for number in count())
        return next(name for name in names if self._layout.owner(name) == address)

    def _channel(self, topic: int) -> bytes:
        return b"%scatalog" % self._prefix if topic == CATALOG else b"%ssession:%d" % (self._prefix, topic)

    def _owner(self, channel: bytes) -> Link | None:
        address = self._layout.owner(channel)
        return None if address is None else self._links[address]

    def _announce(self, topic: int, change: SessionChanged, frame: bytes) -> None:
        channel = self._channel(topic)
        signed = wire.sign(self._key, channel, wire.pack(self._origin, change, frame))
        if channel in self._followed and (now := time.monotonic()) - self._probe[1] >= PROBE_SECONDS:
            self._probe = signed, now
        self._send(channel, signed)

    def _send(self, channel: bytes, payload: bytes) -> None:
        link = self._owner(channel)
        if link is None:
            self.figures.dropped += 1
        else:
            link.sender.put(channel, payload)

    def _tell_missed(self) -> None:
        for missed in self._missed:
            missed()

    def _heard(self, channel: bytes, payload: bytes) -> None:
        if payload.startswith(self._origin):
            if payload == self._probe[0]:
                self.figures.delays.add(time.monotonic() - self._probe[1])
                self._probe = b"", -PROBE_SECONDS
            return
        try:
            verified = wire.verified(self._believed, channel, payload)
            if channel == self._notes:
                self._overheard(verified)
                return
            change, frame = wire.unpack(verified)
        except wire.Undecodable as error:
            self._undecodable(channel, error)
            return
        self.figures.delivered += 1
        for deliver in self._deliver:
            try:
                deliver(change, frame)
            except Exception:  # a fault of one receiver must not end the hearing of all
                log.exception("an announcement of session %s was not taken", change.state.session)

    def _overheard(self, payload: bytes) -> None:
        for hear in self._hear:
            hear(payload[: wire.ORIGIN_BYTES], payload[wire.ORIGIN_BYTES :])

    def _undecodable(self, channel: bytes, error: Exception) -> None:
        self.figures.undecodable += 1
        now = asyncio.get_running_loop().time()
        if now - self._complained >= COMPLAIN_SECONDS:
            self._complained = now
            log.warning("an announcement on %r can't be read (%d so far): %s", channel, self.figures.undecodable, error)
