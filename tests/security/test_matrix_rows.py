"""The table is whole: a route, a method, a message or a member of one without its line fails; so does a stale line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from hub.sockets import messages
from tests.conforming import one_hub
from tests.running import OTHER_EXPERT, Client, Running
from tests.security.matrix_table import (
    BASE,
    STATUS_OF,
    TOLD,
    Operation,
    elsewhere_rows,
    message_members,
    message_rows,
    session_rows,
)
from tests.security.matrix_world import CALLERS
from tests.sockets import gather_heard, refused
from tests.tables import dump

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
HANDSHAKE = ("GET", "/ws")
STATIC = "/static/style.css"
NO_SOCKETS = "/{path:path}"
"""The route that refuses sockets everywhere else: not a place, which is shown below."""


def paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """Every path that is routed; of the page's own files one."""
    for route in routes:
        if isinstance(route, Mount):
            assert route.path == "/static", f"{route.path} is mounted, and no line of the table is about it"
            yield STATIC
        else:
            assert isinstance(route, Route | WebSocketRoute), f"{route} is no route that the table knows"
            if route.path != NO_SOCKETS:
                yield route.path


async def served(hub: Running) -> set[Operation]:
    """Every operation that is answered by anything but 405, to an expert whom no session here belongs to."""
    assert hub.hub is not None
    session = (await hub.create())["id"]
    found = set()
    async with hub.http(**OTHER_EXPERT) as http:
        for path in set(paths(hub.hub.app.routes)) - {HANDSHAKE[1]}:
            for method in METHODS:
                async with http.stream(method, path.replace("{id}", str(session))) as answer:
                    if answer.status_code != 405:
                        found.add((method, path))
    async with Client.at(hub):
        found.add(HANDSHAKE)
    return found


def listed() -> set[Operation]:
    """Every operation that the table has a line for; HEAD comes with GET, but for what never ends."""
    rows = {(method, BASE + path) for method, path in session_rows()} | set(elsewhere_rows())
    heads = {("HEAD", path) for method, path in rows if method == "GET"}
    return (rows | heads) - {("HEAD", "/ws")}


async def test_A1_every_route_and_method_has_its_line_and_every_line_its_route(hub: Running) -> None:
    found = await served(hub)
    assert found - listed() == set(), "these have no line in the table"
    assert listed() - found == set(), "these lines are about nothing"


PLANTED = {
    "a new route": (Route("/api/live-sessions/{id}/secrets", lambda request: nothing(request)), "GET"),
    "a new method": (Route("/api/live-sessions/{id}", lambda request: nothing(request), methods=["PUT"]), "PUT"),
    "a new method of a page": (Route("/metrics", lambda request: nothing(request), methods=["DELETE"]), "DELETE"),
}


def nothing(request: Request) -> Response:
    """What a planted route answers."""
    return PlainTextResponse("nothing")


@pytest.mark.parametrize("name", PLANTED)
async def test_what_is_planted_without_a_line_is_found(hub: Running, name: str) -> None:
    assert hub.hub is not None
    route, method = PLANTED[name]
    routes = hub.hub.app.router.routes
    routes.insert(0, route)
    try:
        found = await served(hub)
    finally:
        routes.remove(route)
    assert found - listed() - {("HEAD", route.path)} == {(method, route.path)}


async def test_a_socket_is_opened_nowhere_else(hub: Running) -> None:
    for path in ("/", "/ws/", "/api/live-sessions", "/socket.io/", "/static/style.css"):
        status, problem, _ = await refused(hub, path=path)
        assert (status, problem["code"]) == (404, "not_found")


def members(kinds: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """What each message of a client may hold beside `type` and `id`."""
    return {
        kind: frozenset(field.encode_name for field in msgspec.structs.fields(message)) - {"id"}
        for kind, message in kinds.items()
    }


async def test_A1_every_message_and_every_member_of_one_has_its_line() -> None:
    assert members(messages.TYPES) == message_members()
    assert set(message_rows()) == set(messages.TYPES) | {"catalog"}
    assert {kind.__struct_config__.tag for kind in messages.Outgoing.__args__} == set(TOLD)


class Shout(messages.ClientMessage, tag="shout"):
    """A message without a line."""

    text: str


class Leave(messages.ClientMessage, tag="leave"):
    """A message with one member more."""

    session: int
    on_behalf_of: str = ""


@pytest.mark.parametrize("planted", [Shout, Leave])
async def test_a_planted_message_or_member_is_found(planted: Any) -> None:
    assert members({**messages.TYPES, planted.__struct_config__.tag: planted}) != message_members()


async def test_A1_what_stands_beside_the_sessions_is_the_same_for_everyone(hub: Running) -> None:
    before = dump(hub.where)
    for (method, path), (who, outcome) in elsewhere_rows().items():
        if who != "anyone" or path == HANDSHAKE[1]:
            continue
        for caller in CALLERS:
            async with hub.http(**caller.headers) as http:
                answer = await http.request(method, path)
                assert answer.status_code == (int(outcome) if outcome.isdigit() else STATUS_OF[outcome]), path
                if method == "GET":
                    assert (await http.head(path)).status_code == answer.status_code
    assert dump(hub.where) == before


async def test_A1_a_handshake_is_anyones_and_tells_nothing(hub: Running) -> None:
    for caller in CALLERS:
        async with Client.with_headers(hub, caller.headers) as client:
            assert await gather_heard(client) == []
