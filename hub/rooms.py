"""Who listens here, and what they are told: one room for each session that someone in this process looks at.

A room knows the newest state of its session and drops what is not newer. Counts are coalesced, a change of status is
told at once, and a frame is encoded once for all. A listener that can't take a frame gets the newest state when it
can, never a backlog.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from hub import news, views
from hub.domain.events import Present, PublicState, RosterRule, SessionChanged
from hub.domain.model import LeaveReason
from hub.domain.roster import Roster, may_see_roster
from hub.errors import Unavailable

log = logging.getLogger("hub.rooms")

RETRY_SECONDS = 1.0

Snapshot = tuple[PublicState, RosterRule]
Newest = Callable[["Listener"], bytes | None]
"""What a listener may see at the moment it is asked; None for nothing (any more)."""


class Listener(Protocol):
    """Someone who is told."""

    def deliver(self, key: Hashable, frame: bytes, newest: Newest) -> None:
        """Take `frame` now; or, when that is not possible, give `newest` oneself once for each `key` when it is."""

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        """A visit this listener registered was ended by someone else."""


class Source(Protocol):
    """Where rooms read what they have not heard."""

    async def states(self, session_ids: Iterable[int]) -> dict[int, Snapshot]:
        """The newest public states; unknown sessions are left out."""

    async def roster(self, session_id: int) -> tuple[int, list[Present]]:
        """Everyone present, and the revision at which that is so."""


class Room:
    """One session's listeners. Participants may see the roster as its rule says; watchers never do."""

    def __init__(self, rooms: Rooms, session_id: int) -> None:
        self._rooms = rooms
        self.id = session_id
        self.state: PublicState | None = None
        self.rule: RosterRule | None = None
        self.openers = 0
        self._watchers: set[Listener] = set()
        self._insiders: dict[Listener, bool] = {}
        self._roster: Roster | None = None
        self._roster_load: asyncio.Task[None] | None = None
        self._roster_encoded = (0, b"")
        self._heard: list[SessionChanged] = []
        self._frame = b""
        self._encoded = 0
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = 0.0

    @property
    def frame(self) -> bytes:
        """The newest state as a `session` message, encoded once for all."""
        if self.state is not None and self._encoded != self.state.revision:
            self._frame = views.encode(news.session_message(self.state))
            self._encoded = self.state.revision
        return self._frame

    @property
    def empty(self) -> bool:
        """Whether nobody listens, or is about to."""
        return not (self._watchers or self._insiders or self.openers)

    def learn(self, snapshot: Snapshot) -> None:
        """Take a state that was read, if it is newer than what was heard."""
        state, rule = snapshot
        if self.state is None or state.revision > self.state.revision:
            self.state, self.rule = state, rule

    def watch(self, listener: Listener) -> None:
        """Tell `listener` the state now and from now on."""
        self._watchers.add(listener)
        self._deliver_state(listener)

    def enter(self, listener: Listener, *, host: bool, show_state: bool = True) -> None:
        """Tell `listener`, the `host` or a participant, the state and, while it may see it, the roster."""
        self._tell_presence()  # to those inside before: for the newcomer it is in the roster
        self._insiders[listener] = host
        if show_state:
            self._deliver_state(listener)
        self.show_roster(listener)

    def unwatch(self, listener: Listener) -> None:
        """Stop watching."""
        self._watchers.discard(listener)
        if self.empty:
            self._rooms.close(self)

    def exit(self, listener: Listener) -> None:
        """Stop being inside."""
        self._insiders.pop(listener, None)
        if self.empty:
            self._rooms.close(self)

    def show_roster(self, listener: Listener) -> bool:
        """Send the roster to `listener` if it may see it; False if it may not."""
        if not self._may_see(listener):
            return False
        if self._roster is None:
            self._load_roster()
        else:
            self._tell_presence()
            self._deliver_roster(listener)
        return True

    def receive(self, change: SessionChanged) -> None:
        """Take an announcement; an old one is dropped, and after a hole the roster is read again."""
        known = self.state
        if known is not None and change.state.revision <= known.revision:
            return
        self.state, self.rule = change.state, change.rule
        if self._roster_load is not None:
            self._heard.append(change)
        elif self._roster is not None and not self._roster.hear(change):
            self._load_roster()
        if known is None or known.status is not change.state.status:
            self._tell()
        elif self._timer is None:
            wait = self._told_at + self._rooms.interval - asyncio.get_running_loop().time()
            if wait <= 0:
                self._tell()
            else:
                self._timer = asyncio.get_running_loop().call_later(wait, self._tell)

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.state is None:
            return
        self._told_at = asyncio.get_running_loop().time()
        for listener in self._everyone():
            self._deliver_state(listener)
        self._tell_presence()

    def _tell_presence(self) -> None:
        if self._roster is None:
            return
        change = self._roster.news()
        if change is None:
            return
        message = news.PresenceMessage(
            session=self.id,
            revision=change.revision,
            previous=change.previous,
            joined=[views.present(someone) for someone in change.joined],
            left=[views.GoneView(id=user_id) for user_id in change.left],
        )
        frame = views.encode(message)
        for listener in self._insiders:
            if self._may_see(listener):
                listener.deliver(("roster", self.id), frame, self._roster_frame)

    def _everyone(self) -> Iterable[Listener]:
        return self._watchers if not self._insiders else self._watchers | self._insiders.keys()

    def _deliver_state(self, listener: Listener) -> None:
        if self.state is not None:
            listener.deliver(("session", self.id), self.frame, self._state_frame)

    def _state_frame(self, listener: Listener) -> bytes | None:
        return self.frame if listener in self._watchers or listener in self._insiders else None

    def _may_see(self, listener: Listener) -> bool:
        host = self._insiders.get(listener)
        if host is None or self.rule is None or self.state is None:
            return False
        return may_see_roster(self.rule, host=host, live=self.state.live, limit=self._rooms.roster_limit)

    def _deliver_roster(self, listener: Listener) -> None:
        frame = self._roster_frame(listener)
        if frame is not None:
            listener.deliver(("roster", self.id), frame, self._roster_frame)

    def _roster_frame(self, listener: Listener) -> bytes | None:
        if self._roster is None or not self._may_see(listener):
            return None
        if self._roster_encoded[0] != self._roster.revision:
            people = [views.present(someone) for someone in self._roster.people()]
            message = news.RosterMessage(session=self.id, revision=self._roster.revision, participants=people)
            self._roster_encoded = (self._roster.revision, views.encode(message))
        return self._roster_encoded[1]

    def _load_roster(self) -> None:
        if self._roster_load is None:
            self._roster = None
            self._roster_load = self._rooms.spawn(self._read_roster())

    async def _read_roster(self) -> None:
        """Read, apply what was heard meanwhile, tell all who may see it; while it can't be read, try again."""
        try:
            while self._roster is None and any(map(self._may_see, self._insiders)):
                try:
                    roster = Roster(*await self._rooms.source.roster(self.id))
                    # A hole in what was heard since: one of a lossy bus, and cured by reading again.
                    if all([roster.hear(change) for change in self._heard]):
                        roster.news()
                        self._roster = roster
                except Unavailable:
                    log.warning("the roster of session %s can't be read now", self.id)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._heard.clear()
            self._roster_load = None
        for listener in self._insiders:
            self._deliver_roster(listener)


