"""One socket's life, driven by callbacks: `opened`, `received`, `writable_again`, `closed`.

It knows neither uvicorn nor ASGI; a driver gives it a `Wire`. Nothing here awaits while receiving: what needs the
database runs beside, in order, in a task that lives only as long as there is work. Thousands of these lie idle, so
what a connection may never need is made when it first does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from hub.domain.model import LeaveReason
from hub.domain.people import Actor, Role
from hub.errors import Forbidden, HubError, InvalidInput, NotBooked, NotFound, RateLimited, Unauthenticated
from hub.ids import new_id
from hub.limits import Bucket
from hub.rooms import Room
from hub.sockets import closing
from hub.sockets.closing import Close
from hub.sockets.expiry import TokenEnd
from hub.sockets.lobby import Lobby
from hub.sockets.messages import (
    AskRoster,
    Auth,
    Expiring,
    Incoming,
    Join,
    Leave,
    Ok,
    Ping,
    Pong,
    Unwatch,
    Watch,
    Welcome,
    error,
    read,
)
from hub.sockets.order import InOrder
from hub.sockets.outbox import Outbox, Wire
from hub.sockets.stays import CANCELLED, Stays
from hub.sockets.trail import GONE, Trail

WATCHES = 500
"""Sessions one connection may follow."""
PATIENCE = 20
"""Messages over the rate that are refused, more than were granted meanwhile, before the socket is closed."""
ACTIONS = {Auth: "auth", Join: "join", Leave: "leave"}
"""What the log calls them; all others are messages."""


class Connection(Outbox):
    """What one client asked for, and what it is told."""

    __slots__ = (
        "_actor",
        "_bucket",
        "_lobby",
        "_noise",
        "_order",
        "_refused",
        "_stays",
        "_token_end",
        "_trail",
        "_watched",
        "id",
    )

    def __init__(self, lobby: Lobby, wire: Wire) -> None:
        super().__init__(wire, lobby.traffic.sockets)
        self.id = new_id()
        self._lobby = lobby
        self._actor: Actor | None = None
        self._bucket: Bucket | None = None
        self._noise: Bucket | None = None
        self._watched: frozenset[int] = frozenset()
        self._order = InOrder(self.id)
        self._stays: Stays | None = None
        self._token_end: TokenEnd | None = None
        self._refused = 0
        self._trail = Trail(lobby.audit, self.id)

    # What the driver calls.

    def opened(self, authorization: str | None, address: str) -> None:
        """The handshake is done, with a peer at `address`; `authorization` is its header, which counts as `auth`."""
        self._lobby.connections.add(self)
        self._trail.opened(address)
        self.send(Welcome(connection=self.id, server_time=self._lobby.clock()))
        if authorization is not None:
            self._order.add(lambda: self._auth_by_header(authorization), lambda refusal: self._refuse(refusal, "auth"))

    def received(self, text: str | bytes) -> None:
        """A message has come, whole."""
        if self.over:
            return
        self._trail.messages += 1
        if isinstance(text, bytes):
            self.close(closing.NOT_OUR_PROTOCOL)
        elif len(text) > self._lobby.max_message_bytes or len(text.encode()) > self._lobby.max_message_bytes:
            self.close(closing.TOO_LARGE)
        elif not self._may_talk():
            self._too_many()
        else:
            self._refused = max(0, self._refused - 1)  # not 0: at ten times the rate every tenth is granted
            self._read(text)

    def bothered(self) -> None:
        """A frame has come that is no message: a control frame, or a part. Too many of them end the socket."""
        pace, at = self._lobby.noise, time.monotonic()
        if self._noise is None:
            self._noise = pace.bucket(at)
        if pace.wait(self._noise, at) > 0:
            self.close(closing.TOO_MUCH)

    def closed(self, silent: float = 0.0, code: int = GONE, why: str | None = None) -> None:
        """The socket is gone, for whatever reason; the last that was heard of the peer is `silent` seconds ago.

        `code` is of the close that ended it; `why`, for the log, where the driver did. Called once or more; only the
        first counts.
        """
        if not self.over:
            # Who is cut off without a close is one who does not read.
            self._lobby.traffic.closed(code, ours=False, slow=why is not None)
        self._end(code, why)
        self._drop(silent)

    # What rooms and the lobby call.

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        """Someone else ended a visit of this connection."""
        if self._stays is not None and self._stays.closed_by_others(session_id, reason):
            if reason is LeaveReason.CANCELLED:
                self.send(error(NotBooked(CANCELLED), session=session_id))

    def close(self, close: Close, silent: float = 0.0, why: str | None = None) -> None:
        """End the socket from this side; the last that was heard of the peer is `silent` seconds ago.

        `why` is for the log, where that knows more than the close's reason.
        """
        if not self.over:
            self._lobby.traffic.closed(close.code, ours=True, slow=close is closing.TOO_SLOW)
            self._end(close.code, why or close.reason)
            # As of now: a busy process hears of the end later, when who was sent home may have joined elsewhere.
            self._drop(silent)
            self._wire.close(close.code, close.reason)

    # Messages.

    def _may_talk(self) -> bool:
        pace, at = self._lobby.messages, time.monotonic()
        if self._bucket is None:
            self._bucket = pace.bucket(at)
        return pace.wait(self._bucket, at) == 0

    def _too_many(self) -> None:
        self._refused += 1
        if self._refused > PATIENCE:
            self.close(closing.TOO_MUCH)
        else:
            self._refuse(RateLimited("Too many messages: slow down, or the socket is closed."), "message")

    def _refuse(self, refusal: HubError, action: str, message: Incoming | None = None) -> None:
        self._lobby.traffic.refusals["message", refusal.code] += 1
        self._trail.refused(action, refusal, getattr(message, "session", None))
        self.send(error(refusal, message.id if message else None))

    def _read(self, text: str) -> None:
        message = None
        try:
            message = read(text)
            self._take(message)
        except HubError as refusal:
            self._refuse(refusal, "message", message)

    def _take(self, message: Incoming) -> None:
        """At once where nothing is under way and nothing has to be waited for; else in its turn."""
        if isinstance(message, Ping):
            self.send(Pong(id=message.id))
            return
        if self._order.idle:
            if isinstance(message, Unwatch):
                self._unwatch(message)
                return
            if isinstance(message, Watch) and (rooms := self._lobby.rooms.known_rooms(message.sessions)) is not None:
                self._may_watch(message)
                self._follow(message, rooms)
                return
        action = ACTIONS.get(type(message), "message")
        taken = self._order.add(lambda: self._handle(message), lambda refusal: self._refuse(refusal, action, message))
        if taken and isinstance(message, Leave) and self._stays is not None:
            self._stays.asked_to_leave(message.session)

    async def _handle(self, message: Incoming) -> None:
        match message:
            case Auth():
                await self._auth(message)
            case Watch():
                await self._watch(message)
            case Unwatch():
                self._unwatch(message)
            case Join():
                await self._join(message)
            case Leave():
                if self._stays is not None:
                    if await self._stays.leave(message.session):
                        self._trail.did("leave", message.session)
                    self._no_longer_heard(message.session)
                self.send(Ok(id=message.id))
            case AskRoster():
                self._roster(message)

    async def _auth(self, message: Auth) -> None:
        actor = await self._lobby.tokens.actor(message.token)
        self._be(actor)
        if self.over:
            return
        self.send(Ok(id=message.id, user=actor.id, role=actor.role, expires_at=actor.until))
        for session_id in self._watched:
            self._enter_as_host(session_id)

    async def _auth_by_header(self, authorization: str) -> None:
        try:
            self._be(await self._lobby.tokens.bearer(authorization))
        except HubError as refusal:
            self._refuse(refusal, "auth")
            self.close(closing.TOKEN_ENDED)

    def _be(self, actor: Actor) -> None:
        if self.over:
            return
        if self._actor is None:
            if not self._lobby.people.enter(actor.id):
                self.close(closing.TOO_MUCH)
                raise RateLimited("You have too many connections open.")
            self._token_end = TokenEnd(self._lobby.clock, self._warn, self._token_ended)
        elif (self._actor.id, self._actor.role) != (actor.id, actor.role):
            raise Forbidden("This socket speaks for another person: open a new one.")
        self._actor = actor
        self._trail.is_now(actor)
        if self._token_end is not None:
            self._token_end.at(actor.until)

    async def _watch(self, message: Watch) -> None:
        self._may_watch(message)
        rooms = await self._lobby.rooms.open(message.sessions)
        if self.over:
            for room in rooms.values():
                self._lobby.rooms.close(room)
        else:
            self._follow(message, rooms)

    def _may_watch(self, message: Watch) -> None:
        if len(self._watched.union(message.sessions)) > WATCHES:
            raise InvalidInput(f"One connection may watch {WATCHES} sessions at most.")

    def _follow(self, message: Watch, rooms: Mapping[int, Room]) -> None:
        missing = [session_id for session_id in dict.fromkeys(message.sessions) if session_id not in rooms]
        with self.together():
            self.send(Ok(id=message.id, missing=missing))
            if message.catalog:
                self._lobby.rooms.watch_catalog(self)
            self._watched = self._watched.union(rooms)
            for room in rooms.values():
                room.watch(self)
                self._enter_as_host(room.id)

    def _enter_as_host(self, session_id: int) -> None:
        """An expert sees the roster of an own session without joining it."""
        room = self._lobby.rooms.get(session_id)
        if self.over or room is None or not self._is_host(room):
            return
        if self._stays is None or session_id not in self._stays:
            room.enter(self, host=True, show_state=False)

    def _is_host(self, room: Room) -> bool:
        actor, rule = self._actor, room.rule
        return actor is not None and rule is not None and actor.role is Role.EXPERT and rule.expert_id == actor.id

    def _unwatch(self, message: Unwatch) -> None:
        self._watched = self._watched.difference(message.sessions)
        for session_id in message.sessions:
            room = self._lobby.rooms.get(session_id)
            if room is not None:
                room.unwatch(self)
                if self._stays is None or session_id not in self._stays:
                    room.exit(self)
            self._no_longer_heard(session_id)
        if message.catalog:
            self._lobby.rooms.unwatch_catalog(self)
        self.send(Ok(id=message.id))

    def _no_longer_heard(self, session_id: int) -> None:
        if session_id not in self._watched and (self._stays is None or session_id not in self._stays):
            self.forget(session_id)

    async def _join(self, message: Join) -> None:
        if self._actor is None:
            raise Unauthenticated("Say who you are first: send `auth` with a token.")
        room = (await self._lobby.rooms.open([message.session])).get(message.session)
        if room is None:
            raise NotFound(f"There is no session {message.session}.")
        with self._lobby.rooms.keep(room):
            if self.over:
                return
            stays = self._stays = self._stays or Stays(self._lobby, self, self._left)
            joined = await stays.join(self._actor, message.session)
            if joined is not None:
                stay, meeting = joined
                shown = meeting.url is not None
                if stays.is_news(stay, shown):
                    self._trail.did("join", message.session, "meeting" if shown else None)
                with self.together():
                    self.send(Ok(id=message.id, participant=stay.visit_id, meeting=meeting))
                    room.enter(self, host=self._is_host(room))

    def _left(self, session_id: int) -> None:
        room = self._lobby.rooms.get(session_id)
        if room is not None:
            room.exit(self)
            if not self.over and session_id in self._watched:
                self._enter_as_host(session_id)

    def _roster(self, message: AskRoster) -> None:
        room = self._lobby.rooms.get(message.session)
        if room is None or not room.show_roster(self):
            raise Forbidden("The roster is open to the host, and to participants while the session's rule allows it.")

    # Ends.

    def _warn(self, seconds: int) -> None:
        self.send(Expiring(in_=seconds))

    def _token_ended(self, at: datetime) -> None:
        if self._stays is not None:
            self._stays.end(LeaveReason.TOKEN_EXPIRED, at)
        self.close(closing.TOKEN_ENDED)

    def _drop(self, silent: float) -> None:
        # Let go, as it points back here: a ring would wait for the collector.
        stays, self._stays = self._stays, None
        if stays is not None:
            stays.drop(self._lobby.clock() - timedelta(seconds=silent))

    def _end(self, code: int, reason: str | None) -> None:
        if self.over:
            return
        self.over = True
        self.give_up()
        self._trail.closed(code, reason)
        self._lobby.connections.discard(self)
        self._order.stop()
        if self._token_end is not None:
            self._token_end.cancel()
            self._token_end = None
        self._lobby.rooms.unwatch_catalog(self)
        for session_id in self._watched:
            room = self._lobby.rooms.get(session_id)
            if room is not None:
                room.unwatch(self)
                room.exit(self)
        self._watched = frozenset()
        if self._actor is not None:
            self._lobby.people.exit(self._actor.id)
