"""Every answer says what browsers may do with it, whoever answers: routes, files, refusals, failures (C1, A12)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hub.app import build
from hub.settings import Settings
from hub.web.pages import PLACES, STATIC
from tests.rfc6455.raw import HANDSHAKE, reach
from tests.rfc6455.upgrades import Request as Handshake
from tests.running import API, EXPERT, SECRET, SECRET_KEY, Running, bearer, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "TRACE")
TLS = {"X-Forwarded-Proto": "https"}
"""As a proxy that is trusted (127.0.0.1) says it."""
CLOSED = "default-src 'none'; frame-ancestors 'none'"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}


def wrong(
    headers: Mapping[str, str], *, secure: bool = False, private: bool = True, anywhere: bool = False
) -> list[str]:
    """What is wrong with an answer's headers; `private` ones are kept nowhere, `anywhere` says who may load it."""
    kind = headers.get("content-type", "")
    html = kind.startswith("text/html")
    expected: dict[str, str | None] = dict(ALWAYS)
    expected["strict-transport-security"] = "max-age=31536000; includeSubDomains" if secure else None
    expected["referrer-policy"] = "no-referrer" if html else None
    expected["cross-origin-opener-policy"] = "same-origin" if html else None
    expected["cache-control"] = "no-store" if private else "no-cache"
    expected["server"] = None
    expected["access-control-allow-origin"] = "*" if anywhere else None
    if anywhere:
        expected["cross-origin-resource-policy"] = "cross-origin"
    if not html:
        expected["content-security-policy"] = CLOSED
    found = [f"{name}: {headers.get(name)}" for name, value in expected.items() if headers.get(name) != value]
    if (kind.startswith("text/") or "+xml" in kind) and "charset=utf-8" not in kind:
        found.append(f"content-type: {kind}")
    return found + (_wrong_page(headers) if html else [])


