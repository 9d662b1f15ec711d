"""Every room of this process, the visits of its connections, and who follows the catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from hub import news, views
from hub.bus import CATALOG
from hub.domain.events import SessionChanged
from hub.domain.model import LeaveReason, Session, Status
from hub.frames import Frame
from hub.rooms.listening import Interest, Listener, Newest, Source
from hub.rooms.room import Room

AT_ONCE = 500
"""Visits asked for in one read."""

LISTED = 10_000
"""Sessions whose version last told is remembered."""


class Rooms:
    """Every room of this process, and who follows the catalog."""

    def __init__(self, source: Source, interest: Interest, *, interval: float, roster_limit: int) -> None:
        """`interval` in seconds between counts; participants see rosters of up to `roster_limit` people."""
        self.source = source
        self._interest = interest
        self.interval = interval
        self.roster_limit = roster_limit
        self._rooms: dict[int, Room] = {}
        self._catalog: set[Listener] = set()
        self._catalog_since: datetime | None = None
        self._listed: dict[int, tuple[int, Status]] = {}
        self._visits: dict[int, dict[str, Listener]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, session_ids: Iterable[int]) -> dict[int, Room]:
        """The rooms of these sessions with their state known; unknown sessions are left out. May raise Unavailable.

        Watch or enter them at once, without awaiting, or give them to `close`.
        """
        rooms = [self._room(session_id) for session_id in dict.fromkeys(session_ids)]
        for room in rooms:
            room.openers += 1
        try:
            # The rooms stand while this reads, so what is announced meanwhile is heard: nothing falls between.
            cold = [room.id for room in rooms if room.state is None]
            if cold:
                await self._interest.follow(cold)
            states = await self.source.states(cold) if cold else {}
            for room in rooms:
                if room.id in states:
                    room.learn(states[room.id])
        except BaseException:
            self._unpin(rooms)
            for room in rooms:
                self.close(room)
            raise
        self._unpin(rooms)
        for room in rooms:
            if room.state is None:
                self.close(room)
        return {room.id: room for room in rooms if room.state is not None}

    def known_rooms(self, session_ids: Iterable[int]) -> dict[int, Room] | None:
        """The same without awaiting, where all of them stand here with their state known; else None."""
        rooms = {session_id: self._rooms.get(session_id) for session_id in session_ids}
        known = {session_id: room for session_id, room in rooms.items() if room is not None and room.state is not None}
        return known if len(known) == len(rooms) else None

    @contextmanager
    def keep(self, room: Room) -> Iterator[None]:
        """Let `room` stand, and hear what is announced, while its opener awaits something else."""
        room.openers += 1
        try:
            yield
        finally:
            room.openers -= 1
            self.close(room)

    @staticmethod
    def _unpin(rooms: Iterable[Room]) -> None:
        for room in rooms:
            room.openers -= 1

    def __len__(self) -> int:
        """How many rooms stand."""
        return len(self._rooms)

    @property
    def watchers(self) -> int:
        """How many watch, each as often as it watches a session."""
        return sum(room.watchers for room in self._rooms.values())

    @property
    def visits(self) -> int:
        """How many visits are open here."""
        return sum(map(len, self._visits.values()))

    def get(self, session_id: int) -> Room | None:
        """The room of a session, if anyone here looks at it."""
        return self._rooms.get(session_id)

    def close(self, room: Room) -> None:
        """Forget a room that nobody listens to."""
        if room.empty and self._rooms.get(room.id) is room:
            del self._rooms[room.id]
            self._interest.unfollow([room.id])

    def known(self) -> dict[int, int]:
        """Each session that is shown here, and at which revision."""
        return {room.id: room.state.revision for room in self._rooms.values() if room.state is not None}

    def watch_catalog(self, listener: Listener) -> None:
        """Tell `listener` of every session that is created, edited, started, ended or cancelled."""
        self._catalog.add(listener)
        if self._catalog_since is None:
            self._catalog_since = self.source.now()
            self.spawn(self._interest.follow([CATALOG]))

    def unwatch_catalog(self, listener: Listener) -> None:
        """Stop that."""
        self._catalog.discard(listener)
        if not self._catalog and self._catalog_since is not None:
            self._catalog_since = None
            self._listed.clear()
            self._interest.unfollow([CATALOG])

    @property
    def catalog_since(self) -> datetime | None:
        """Since when somebody here has followed the catalog; None when nobody does."""
        return self._catalog_since

    def register_visit(self, visit_id: str, session_id: int, listener: Listener) -> None:
        """Tell `listener` when this visit is ended by someone else."""
        self._visits.setdefault(session_id, {})[visit_id] = listener

    def forget_visit(self, visit_id: str, session_id: int) -> None:
        """Stop that."""
        self._pop_visit(visit_id, session_id)

    def _pop_visit(self, visit_id: str, session_id: int) -> Listener | None:
        visits = self._visits.get(session_id, {})
        listener = visits.pop(visit_id, None)
        if listener is not None and not visits:
            del self._visits[session_id]
        return listener

    async def check_visits(self, session_id: int) -> None:
        """Tell those whose visits of this session were ended unheard. May raise Unavailable."""
        visits = list(self._visits.get(session_id, ()))
        for first in range(0, len(visits), AT_ONCE):
            ended = await self.source.ended_visits(visits[first : first + AT_ONCE])
            self._close_visits(session_id, ended.items())

    def _close_visits(self, session_id: int, ended: Iterable[tuple[str, LeaveReason]]) -> None:
        for visit_id, reason in ended:
            listener = self._pop_visit(visit_id, session_id)
            if listener is not None:
                listener.visit_closed(session_id, reason)

    def receive(self, change: SessionChanged, frame: bytes | None = None) -> None:
        """Take an announcement from the bus; `frame` is its state as a `session` message, where that is ready."""
        session_id = change.state.session
        room = self._rooms.get(session_id)
        if room is not None:
            room.receive(change, frame)
        if change.closed:
            self._close_visits(session_id, ((closed.visit_id, closed.reason) for closed in change.closed))
        if change.listing is not None:
            self.list(change.listing, change.state.participants)

    def list(self, session: Session, seats: int) -> None:
        """Tell who follows the catalog what became of `session`, unless they know; it has `seats` taken."""
        version, status = self._listed.get(session.id, (0, None))
        if not self._catalog or version >= session.version:
            return
        if len(self._listed) >= LISTED:
            del self._listed[next(iter(self._listed))]
        self._listed[session.id] = session.version, session.status
        frame = Frame.of(news.CatalogMessage(session=views.listing(session, seats)))
        newest = self._catalog_frame(frame)
        for follower in list(self._catalog):
            follower.deliver(("catalog", session.id), frame, newest, lasting=session.status is not status)

    def _catalog_frame(self, frame: Frame) -> Newest:
        return lambda follower: frame if follower in self._catalog else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside the rooms, kept until it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _room(self, session_id: int) -> Room:
        return self._rooms.setdefault(session_id, Room(self, session_id))
