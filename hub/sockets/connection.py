"""One socket's life, driven by callbacks: `opened`, `received`, `writable_again`, `closed`.

It knows neither uvicorn nor ASGI; a driver gives it a `Wire`. Nothing here awaits while receiving: what needs the
database runs beside, in order, in a task that lives only as long as there is work.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Protocol

from hub import views
from hub.domain.model import LeaveReason
from hub.domain.people import Actor, Role
from hub.errors import (
    Forbidden,
    HubError,
    InvalidInput,
    NotActive,
    NotBooked,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Undecided,
)
from hub.ids import new_id
from hub.presence import Stay
from hub.rooms import Newest, Room
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
    MessageId,
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

WATCHES = 500
"""Sessions one connection may follow."""
CANCELLED = "Your seat, or the whole session, was cancelled: you have left it."
PATIENCE = 20
"""Messages over the rate that are refused before the socket is closed."""


class Wire(Protocol):
    """What a driver offers; nothing waits."""

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up: False while too much lies unsent."""

    def send(self, frame: bytes) -> None:
        """Send one text message, UTF-8."""

    def close(self, code: int, reason: str) -> None:
        """Send what was sent before, then close."""


class Connection:
    """What one client asked for, and what it is told."""

    def __init__(self, lobby: Lobby, wire: Wire) -> None:
        self.id = new_id()
        self._lobby = lobby
        self._wire = wire
        self._actor: Actor | None = None
        self._watched: set[int] = set()
        self._stays: dict[int, Stay] = {}
        self._missed: dict[Hashable, Newest] = {}
        self._order = InOrder(self._refuse)
        self._token_end = TokenEnd(lobby.clock, self._warn, self._token_ended)
        self._joining: dict[int, LeaveReason | None] = {}
        self._refused = 0
        self._over = False

    # What the driver calls.

    def opened(self, authorization: str | None) -> None:
        """The handshake is done; `authorization` is its header, which counts as `auth`."""
        self._lobby.connections.add(self)
        self.send(Welcome(connection=self.id, server_time=self._lobby.clock()))
        if authorization is not None:
            self._order.add(lambda: self._auth_by_header(authorization), None)

    def received(self, text: str | bytes) -> None:
        """A message has come, whole."""
        if self._over:
            return
        if isinstance(text, bytes):
            self.close(closing.NOT_OUR_PROTOCOL)
        elif len(text) > self._lobby.max_message_bytes or len(text.encode()) > self._lobby.max_message_bytes:
            self.close(closing.TOO_LARGE)
        elif not self._lobby.may_talk(self.id):
            self._too_many()
        else:
            self._refused = 0
            try:
                self._take(read(text))
            except HubError as refusal:
                self.send(error(refusal))

    def writable_again(self) -> None:
        """The peer caught up: it gets the newest state of what it missed, once each."""
        missed, self._missed = self._missed, {}
        for newest in missed.values():
            frame = newest(self)
            if frame is not None:
                self._wire.send(frame)

    def closed(self) -> None:
        """The socket is gone, for whatever reason. Called once or more; only the first counts."""
        self._end()
        self._drop_all()

    # What rooms and the lobby call.

    def deliver(self, key: Hashable, frame: bytes, newest: Newest) -> None:
        """Send `frame`, or what `newest` answers once the peer has caught up."""
        if self._wire.writable:
            self._wire.send(frame)
        else:
            self._missed[key] = newest

    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        """Someone else ended a visit of this connection."""
        stay = self._stays.get(session_id)
        if stay is None:
            return
        self._forget(stay)
        if session_id in self._joining:
            self._joining[session_id] = reason
        elif reason is LeaveReason.CANCELLED:
            self.send(error(NotBooked(CANCELLED), session=session_id))

    def send(self, message: views.View) -> None:
        """Send a message to this client alone."""
        if not self._over:
            self._wire.send(views.encode(message))

    def _refuse(self, refusal: HubError, message_id: MessageId) -> None:
        self.send(error(refusal, message_id))

    def _warn(self, seconds: int) -> None:
        self.send(Expiring(in_=seconds))

    def close(self, close: Close) -> None:
        """End the socket from this side."""
        if not self._over:
            self._end()
            self._wire.close(close.code, close.reason)
            # As of now: a busy process hears of the end later, when who was sent home may have joined elsewhere.
            self._drop_all()

    # Messages.

    def _take(self, message: Incoming) -> None:
        match message:
            case Ping():
                self.send(Pong(id=message.id))
            case Unwatch() if self._order.idle:
                self._unwatch(message)
            case _:
                self._order.add(lambda: self._handle(message), message.id)

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
                await self._leave(message)
            case AskRoster():
                await self._roster(message)

    async def _auth(self, message: Auth) -> None:
        actor = await self._lobby.tokens.actor(message.token)
        self._be(actor)
        if self._over:
            return
        self.send(Ok(id=message.id, user=actor.id, role=actor.role, expires_at=actor.until))
        for session_id in self._watched:
            self._enter_as_host(session_id)

    async def _auth_by_header(self, authorization: str) -> None:
        try:
            self._be(await self._lobby.tokens.bearer(authorization))
        except HubError as refusal:
            self.send(error(refusal))
            self.close(closing.TOKEN_ENDED)

    def _be(self, actor: Actor) -> None:
        if self._over:
            return
        if self._actor is None:
            if not self._lobby.people.enter(actor.id):
                self.close(closing.TOO_MUCH)
                raise RateLimited("You have too many connections open.")
        elif (self._actor.id, self._actor.role) != (actor.id, actor.role):
            raise Forbidden("This socket speaks for another person: open a new one.")
        self._actor = actor
        self._token_end.at(actor.until)

    async def _watch(self, message: Watch) -> None:
        if len(self._watched.union(message.sessions)) > WATCHES:
            raise InvalidInput(f"One connection may watch {WATCHES} sessions at most.")
        wanted = dict.fromkeys(message.sessions)
        rooms = await self._lobby.rooms.open(wanted)
        if self._over:
            for room in rooms.values():
                self._lobby.rooms.close(room)
            return
        self.send(Ok(id=message.id, missing=[session_id for session_id in wanted if session_id not in rooms]))
        if message.catalog:
            self._lobby.rooms.watch_catalog(self)
        for room in rooms.values():
            self._watched.add(room.id)
            room.watch(self)
            self._enter_as_host(room.id)

    def _enter_as_host(self, session_id: int) -> None:
        """An expert sees the roster of an own session without joining it."""
        room = self._lobby.rooms.get(session_id)
        actor = self._actor
        if self._over or room is None or actor is None or session_id in self._stays:
            return
        if self._is_host(room):
            room.enter(self, host=True, show_state=False)

    def _is_host(self, room: Room) -> bool:
        actor, rule = self._actor, room.rule
        return actor is not None and rule is not None and actor.role is Role.EXPERT and rule.expert_id == actor.id

    def _unwatch(self, message: Unwatch) -> None:
        for session_id in message.sessions:
            self._watched.discard(session_id)
            room = self._lobby.rooms.get(session_id)
            if room is not None:
                room.unwatch(self)
                if session_id not in self._stays:
                    room.exit(self)
        if message.catalog:
            self._lobby.rooms.unwatch_catalog(self)
        self.send(Ok(id=message.id))

    async def _join(self, message: Join) -> None:
        if self._actor is None:
            raise Unauthenticated("Say who you are first: send `auth` with a token.")
        actor, session_id = self._actor, message.session
        room = (await self._lobby.rooms.open([session_id])).get(session_id)
        if room is None:
            raise NotFound(f"There is no session {session_id}.")
        with self._lobby.rooms.keep(room):
            if self._over:
                return
            stay = self._stays.get(session_id)
            meeting = await (
                # Joining twice on one connection answers what the first time did.
                self._enter(actor, session_id) if stay is None else self._lobby.presence.join(stay, actor, self.id)
            )
            stay = self._stays.get(session_id)
            if self._over:
                return
            if stay is None:
                raise NotActive("The session ended while you joined it.")
            self.send(Ok(id=message.id, participant=stay.visit_id, meeting=meeting))
            room.enter(self, host=self._is_host(room))

    async def _enter(self, actor: Actor, session_id: int) -> views.Meeting:
        """Registered before it is recorded, so that its end can't be missed."""
        stay = self._stays[session_id] = self._lobby.presence.stay(session_id, actor.id)
        self._lobby.rooms.register_visit(stay.visit_id, session_id, self)
        self._joining[session_id] = None
        try:
            meeting = await self._lobby.presence.join(stay, actor, self.id)
        except BaseException as error:
            self._forget(stay)
            if isinstance(error, Undecided):
                # It may be stored, under a lease that lives: nobody else would ever end it.
                self._lobby.presence.leave_surely(stay, LeaveReason.DISCONNECTED, self._lobby.clock())
            raise
        finally:
            ended = self._joining.pop(session_id, None)
        if self._over:
            self._drop(stay)
        elif ended is LeaveReason.CANCELLED:
            raise NotBooked(CANCELLED)
        elif ended is not None:
            raise NotActive("The session ended while you joined it.")
        return meeting

    async def _leave(self, message: Leave) -> None:
        stay = self._stays.get(message.session)
        if stay is not None:
            at = self._lobby.clock()
            try:
                await self._lobby.presence.leave(stay, LeaveReason.LEFT, at)
            except Unavailable:
                self._lobby.presence.leave_surely(stay, LeaveReason.LEFT, at)
            self._forget(stay)
        self.send(Ok(id=message.id))

    async def _roster(self, message: AskRoster) -> None:
        room = self._lobby.rooms.get(message.session)
        if room is None or not room.show_roster(self):
            raise Forbidden("The roster is open to the host, and to participants while the session's rule allows it.")

    # Ends.

    def _token_ended(self, at: datetime) -> None:
        for stay in list(self._stays.values()):
            self._forget(stay)
            self._lobby.presence.leave_surely(stay, LeaveReason.TOKEN_EXPIRED, at)
        self.close(closing.TOKEN_ENDED)

    def _too_many(self) -> None:
        self._refused += 1
        if self._refused > PATIENCE:
            self.close(closing.TOO_MUCH)
        else:
            self.send(error(RateLimited("Too many messages: slow down, or the socket is closed.")))

    def _forget(self, stay: Stay) -> None:
        """The stay is no longer this connection's: rooms need not tell of it."""
        self._lobby.rooms.forget_visit(stay.visit_id, stay.session_id)
        if self._stays.get(stay.session_id) is stay:
            del self._stays[stay.session_id]
        room = self._lobby.rooms.get(stay.session_id)
        if room is not None:
            room.exit(self)
            if not self._over and stay.session_id in self._watched:
                self._enter_as_host(stay.session_id)

    def _drop_all(self) -> None:
        for stay in list(self._stays.values()):
            self._drop(stay)

    def _drop(self, stay: Stay) -> None:
        """The socket went without a word; a join under way says so again once it is recorded."""
        self._forget(stay)
        if self._lobby.draining:
            self._lobby.presence.park(stay)
        else:
            self._lobby.presence.drop(stay)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self._lobby.connections.discard(self)
        self._order.stop()
        self._token_end.cancel()
        self._lobby.rooms.unwatch_catalog(self)
        for session_id in self._watched:
            room = self._lobby.rooms.get(session_id)
            if room is not None:
                room.unwatch(self)
                room.exit(self)
        self._watched.clear()
        if self._actor is not None:
            self._lobby.people.exit(self._actor.id)
