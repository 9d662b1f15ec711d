"""A session's public state as server-sent events, for those who can't hold a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass, field

from starlette.responses import Response, StreamingResponse

from hub.domain.model import LeaveReason
from hub.errors import NotFound
from hub.rooms import Newest, Room, Rooms
from hub.web.http import EVENT_STREAM, Call

HEARTBEAT_SECONDS = 15.0


class Follower:
    """A listener that remembers only that there is something new: what is sent is always the newest."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.sent_home = False

    def deliver(self, key: Hashable, frame: bytes, newest: Newest) -> None:
        """There is something new."""
        self.news.set()

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        """Followers visit nothing."""


@dataclass(frozen=True, slots=True)
class Events:
    """The handler."""

    rooms: Rooms
    followers: set[Follower] = field(default_factory=set)

    def end(self) -> None:
        """End every stream: an open one would hold up a stop. Clients come back by themselves, to the next process."""
        for follower in self.followers:
            follower.sent_home = True
            follower.news.set()

    async def follow(self, call: Call) -> Response:
        """`event: session`, `id:` the revision, `data:` as on the WebSocket; nothing older than Last-Event-ID."""
        room = (await self.rooms.open([call.session_id])).get(call.session_id)
        if room is None:
            raise NotFound(f"There is no session {call.session_id}.")
        last = call.headers.get("last-event-id", "")
        seen = int(last) if last.isascii() and last.isdigit() and len(last) < 12 else 0
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._stream(room, seen), headers=headers, media_type=EVENT_STREAM)

    async def _stream(self, room: Room, seen: int) -> AsyncIterator[bytes]:
        follower = Follower()
        self.followers.add(follower)
        room.watch(follower)
        try:
            yield b"retry: 3000\n\n"
            while not follower.sent_home:
                state = room.state
                if state is not None and state.revision > seen:
                    seen = state.revision
                    yield b"event: session\nid: %d\ndata: %s\n\n" % (seen, room.frame)
                try:
                    await asyncio.wait_for(follower.news.wait(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                follower.news.clear()
        finally:
            self.followers.discard(follower)
            room.unwatch(follower)
