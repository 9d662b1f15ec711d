"""Who did what, with what result: a test for each event (L1; ASVS 16.2.1, 16.3.1 to 16.3.3), and no secret (L2)."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.app import build
from hub.settings import Settings
from tests.rfc6455.raw import HANDSHAKE, reach
from tests.rfc6455.upgrades import Request as Handshake
from tests.running import API, EXPERT, OTHER_EXPERT, SECRET, SECRET_KEY, Client, Running, bearer, draft, running, token
from tests.security.audited import Told, listening
from tests.sockets import ended

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"Content-Type": "application/json"}
DRIVERS = pytest.mark.parametrize("direct", [True, False], ids=["direct", "asgi"])


@pytest.fixture
def told() -> Iterator[Told]:
    """What the audit log says meanwhile."""
    with listening() as heard:
        yield heard


@pytest_asyncio.fixture(loop_scope="module")
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """A hub that listens."""
    async with running(tmp_path) as alone:
        yield alone


WANTED = {"changes": 0, "all": 3, "refusals": 0}
"""What is to be told of requests, and so how many of three reads are."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WANTED)
async def wanting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, Running]]:
    """What is to be told, and a hub that tells so much; session 1 is of e-7. For requests alone: sockets end later."""
    async with running(tmp_path_factory.mktemp("wanting"), log_requests=request.param) as hub:
        await hub.create()
        yield request.param, hub


async def test_l1_a_change_is_told_with_who_what_where_and_result(hub: Running, told: Told) -> None:
    async with hub.http(**EXPERT) as http:
        answer = await http.post(API, json=draft(), headers={"X-Request-ID": "from-the-proxy.1"})
    (line,) = told.of("request")

    assert line["request"] == answer.headers["x-request-id"]
    assert line.pop("ms") > 0
    assert line.pop("pid") == os.getpid()
    assert {name: value for name, value in line.items() if name not in ("time", "request")} == {
        "level": "info", "logger": "hub.audit", "message": "a request", "action": "request",
        "result": "ok", "actor": "e-7", "role": "expert", "address": "127.0.0.1", "method": "POST", "route": API,
        "path": API, "status": 201, "given": "from-the-proxy.1", "session": 1, "revision": 1,
    }  # fmt: skip
    assert line["time"].endswith("Z")