def _wrong_page(headers: Mapping[str, str]) -> list[str]:
    policy = dict(part.strip().partition(" ")[::2] for part in headers.get("content-security-policy", "").split(";"))
    expected = {name: "'none'" for name in ("default-src", "base-uri", "object-src", "frame-ancestors")}
    expected |= {name: "'self'" for name in ("script-src", "style-src", "img-src", "connect-src", "form-action")}
    expected |= {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}
    return [] if policy == expected and "permissions-policy" in headers else [f"the page: {headers}"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that listens, with one session."""
    async with running(
        tmp_path_factory.mktemp("headers"), allowed_origins=frozenset({"https://a.example"})
    ) as listening:
        await listening.create()
        yield listening


def paths(hub: Running) -> dict[str, bool]:
    """Every path that is served, and whether what is there is private."""
    assert hub.hub is not None
    rest = {route.path.replace("{id}", "1"): True for route in hub.hub.app.routes if isinstance(route, Route)}
    public = {"/", "/docs", "/favicon.ico", "/openapi.json", "/asyncapi.json", f"{API}/1/calendar.ics"}
    files = {f"/static/{file.name}": False for file in STATIC.iterdir() if file.is_file()}
    assert {place.path for place in PLACES} <= set(rest)
    assert len(rest) > 20
    assert len(files) > 10
    return {path: private and path not in public for path, private in rest.items()} | files


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", [{}, EXPERT, bearer("s-1")], ids=["anonymous", "expert", "student"])
async def test_c1_a12_every_path_by_every_method_says_what_browsers_may_do(
    hub: Running, method: str, who: dict[str, str]
) -> None:
    found, seen = {}, set()
    async with hub.http(**who) as http:
        for path, private in paths(hub).items():
            for tls in ({}, TLS):
                async with http.stream(method, path, headers=tls) as answer:  # of a stream, the head alone
                    kept = not private and answer.status_code < 400 and method in ("GET", "HEAD")
                    seen.add(answer.status_code)
                    file = path.startswith("/static/") and kept
                    if faults := wrong(answer.headers, secure=bool(tls), private=not kept, anywhere=file):
                        found[path, answer.status_code] = faults

    assert not found
    assert 200 in seen or method not in ("GET", "HEAD")
    assert seen & {401, 403, 405} or method in ("GET", "HEAD", "POST")


REFUSED: Mapping[str, tuple[str, str, dict[str, Any], int]] = {
    "nothing": ("GET", "/nothing/here", {}, 404),
    "no file": ("GET", "/static/none.js", {}, 404),
    "up": ("GET", "/static/%2e%2e/pyproject.toml", {}, 404),
    "no such method": ("PUT", API, {}, 405),
    "too large": ("POST", API, {"content": b"x" * 70_000, "headers": EXPERT}, 413),
    "no JSON": ("POST", API, {"content": b"{", "headers": EXPERT | {"Content-Type": "application/json"}}, 422),
    "long query": ("GET", f"{API}?limit=1000", {}, 422),
    "preflight": (
        "OPTIONS",
        API,
        {"headers": {"Origin": "https://b.example", "Access-Control-Request-Method": "PUT"}},
        403,
    ),
    "token": ("GET", f"{API}/1", {"headers": {"Authorization": "Bearer x"}}, 401),
    "range": ("GET", "/static/app.js", {"headers": {"Range": "bytes=9-1"}}, 200),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_c1_a_refusal_says_it_as_well(hub: Running, name: str) -> None:
    method, path, more, status = REFUSED[name]
    for tls in ({}, TLS):
        async with hub.http(**tls) as http:
            answer = await http.request(method, path, **more)
        assert answer.status_code == status, answer.text
        assert wrong(answer.headers, secure=bool(tls), private=status != 200, anywhere=status == 200) == []
        assert status == 200 or answer.headers["content-type"] == "application/problem+json"


async def test_c1_what_has_not_changed_says_it_as_well(hub: Running) -> None:
    async with hub.http() as http:
        tag = (await http.get("/static/app.js")).headers["etag"]
        answer = await http.get("/static/app.js", headers={"If-None-Match": tag})

    assert answer.status_code == 304
    assert wrong(answer.headers, private=False, anywhere=True) == []


async def test_c1_types_are_served_as_text_and_code_as_code(hub: Running) -> None:
    async with hub.http() as http:
        kinds = [(await http.get(f"/static/hub-client.{end}")).headers["content-type"] for end in ("js", "d.ts")]

    assert kinds == ["text/javascript; charset=utf-8", "text/plain; charset=utf-8"]


HANDSHAKES: dict[str, tuple[Handshake, int]] = {
    "origin": (HANDSHAKE.but("Origin", "https://evil.example"), 403),
    "path": (Handshake(line="GET /elsewhere HTTP/1.1"), 404),
}
MALFORMED: dict[str, tuple[Handshake, int]] = {
    "key": (HANDSHAKE.but("Sec-WebSocket-Key"), 400),
    "head": (HANDSHAKE.but("X-Long", "x" * 33_000), 431),
    "no HTTP": (Handshake(line="\x01\x02\x03"), 400),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mapping[bool, Running]]:
    """Hubs that take a socket: directly, and through ASGI."""
    async with (
        running(tmp_path_factory.mktemp("direct"), serving_as={"direct": True}) as direct,
        running(tmp_path_factory.mktemp("asgi"), serving_as={"direct": False}) as asgi,
    ):
        yield {True: direct, False: asgi}


@pytest.mark.parametrize("tls", [{}, TLS], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("direct", "name"), [(True, name) for name in HANDSHAKES | MALFORMED] + [(False, name) for name in HANDSHAKES]
)
async def test_c1_a_refused_handshake_says_it_as_well(
    doors: Mapping[bool, Running], direct: bool, name: str, tls: dict[str, str]
) -> None:
    handshake, status = (HANDSHAKES | MALFORMED)[name]
    for header, value in tls.items():
        handshake = handshake.but(header, value)
    async with reach(doors[direct]) as peer:
        answer = await peer.ask(handshake)

    assert answer.status == status
    secure = bool(tls) and name not in ("head", "no HTTP")  # of those, the head was not read so far
    assert wrong(dict(answer.headers), secure=secure) == []


async def breaks(request: Request) -> Response:
    """Nobody foresaw it."""
    raise RuntimeError("nobody foresaw this")


async def page(request: Request) -> Response:
    """A page that says nothing of itself."""
    return HTMLResponse("<html></html>")


async def answers(app: ASGIApp, path: str) -> httpx2.Response:
    """What an application answers, its own failures as well."""
    inside = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=inside, base_url="https://hub.example") as http:
        return await http.get(path)


async def test_c1_what_broke_says_it_as_well_and_a_page_that_says_nothing_is_closed() -> None:
    settings = Settings(jwt_secret=SECRET, secret_key=SECRET_KEY)
    app = build(settings, more_routes=[Route("/breaks", breaks), Route("/page", page)]).app

    broken, plain = await answers(app, "/breaks"), await answers(app, "/page")

    assert broken.status_code == 500
    assert wrong(broken.headers, secure=True) == []
    assert wrong(plain.headers, secure=True) == []


async def test_control_without_what_goes_around_them_all_the_same_routes_say_nothing() -> None:
    app = build(Settings(jwt_secret=SECRET, secret_key=SECRET_KEY)).app

    for path in ("/docs", "/static/app.js", API, "/nothing/here"):
        assert len(wrong((await answers(Starlette(routes=app.routes), path)).headers, secure=True)) > 3, path
