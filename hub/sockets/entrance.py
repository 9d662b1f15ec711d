"""The way from uvicorn to a socket: upgrades are finished here, and everything else goes on to Starlette.

uvicorn's protocol classes are not a public interface: what this uses of them is written down in a test that fails when
it drifts, and the versions are bounded in pyproject.toml.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, cast
from urllib.parse import unquote

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request, Response
from websockets.protocol import OPEN

from hub.errors import HubError, InvalidInput, MethodNotAllowed, NotFound
from hub.limits import Addresses
from hub.protection import OVER_TLS
from hub.sockets.caller import Caller, House
from hub.sockets.direct import Socket
from hub.sockets.door import Door, Visitor, by_name
from hub.sockets.lobby import Lobby
from hub.sockets.parsing import Parser
from hub.sockets.patience import Bounds, Watch
from hub.sockets.pulse import Pulse
from hub.sockets.refusals import Answer, answer, tell

PATH = "/ws"
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n"
)
"""RFC 6455 §4.2.2, without extensions and subprotocols, which are never negotiated."""
FORWARDED = ("x-forwarded-for", "x-forwarded-proto")

quiet = logging.getLogger("hub.sockets.frames")
"""For websockets, which says at `info` and `debug` what every connection does."""
quiet.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Way:
    """What every socket of one server shares."""

    lobby: Lobby
    door: Door
    pulse: Pulse


def entrance(
    lobby: Lobby, ping_seconds: float, ping_timeout: float, bounds: Bounds | None = None
) -> type[HttpToolsProtocol]:
    """uvicorn's HTTP protocol with sockets of this lobby behind `/ws`, for `uvicorn.Config(http=…)`."""
    way = Way(lobby, Door(lobby), Pulse(ping_seconds, ping_timeout))
    house = House(Watch(bounds or Bounds()), lobby.total.most, Addresses(lobby.addresses.most))
    return type("Entrance", (_Entrance,), {"way": way, "house": house})


