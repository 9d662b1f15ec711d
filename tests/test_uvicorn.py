"""What the direct driver uses of uvicorn's insides, which are not a public interface: this fails when they drift."""

from __future__ import annotations

import inspect
import re
import socket
import tomllib
from importlib.metadata import version
from pathlib import Path

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server

from hub.server import UNSENT, VANISHED_SECONDS
from hub.sockets.caller import Caller
from hub.sockets.connection import Connection
from hub.sockets.direct import Socket
from hub.sockets.entrance import _Entrance
from tests.running import Client, Running, running

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
OURS = {
    "connection_made",
    "connection_lost",
    "data_received",
    "on_message_begin",
    "on_url",
    "on_header",
    "on_headers_complete",
    "on_body",
    "on_message_complete",
    "resume_writing",
    "shutdown",
    "send_400_response",
    "_get_upgrade",
    "handle_websocket_upgrade",
    "_unsupported_upgrade_warning",
}
"""What the entrance puts in the place of uvicorn's."""


def body_of(method: object) -> str:
    """The source of a function, without its blanks."""
    return re.sub(r"\s+", " ", inspect.getsource(method))  # type: ignore[arg-type]  # any function


def test_the_next_versions_are_not_installed_unseen() -> None:
    dependencies = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    (bounds,) = [line.removeprefix("uvicorn") for line in dependencies if line.startswith("uvicorn")]
    above = re.search(r"<0\.(\d+)$", bounds)
    assert above is not None, bounds
    assert int(version("uvicorn").split(".")[1]) < int(above[1])


def test_the_entrance_replaces_methods_that_uvicorn_has() -> None:
    own = {name for ours in (_Entrance, Caller) for name, value in vars(ours).items() if inspect.isfunction(value)}
    assert {name for name in own if hasattr(HttpToolsProtocol, name)} == OURS


def test_uvicorn_calls_them_where_it_did() -> None:
    received = body_of(HttpToolsProtocol.data_received)
    assert "except httptools.HttpParserUpgrade: if self._should_upgrade(): self.handle_websocket_upgrade()" in received
    assert "except httptools.HttpParserError: " in received
    assert "else: self._unsupported_upgrade_warning()" in received
    assert "self.send_400_response(msg) return" in received
    assert 'upgrade = self._get_upgrade() return upgrade == b"websocket"' in body_of(HttpToolsProtocol._should_upgrade)
    for callback in (HttpToolsProtocol.on_headers_complete, HttpToolsProtocol.on_message_complete):
        assert "self.parser.should_upgrade() and self._should_upgrade()" in body_of(callback)


def test_an_upgrade_finds_what_it_reads_where_it_was() -> None:
    begun = body_of(HttpToolsProtocol.on_message_begin)
    for assigned in ('self.url = b""', "self.headers = []", '"http_version": "1.1"'):
        assert assigned in begun
    assert "self.headers.append((name, value))" in body_of(HttpToolsProtocol.on_header)
    assert "name = name.lower()" in body_of(HttpToolsProtocol.on_header)
    assert 'self.scope["method"] = method.decode("ascii")' in body_of(HttpToolsProtocol.on_headers_complete)
    made = body_of(HttpToolsProtocol.__init__) + body_of(HttpToolsProtocol.connection_made)
    for attribute in ("config", "connections", "server_state", "transport", "client", "scheme", "parser"):
        assert f"self.{attribute} = " in made or f"self.{attribute}: " in made, attribute
    assert STATUS_LINE[403] == b"HTTP/1.1 403 Forbidden\r\n"


def test_a_request_that_is_given_up_finds_what_it_ends_where_it_was() -> None:
    cycle = inspect.getsource(RequestResponseCycle)
    for attribute in ("disconnected", "response_started", "response_complete", "message_event"):
        assert f"self.{attribute} = " in cycle, attribute
    assert "if self.disconnected: return" in re.sub(r"\s+", " ", cycle)
    assert "self.pipeline.appendleft((self.cycle, app))" in body_of(HttpToolsProtocol.on_headers_complete)
    assert "self._unset_keepalive_if_required()" in body_of(HttpToolsProtocol.data_received)


def test_an_answer_without_chunks_finds_what_uvicorn_counts_by_where_it_was() -> None:
    sent = body_of(RequestResponseCycle.send)
    assert 'if name == b"content-length" and self.chunked_encoding is None: self.expected_content_length' in sent
    assert "if self.chunked_encoding is None and" in sent
    assert "num_bytes = len(body) if num_bytes > self.expected_content_length: raise" in sent
    assert "await app( # type: ignore[func-returns-value] self.scope, self.receive, self.send )" in body_of(
        RequestResponseCycle.run_asgi
    )


def test_a_server_that_stops_asks_its_connections_for_nothing_but_shutdown() -> None:
    stopping = body_of(Server.shutdown) + body_of(Server._wait_tasks_to_complete)
    assert re.findall(r"connection\.(\w+)", stopping) == ["shutdown"]
    assert "while self.server_state.connections and" in stopping


async def driver_of(hub: Running) -> type:
    """The wire under a connection to this hub."""
    async with Client.at(hub):
        assert hub.hub is not None
        (connection,) = hub.hub.lobby.connections
        assert isinstance(connection, Connection)
        return type(connection._wire)


async def test_a_listener_hands_its_bounds_on(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, Client.at(hub):
        assert hub.hub is not None
        (connection,) = hub.hub.lobby.connections
        assert isinstance(connection, Connection)
        assert isinstance(connection._wire, Socket)
        tcp = connection._wire._transport.get_extra_info("socket")
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == VANISHED_SECONDS * 1000


async def test_a_server_uses_the_direct_driver_unless_it_is_told_not_to(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    async with running(one) as hub:
        assert await driver_of(hub) is Socket
    async with running(two, serving_as={"direct": False}) as hub:
        assert await driver_of(hub) is not Socket
