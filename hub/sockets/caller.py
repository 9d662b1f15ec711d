"""An HTTP connection with bounds: of how many there are, of what comes over one, and of how long that may take.

uvicorn has none of these. Its protocol classes are not a public interface: see `hub.sockets.entrance`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import ClassVar, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from hub.errors import HubError, InvalidInput, RateLimited, TooLarge, Unavailable
from hub.limits import Addresses
from hub.sockets import framing
from hub.sockets.door import RETRY_AFTER
from hub.sockets.oldhttp import without_chunks
from hub.sockets.patience import Bounds, Watch
from hub.sockets.refusals import Answer, answer

MOST_LINES = 128
MOST_OCTETS = 32 * 1024
"""Of a request's head, and what stands behind a body. What one costs to look at grows with the square of its lines."""
TOO_LARGE_A_HEAD = f"A request's head may have {MOST_LINES} lines, and {MOST_OCTETS} octets in all."
MOST_SURPLUS = 1024 * 1024
"""Octets of a body that are read and thrown away behind an answer, so that who still sends gets to read it."""
SPARE = 32
"""Connections that a process takes beside all the sockets it may hold, for REST and for handshakes."""
LEAST = 4 * 1024
"""Octets that a peer takes between two looks, or it has as good as taken none."""
MOST_WAITING = 32
"""Requests of one connection that may wait for the answer to one before them."""
LAST_SECONDS = 1.0
"""How long a peer that takes nothing of its answer may hold up a stop, once that asks connections to end."""
TOO_LATE = "The request took too long: its head has to come within %g seconds, its body within %g more."


@dataclass(frozen=True, slots=True)
class House:
    """What all callers of one server share. `sockets` is how many sockets it may hold, None for no limit."""

    watch: Watch
    sockets: int | None
    addresses: Addresses

    def admit(self, here: int, address: str) -> HubError | None:
        """Count a caller by its address, if it has one to be counted by; or why it is not taken. `here` are all
        connections that are open."""
        if self.sockets is not None and here > self.sockets + SPARE:
            return Unavailable("The hub holds as many connections as it can.", retry_after=RETRY_AFTER)
        if address and not self.addresses.enter(address):
            return RateLimited("Too many connections from this address.", retry_after=RETRY_AFTER)
        return None

    def counted(self, address: str, trusted: list[str] | str) -> bool:
        """Whether callers from there are counted as one."""
        # The address of a proxy says nothing of who is behind it; a Unix socket's peer has none.
        return address != "" and not _proxies(trusted if isinstance(trusted, str) else tuple(trusted))(address)


async def _nothing(*_: object) -> None:
    return None


@lru_cache
def _proxies(trusted: str | tuple[str, ...]) -> Callable[[str], bool]:
    """Whether uvicorn believes an address."""
    believed = ProxyHeadersMiddleware(_nothing, trusted if isinstance(trusted, str) else list(trusted)).trusted_hosts
    return believed.__contains__


NOTHING, HEAD, BODY = range(3)
"""What is read of a peer. Not an Enum, whose members cost ten times as much to look up; each line of a head does."""


