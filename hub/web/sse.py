"""A session's public state as server-sent events, for those who can't hold a WebSocket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass, field
from functools import partial

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hub.domain.model import LeaveReason
from hub.errors import NotFound, RateLimited, Unavailable
from hub.frames import Frame
from hub.limits import Crowd
from hub.rooms import Newest, Room, Rooms
from hub.tally import Deliveries
from hub.web.http import EVENT_STREAM, Call

HEARTBEAT_SECONDS = 15.0
COME_BACK_MS = 3000
"""After how long a reader whose stream ended asks again. An answer other than 200 would end an EventSource for good, so
this must be longer than a process that stops still answers."""
RETRY_AFTER = 5.0


class Follower:
    """A listener that remembers only that there is something new: what is sent is always the newest."""

    def __init__(self, told: Deliveries) -> None:
        self.told = told
        self.news = asyncio.Event()
        self.come_back_ms: int | None = None
        """Set when the stream is to end: what the reader is told to wait."""

    def deliver(self, key: Hashable, frame: Frame, newest: Newest, lasting: bool = False) -> None:
        """There is something new."""
        self.told.conflated += self.news.is_set()
        self.news.set()

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        """Followers visit nothing."""


class Stream(StreamingResponse):
    """A stream that calls `gone` when it is over, even when its first byte could not be sent."""

    def __init__(self, content: AsyncIterator[bytes], gone: Callable[[], None]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(content, headers=headers, media_type=EVENT_STREAM)
        self._gone = gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end, however it comes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._gone()


@dataclass(slots=True)
class Events:
    """The handler. Streams are counted in the crowds of the sockets, since each holds a connection like one."""

    rooms: Rooms
    total: Crowd[None]
    addresses: Crowd[str]
    told: Deliveries = field(default_factory=Deliveries)
    followers: set[Follower] = field(default_factory=set)
    ending: bool = False

    def end(self, window: float) -> None:
        """End every stream: an open one would hold up a stop. Readers come back by themselves, spread over `window`
        seconds, to the next process."""
        self.ending = True
        for follower in self.followers:
            follower.come_back_ms = COME_BACK_MS + int(random.uniform(0, window) * 1000)
            follower.news.set()

    async def follow(self, call: Call) -> Response:
        """`event: session`, `id:` the revision, `data:` as on the WebSocket; nothing older than Last-Event-ID."""
        self._enter(call.address)
        try:
            room = (await self.rooms.open([call.session_id])).get(call.session_id)
            if room is None:
                raise NotFound(f"There is no session {call.session_id}.")
        except BaseException:
            self._exit(call.address)
            raise
        last = call.headers.get("last-event-id", "")
        seen = int(last) if last.isascii() and last.isdigit() and len(last) < 12 else 0
        # From here on, without a turn of the loop between: a room that nobody watches yet is anybody's to close.
        follower = Follower(self.told)
        self.followers.add(follower)
        room.watch(follower)
        return Stream(_events(room, follower, seen), partial(self._leave, room, follower, call.address))

    def _enter(self, address: str) -> None:
        if self.ending:
            raise Unavailable("The hub restarts: come back.", retry_after=RETRY_AFTER)
        if not self.total.enter(None):
            raise Unavailable("The hub holds as many connections as it can.", retry_after=RETRY_AFTER)
        if not self.addresses.enter(address):
            self.total.exit(None)
            raise RateLimited("Too many connections from this address.", retry_after=RETRY_AFTER)

    def _exit(self, address: str) -> None:
        self.total.exit(None)
        self.addresses.exit(address)

    def _leave(self, room: Room, follower: Follower, address: str) -> None:
        self.followers.discard(follower)
        room.unwatch(follower)
        self._exit(address)


async def _events(room: Room, follower: Follower, seen: int) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % COME_BACK_MS
    while follower.come_back_ms is None:
        state = room.state
        if state is not None and state.revision > seen:
            seen = state.revision
            follower.told.sent += 1
            yield b"event: session\nid: %d\ndata: %s\n\n" % (seen, room.frame.payload)
        try:
            await asyncio.wait_for(follower.news.wait(), HEARTBEAT_SECONDS)
        except TimeoutError:
            yield b": still here\n\n"
        follower.news.clear()
    yield b"retry: %d\n\n" % follower.come_back_ms