REFUSALS: dict[str, tuple[str, str, dict[str, Any], int, dict[str, Any]]] = {
    "no token": ("GET", f"{API}/1", {}, 401, {"result": "unauthenticated", "level": "warning"}),
    "forged": ("GET", f"{API}/1", {"headers": {"Authorization": "Bearer a.b.c"}}, 401,
               {"result": "unauthenticated", "level": "warning"}),
    "expired": ("GET", f"{API}/1", {"headers": bearer("s-1", ttl=-3600)}, 401,
                {"result": "token_expired", "level": "warning"}),
    "role": ("POST", API, {"headers": bearer("s-1"), "json": {}}, 403,
             {"result": "forbidden", "actor": "s-1", "level": "warning"}),
    "owner": ("PATCH", f"{API}/1/start", {"headers": OTHER_EXPERT}, 403,
              {"result": "not_session_owner", "actor": "e-8", "level": "warning", "route": f"{API}/{{id}}/start"}),
    "missing": ("GET", f"{API}/77", {"headers": EXPERT}, 404, {"result": "not_found", "actor": "e-7", "level": "info"}),
    "no route": ("GET", "/wp-login.php", {}, 404, {"result": "not_found", "path": "/wp-login.php"}),
    "method": ("PUT", API, {"headers": EXPERT}, 405, {"result": "method_not_allowed"}),
    "large": ("POST", API, {"headers": EXPERT, "content": b"x" * 70_000}, 413, {"result": "too_large", "actor": "e-7"}),
    "input": ("POST", API, {"headers": EXPERT, "json": {}}, 422, {"result": "invalid_input", "actor": "e-7"}),
    "signature": ("POST", "/api/payments/webhook", {"headers": JSON, "content": b"{}"}, 400,
                  {"result": "invalid_signature", "level": "warning"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
async def test_l1_a_refusal_is_told_whatever_is_wanted(wanting: tuple[str, Running], told: Told, name: str) -> None:
    method, path, more, status, expected = REFUSALS[name]
    async with wanting[1].http() as http:
        answer = await http.request(method, path, **more)
    (line,) = told.of("request")

    assert (answer.status_code, line["status"]) == (status, status)
    assert line | expected == line
    assert line["request"] == answer.headers["x-request-id"]


async def test_l1_a_limit_that_is_hit_is_told(tmp_path: Path, told: Told) -> None:
    async with running(tmp_path, rate_limit=2) as hub:
        for _ in range(3):
            await hub.call("GET", "", {})

    assert told.of("request", result="rate_limited", status=429, level="warning", address="127.0.0.1")


async def test_l1_what_broke_is_told_with_its_request() -> None:
    async def breaks(request: Request) -> Response:
        raise RuntimeError("nobody foresaw this")

    app = build(Settings(jwt_secret=SECRET, secret_key=SECRET_KEY), more_routes=[Route("/breaks", breaks)]).app
    inside = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    with listening() as told:
        async with httpx2.AsyncClient(transport=inside, base_url="http://hub") as http:
            answer = await http.get("/breaks")

    assert told.of("request", result="internal", status=500, request=answer.headers["x-request-id"])


async def test_reads_are_told_where_they_are_wanted(wanting: tuple[str, Running], told: Told) -> None:
    wanted, hub = wanting
    async with hub.http() as http:
        for path in (API, "/healthz", "/static/app.js"):
            assert (await http.get(path)).status_code == 200

    assert len(told.of("request", result="ok")) == WANTED[wanted]


async def test_changes_are_not_told_where_refusals_alone_are_wanted(tmp_path: Path, told: Told) -> None:
    async with running(tmp_path, log_requests="refusals") as hub:
        await hub.create()
        async with Client.at(hub, "s-1"):
            pass

    assert told.lines == []


async def test_k2_a_read_that_shows_the_meeting_is_told_and_one_that_does_not_is_not(hub: Running, told: Told) -> None:
    session = await hub.create(meetingUrl="https://meet.example/canary", meetingPassword="canary-password")
    plain = await hub.create()
    told.lines.clear()
    for session_id, who in ((session["id"], EXPERT), (session["id"], bearer("s-1")), (plain["id"], bearer("s-1"))):
        assert (await hub.call("GET", f"/{session_id}", who)).status_code == 200
    (line,) = told.of("request")

    assert (line["actor"], line["revealed"], line["path"]) == ("e-7", "meeting", f"{API}/{session['id']}")
    assert "canary" not in json.dumps(told.lines)


async def test_l2_neither_query_nor_body_nor_token_nor_name_is_told(hub: Running, told: Told) -> None:
    headers = bearer("s-1", name="canary-name") | JSON
    async with hub.http(**headers) as http:
        await http.get(f"{API}?limit=0&q=canary-query&token=canary")
        await http.post(API, content=b'{"title": "canary-body"}')
        await http.get(f"/{token('s-1')}")
        await http.get("/nothing", headers={"Cookie": "canary=1", "User-Agent": "canary", "X-Request-ID": "canary 1"})
    said = json.dumps(told.lines)

    assert len(told.of("request")) == 4
    assert "canary" not in said
    assert headers["Authorization"].split(".")[1] not in said
    assert told.of("request", path="/[token]")


@DRIVERS
async def test_l1_a_sockets_life_is_told(tmp_path: Path, told: Told, direct: bool) -> None:
    async with running(tmp_path, serving_as={"direct": direct}) as hub:
        session_id = (await hub.create(meetingUrl="https://meet.example/canary"))["id"]
        await hub.book(session_id, "s-1")
        told.lines.clear()
        async with Client.at(hub, "s-1") as client:
            await client.ask(type="join", session=session_id)
            await client.ask(type="leave", session=session_id)
            await client.ask(type="leave", session=session_id)
            await client.socket.close(4321, "canary")
        close = await told.one("close")

    actor = {"actor": "s-1", "role": "student", "address": "127.0.0.1", "connection": close["connection"]}
    assert [line["action"] for line in told.lines] == ["auth", "join", "leave", "close"]
    assert all(line | actor == line for line in told.lines)
    assert told.of("join", result="ok", session=session_id, revealed="meeting")
    assert told.of("leave", result="ok", session=session_id)
    assert close["seconds"] >= 0
    assert (close["code"], close["messages"]) == (4321, 4)
    assert "canary" not in json.dumps(told.lines)


@DRIVERS
async def test_l1_what_a_socket_is_refused_is_told(tmp_path: Path, told: Told, direct: bool) -> None:
    async with running(tmp_path, serving_as={"direct": direct}) as hub:
        session_id = (await hub.create())["id"]
        told.lines.clear()
        async with Client.at(hub) as client:
            await client.ask(type="auth", token="canary")
            await client.ask(type="join", session=session_id)
            await client.ask(type="auth", token=token("s-1"))
            await client.ask(type="join", session=session_id)
            await client.ask(type="roster", session=session_id)
            await client.ask(type="canary")
        await told.one("close")

    assert [(line["action"], line["result"], line.get("session")) for line in told.lines[:-1]] == [
        ("auth", "unauthenticated", None),
        ("join", "unauthenticated", session_id),
        ("auth", "ok", None),
        ("join", "not_booked", session_id),
        ("message", "forbidden", session_id),
        ("message", "invalid_input", None),
    ]
    assert "canary" not in json.dumps(told.lines)


@DRIVERS
async def test_l1_a_socket_that_the_hub_ends_is_told_with_code_and_reason(
    tmp_path: Path, told: Told, direct: bool
) -> None:
    async with running(tmp_path, message_rate_limit=1, serving_as={"direct": direct}) as hub:
        async with Client.at(hub) as client:
            await client.socket.send(b"binary")
            assert await ended(client) == 4400
        assert (await told.one("close", code=4400))["reason"].startswith("not this hub's protocol")
        async with Client.at(hub) as client:
            for _ in range(23):
                await client.send({"type": "ping"})
            assert await ended(client) == 4429
        line = await told.one("close", code=4429)

    assert (line["result"], line["messages"]) == ("closed_4429", 22)
    assert told.of("message", result="rate_limited", level="warning")


async def test_l1_a_header_that_is_refused_is_told(hub: Running, told: Told) -> None:
    async with Client.with_headers(hub, {"Authorization": "Bearer canary"}) as client:
        assert await ended(client) == 4401

    assert await told.one("auth", result="unauthenticated", level="warning")
    assert (await told.one("close"))["code"] == 4401


@pytest.mark.parametrize(("wanted", "actions"), [("changes", []), ("all", ["open", "close"])])
async def test_watchers_come_and_go_unmentioned_unless_reads_are_wanted(
    tmp_path: Path, told: Told, wanted: str, actions: list[str]
) -> None:
    async with running(tmp_path, log_requests=wanted) as hub:
        async with Client.at(hub) as client:
            await client.ask(type="watch", catalog=True)
        if actions:
            await told.one("close")

    assert [line["action"] for line in told.lines] == actions


@DRIVERS
@pytest.mark.parametrize(
    ("handshake", "status", "result", "more"),
    [
        (HANDSHAKE.but("Origin", "https://evil.example"), 403, "forbidden", {"path": "/ws", "origin": "https://evil.example"}),
        (Handshake(line="GET /else?canary HTTP/1.1"), 404, "not_found", {"path": "/else"}),
        (HANDSHAKE, 429, "rate_limited", {"path": "/ws", "level": "warning"}),
    ],
    ids=["origin", "path", "limit"],
)  # fmt: skip
async def test_l1_a_refused_handshake_is_told(
    tmp_path: Path, told: Told, direct: bool, handshake: Handshake, status: int, result: str, more: dict[str, Any]
) -> None:
    async with running(tmp_path, max_connections_per_address=1, serving_as={"direct": direct}) as hub:
        async with Client.at(hub), reach(hub) as peer:
            assert (await peer.ask(handshake)).status == status

    assert told.of("open", result=result, address="127.0.0.1", status=status, **more)
    assert "canary" not in json.dumps(told.lines)


@pytest.mark.parametrize(
    ("octets", "status", "result"),
    [(b"\x16\x03\x01\r\n\r\n", 400, "invalid_input"), (b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000, 431, "too_large")],
    ids=["TLS", "endless head"],
)
async def test_l1_what_is_no_request_is_told(hub: Running, told: Told, octets: bytes, status: int, result: str) -> None:
    async with reach(hub) as peer:
        await peer.send(octets)
        assert (await peer.answer()).status == status

    assert told.of("request", result=result, address="127.0.0.1", status=status)
