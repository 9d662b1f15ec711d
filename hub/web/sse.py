"""A session's public state as server-sent events, for those who can't hold a WebSocket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
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
"""After how long a reader whose stream ended asks again. An answer other than 200 would end an EventSource for good."""
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
        """Send until the end, however it comes; of a HEAD that is the end of the head."""
        try:
            if scope["method"] == "HEAD":
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await send({"type": "http.response.body"})
            else:
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
    window: float | None = None
    """Set when streams end: the seconds over which their readers come back."""

    def end(self, window: float) -> None:
        """End every stream, and those that begin from now on: an open one would hold up a stop. Readers come back by
        themselves, spread over `window` seconds, to the next process."""
        self.window = window
        for follower in self.followers:
            self._send_home(follower, window)

    def _send_home(self, follower: Follower, window: float) -> None:
        follower.come_back_ms = COME_BACK_MS + int(random.uniform(0, window) * 1000)
        follower.news.set()

    async def follow(self, call: Call) -> Response:
        """`event: session`, `id:` the revision, `data:` as on the WebSocket; nothing older than Last-Event-ID."""
        self._enter(call.address)
        try:
            room = (await self.rooms.open([call.session_id])).get(call.session_id)
            if room is None:
                raise NotFound(f"There is no session {call.session_id}.")
            with self.rooms.keep(room):
                seen = _last_seen(call.headers)
                if room.state is not None and seen > room.state.revision:
                    # This process has not heard of it yet, or the database began anew: what is stored is what counts.
                    for snapshot in (await self.rooms.source.states([room.id])).values():
                        room.learn(snapshot)
                follower = Follower(self.told)
                room.watch(follower)
        except BaseException:
            self._exit(call.address)
            raise
        self.followers.add(follower)
        if self.window is not None:  # not a refusal, which would end an EventSource for good
            self._send_home(follower, self.window)
        return Stream(_events(room, follower, seen), partial(self._leave, room, follower, call.address))

    def _enter(self, address: str) -> None:
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


def _last_seen(headers: Mapping[str, str]) -> int:
    """The revision that a reader who comes back had last; 0 for none, and for what is none."""
    last = headers.get("last-event-id", "")
    return int(last) if last.isascii() and last.isdigit() and len(last) < 12 else 0


async def _events(room: Room, follower: Follower, seen: int) -> AsyncIterator[bytes]:
    """The newest state whenever it is another than was sent last, and a comment where nothing happens.

    Who is being sent something is not told of what comes meanwhile. An end of the session ends nothing here: a reader
    would come back for ever, and a seat that is given back afterwards is told as well.
    """
    yield b"retry: %d\n\n" % COME_BACK_MS
    while follower.come_back_ms is None:
        state = room.state
        # Another, not a newer one: a room goes back where what it showed was never stored (`Room.learn`).
        if state is not None and state.revision != seen:
            seen = state.revision
            follower.told.sent += 1
            yield b"event: session\nid: %d\ndata: %s\n\n" % (seen, room.frame.payload)
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):  # not `wait_for`: that makes a task on Python 3.11
                await follower.news.wait()
        except TimeoutError:
            yield b": still here\n\n"
        follower.news.clear()
    yield b"retry: %d\n\n" % follower.come_back_ms