class Caller(HttpToolsProtocol):
    """One HTTP connection."""

    house: ClassVar[House]
    slot = -1
    segment = b""
    """The octets that came last."""
    _address = ""
    _reading = HEAD
    _began = False
    _untold = 0
    _unsent = 0
    _before: tuple[RequestResponseCycle, ...] = ()
    """Requests whose answers were under way when another one came behind them."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Someone connected."""
        super().connection_made(transport)
        house, address = self.house, self.client[0] if self.client else ""
        self._since = self._took = house.watch.now
        house.watch.add(self)
        if not house.counted(address, self.config.forwarded_allow_ips):
            address = ""
        refusal = house.admit(len(self.connections), address)
        if refusal is None:
            self._address = address
        else:
            self.refuse(answer(refusal, ""))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.let_go()
        super().connection_lost(exc)
        for cycle in self._before:  # uvicorn tells the newest alone, and the others would write to what is gone
            cycle.disconnected = True
            cycle.message_event.set()
        self._before = ()

    def let_go(self) -> None:
        """It is none of HTTP's any more."""
        self.house.watch.discard(self)
        if self._address:
            self.house.addresses.exit(self._address)
            self._address = ""

    # Time.

    def look(self, now: float) -> None:
        """Whether the peer is late: with what it sends, or with taking what it is sent."""
        bounds, unsent = self.house.watch.bounds, self.transport.get_write_buffer_size()
        if not unsent or not self._unsent or self._unsent - unsent >= LEAST:
            self._took = now
        self._unsent = unsent
        if now - self._took > bounds.take:
            self.gave_up("gave up a peer that takes no answer")
            self.transport.abort()
        elif self._reading == NOTHING or self.flow.read_paused or self.transport.is_closing():
            self._since = now
        elif now - self._since > (bounds.head if self._reading == HEAD else bounds.body):
            self._too_late(bounds)

    def shutdown(self) -> None:
        """The server stops: who takes nothing of what lies here does not hold it up."""
        super().shutdown()
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            self.loop.call_later(LAST_SECONDS, self._last_look, unsent)

    def _last_look(self, unsent: int) -> None:
        if self.transport.get_write_buffer_size() >= unsent:
            self.transport.abort()

    def resume_writing(self) -> None:
        """The peer took most of what lay here: between two looks as much again may be written, and hide it."""
        self._took = self.house.watch.now
        super().resume_writing()

    def _too_late(self, bounds: Bounds) -> None:
        if self._began:
            told = InvalidInput(TOO_LATE % (bounds.head, bounds.body))
            self.refuse(answer(told, "", HTTPStatus.REQUEST_TIMEOUT))
        else:
            self.transport.close()

    def _read(self, what: int) -> None:
        self._reading, self._since, self._told = what, self.house.watch.now, True

    # What comes.

    def data_received(self, data: bytes) -> None:
        """Octets of requests."""
        self.segment, self._told = data, False
        if self._reading == NOTHING:
            self._read(HEAD)  # blank lines before a request stop uvicorn's clock, and begin none
            self._told = False
        super().data_received(data)
        if self._told:
            self._untold = 0
        elif not self.transport.is_closing():
            # Of a line that does not end nothing is told, be it of a head, a chunk's or a trailer.
            self._untold += len(data)
            if self._untold > MOST_OCTETS:
                self.refuse(answer(TooLarge(TOO_LARGE_A_HEAD), ""))

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= MOST_WAITING:
            raise InvalidInput("Too many requests wait on this connection for their answers.")
        super().on_message_begin()
        self._read(HEAD)
        self._began = True
        self._octets = self._lines = self._surplus = 0

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        super().on_url(url)
        self._told = True
        self._octets += len(url)
        if self._octets > MOST_OCTETS:
            raise TooLarge(TOO_LARGE_A_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of its head, or behind its body: that one must not pass for one of the head (RFC 9110 §6.5.1)."""
        if self._reading == HEAD:
            super().on_header(name, value)
        self._lines += 1
        self._told = True
        self._octets += len(name) + len(value)
        if self._octets > MOST_OCTETS or self._lines > MOST_LINES:
            raise TooLarge(TOO_LARGE_A_HEAD)  # ends the parsing: `send_400_response` is next

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        fault = framing.fault(self.parser.get_http_version(), self.url, self.headers)
        if fault is not None:
            raise fault
        self._read(BODY)
        before = cast(RequestResponseCycle | None, self.cycle)
        if before is not None and not before.response_complete:
            self._before = (*(cycle for cycle in self._before if not cycle.response_complete), before)
        super().on_headers_complete()
        if self.parser.get_http_version() == "1.0":
            without_chunks(self.cycle)

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._told = True
        super().on_body(body)
        if self._answered:
            self._surplus += len(body)
            if self._surplus > MOST_SURPLUS:
                raise TooLarge("The answer was given: the rest of the body is not read.")

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._told = True

    def on_message_complete(self) -> None:
        """It is whole."""
        self._read(NOTHING)
        self._began = False
        super().on_message_complete()

    @property
    def _answered(self) -> bool:
        cycle = cast(RequestResponseCycle | None, self.cycle)
        return cycle is not None and cycle.response_complete

    # Refusals.

    def send_400_response(self, msg: str) -> None:
        """What came is no request, or a callback refused it, which httptools tells as the context of its own error."""
        error = sys.exception()
        refusal = error.__context__ if error is not None else None
        self.refuse(answer(refusal if isinstance(refusal, TooLarge | InvalidInput) else InvalidInput(msg), ""))

    def _unsupported_upgrade_warning(self) -> None:
        # uvicorn answers as if nobody had asked, but drops what stands behind in the segment: so nothing comes behind.
        self.end_with_answer()

    def end_with_answer(self) -> None:
        """Let the answer that is due be the last."""
        self.cycle.keep_alive = False
        self.flow.pause_reading()

    def gave_up(self, why: str) -> None:
        """Told of a peer that is cut off."""

    def noted(self, refused: Answer, action: str) -> Mapping[str, str]:
        """Told of a refusal that is answered, of a request or of whatever `action` is; headers that it needs beside."""
        return {}

    def refuse(self, refused: Answer, action: str = "request") -> None:
        """Answer and end. Where an answer is under way or due, that is the last: this would pass for a part of it."""
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None:
            own = self._reading == BODY and not self.pipeline  # it is the last request's body that is at fault
            if not own and not cycle.response_complete:
                self.end_with_answer()
                return
            if own and cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True  # who waits for the rest of the request is told that nobody is there
            cycle.message_event.set()
        status, headers, body, _ = refused
        lines = [STATUS_LINE[status]]
        lines += [b"%s: %s\r\n" % (name, value) for name, value in self.server_state.default_headers]
        more = {**headers, "content-length": str(len(body)), "connection": "close", **self.noted(refused, action)}
        lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in more.items()]
        self.transport.write(b"".join([*lines, b"\r\n", b"" if (self.scope or {}).get("method") == "HEAD" else body]))
        self.transport.close()