class _Entrance(Caller):
    """One HTTP connection, until it becomes a socket."""

    way: ClassVar[Way]
    _wanted_of = -1

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._wanted: bytes | None = None
        self._wanted_of = -1

    def _get_upgrade(self) -> bytes | None:
        # Asked three times a request. uvicorn's own looks at the last Connection line alone, and at HTTP/1.0 too, whose
        # upgrades are to be ignored (RFC 9110 §5.3, §7.8).
        if self._wanted_of != len(self.headers):
            self._wanted_of, self._wanted = len(self.headers), self._asked_for()
        return self._wanted

    def _asked_for(self) -> bytes | None:
        connection = b",".join([value for name, value in self.headers if name == b"connection"])
        options = [option.strip() for option in connection.lower().split(b",")]
        if b"upgrade" not in options or self.parser.get_http_version() == "1.0":
            return None
        return next((value.strip().lower() for name, value in self.headers if name == b"upgrade"), None)

    def handle_websocket_upgrade(self) -> None:
        """The request is whole, and asks for a WebSocket."""
        before = cast(RequestResponseCycle | None, self.cycle)
        if before is not None and not before.response_complete:
            # Sent before the answer to the one before, which would then be written in among the frames.
            self.end_with_answer()
            return
        upgrade = sys.exception()
        assert isinstance(upgrade, httptools.HttpParserUpgrade)
        try:
            self._become(*self._shake_hands(), self.segment[upgrade.args[0] :])
        except Refused as refused:
            self.refuse(refused.answer, "open")

    def _shake_hands(self) -> tuple[Parser, bytes, Visitor]:
        path = _path(self.url)
        if path != PATH:
            raise Refused(answer(NotFound("There is no WebSocket here: it is at /ws."), path))
        # Of a value, blanks around it are no part (RFC 9110 §5.5).
        lines = [(name.decode("latin-1"), value.decode("latin-1").strip(" \t")) for name, value in self.headers]
        headers = Headers(lines)
        # The request is read already: a parser that begins earlier would wait for one before it reads frames.
        parser = Parser(state=OPEN, max_size=self.way.lobby.max_message_bytes, logger=quiet)
        version = f"HTTP/{self.scope['http_version']}"
        request = Request(self.url.decode("latin-1"), headers, self.scope["method"], version)
        try:
            accept, _, _ = parser.process_request(request)
        except InvalidHandshake:
            raise Refused(_malformed(parser, parser.accept(request))) from None
        if "transfer-encoding" in headers or headers.get_all("content-length") not in ([], ["0"]):
            raise Refused(answer(InvalidInput("A handshake has no body."), PATH))
        visitor = self._visitor(by_name(lines))
        try:
            self.way.door.enter(visitor)
        except HubError as refusal:
            raise Refused(answer(refusal, PATH)) from refusal
        date = b"".join([b"%s: %s\r\n" % line for line in self.server_state.default_headers])
        return parser, SWITCH % (date, accept.encode()), visitor

    def _visitor(self, headers: Mapping[str, str]) -> Visitor:
        client, scheme = self.client, "wss" if self.scheme == "https" else "ws"
        if any(name in headers for name in FORWARDED):
            client, scheme = _forwarded(self.config.forwarded_allow_ips, client, scheme, self.headers)
        return Visitor(headers, scheme == "wss", client[0] if client else "")

    def _become(self, parser: Parser, answered: bytes, visitor: Visitor, early: bytes) -> None:
        # What uvicorn asks of those in this set is `shutdown`, and that they take themselves out.
        connections = cast(set[asyncio.Protocol], self.connections)
        connections.discard(self)
        self.let_go()
        self._unset_keepalive_if_required()  # or it would close what is no HTTP connection any more
        gone = partial(_gone, connections, self.way.door, visitor.address)
        socket = Socket(self.way.lobby, self.way.pulse, self.transport, parser, gone)
        connections.add(socket)
        self.transport.set_protocol(socket)
        del self.parser  # it knows this object, which knows it: a ring that would wait for the collector
        socket.opened(answered, visitor.headers.get("authorization"), visitor.address)
        if early:  # a client should wait for the answer (RFC 6455 §4.1); what it said is not lost where it does not
            socket.data_received(early)

    def gave_up(self, why: str) -> None:
        """Tell the log."""
        address = self.client[0] if self.client else ""
        self.way.lobby.audit.tell_some("close", "given_up", None, address, reason=why)

    def noted(self, refused: Answer, action: str) -> Mapping[str, str]:
        """Tell the log of a refusal; what its answer says beside."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers or ()}
        visitor = self._visitor(headers)
        tell(self.way.lobby, action, refused, visitor, _path(getattr(self, "url", b"")))
        return OVER_TLS if visitor.secure else {}


class Refused(Exception):
    """There will be no socket: what is answered instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _path(url: bytes) -> str:
    """The path of a request's target, which may be a whole URI (RFC 9112 §3.2.2)."""
    if not url.startswith(b"/"):
        try:
            url = httptools.parse_url(url).path or b""
        except httptools.HttpParserInvalidURLError:
            return ""
    return unquote(url.partition(b"?")[0].decode("latin-1"))


def _gone(connections: set[asyncio.Protocol], door: Door, address: str, socket: Socket) -> None:
    connections.discard(socket)
    door.leave(address)


def _malformed(parser: Parser, response: Response) -> Answer:
    """What is wrong with a handshake by RFC 6455 §4.2.1, as a refusal that names the version spoken here (§4.4)."""
    reason = f"This is no WebSocket handshake (RFC 6455 §4.2.1): {parser.handshake_exc}."
    kind = MethodNotAllowed if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED else InvalidInput
    refused = answer(kind(reason), PATH, response.status_code)
    own = {name: value for name, value in response.headers.raw_items() if name in ("Allow", "Upgrade")}
    return refused._replace(headers={**refused.headers, **own, "sec-websocket-version": "13"})


def _forwarded(
    trusted: list[str] | str, client: tuple[str, int] | None, scheme: str, headers: list[tuple[bytes, bytes]]
) -> tuple[tuple[str, int] | None, str]:
    """Client and scheme as a trusted proxy tells them: uvicorn's own rule, which REST goes by as well."""
    scope: dict[str, Any] = {"type": "websocket", "client": client, "scheme": scheme, "headers": headers}

    async def nothing(*_: Any) -> None:
        return None

    told = ProxyHeadersMiddleware(nothing, trusted)(cast(Any, scope), cast(Any, nothing), cast(Any, nothing))
    try:
        told.send(None)  # it awaits nothing but `nothing`
    except StopIteration:
        pass
    return scope["client"], scope["scheme"]