class Rooms:
    """Every room of this process, and who follows the catalog."""

    def __init__(self, source: Source, *, interval: float, roster_limit: int) -> None:
        """`interval` in seconds between counts; participants see rosters of up to `roster_limit` people."""
        self.source = source
        self.interval = interval
        self.roster_limit = roster_limit
        self._rooms: dict[int, Room] = {}
        self._catalog: set[Listener] = set()
        self._visits: dict[str, Listener] = {}
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

    def get(self, session_id: int) -> Room | None:
        """The room of a session, if anyone here looks at it."""
        return self._rooms.get(session_id)

    def close(self, room: Room) -> None:
        """Forget a room that nobody listens to."""
        if room.empty and self._rooms.get(room.id) is room:
            del self._rooms[room.id]

    def watch_catalog(self, listener: Listener) -> None:
        """Tell `listener` of every session that is created, edited, started, ended or cancelled."""
        self._catalog.add(listener)

    def unwatch_catalog(self, listener: Listener) -> None:
        """Stop that."""
        self._catalog.discard(listener)

    def register_visit(self, visit_id: str, listener: Listener) -> None:
        """Tell `listener` when this visit is ended by someone else."""
        self._visits[visit_id] = listener

    def forget_visit(self, visit_id: str) -> None:
        """Stop that."""
        self._visits.pop(visit_id, None)

    def receive(self, change: SessionChanged, frame: bytes | None = None) -> None:
        """Take an announcement from the bus."""
        room = self._rooms.get(change.state.session)
        if room is not None:
            room.receive(change)
        for closed in change.closed:
            listener = self._visits.pop(closed.visit_id, None)
            if listener is not None:
                listener.visit_closed(change.state.session, closed.reason)
        if change.listing is not None and self._catalog:
            listing = views.listing(change.listing, change.state.participants)
            frame = views.encode(news.CatalogMessage(session=listing))
            newest = self._catalog_frame(frame)
            for follower in self._catalog:
                follower.deliver(("catalog", change.state.session), frame, newest)

    def _catalog_frame(self, frame: bytes) -> Newest:
        return lambda follower: frame if follower in self._catalog else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside the rooms, kept until it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _room(self, session_id: int) -> Room:
        return self._rooms.setdefault(session_id, Room(self, session_id))
