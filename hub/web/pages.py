"""What stands beside REST: health, figures, the references, and the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from hub import views
from hub.errors import Unavailable
from hub.protection import ASKED_AGAIN, UNKEPT
from hub.readiness import Readiness
from hub.web.problems import problem

STATIC = next(
    folder for folder in (Path(__file__).parent / "static", Path(__file__).parents[2] / "static") if folder.is_dir()
)
"""Beside this file when installed, at the top of the source tree otherwise."""


class StatusView(views.View):
    """How the process is."""

    status: str


@dataclass(slots=True)
class Health:
    """What `/healthz` and `/readyz` answer."""

    readiness: Readiness

    async def alive(self, request: Request) -> Response:
        """The process lives."""
        return _told(StatusView(status="ok"))

    async def ready(self, request: Request) -> Response:
        """Database and bus answer, background tasks run, and the process is not draining."""
        reason = await self.readiness.reason()
        if reason is None:
            return _told(StatusView(status="ready"))
        return problem(Unavailable(f"Not ready: {reason}."), request.url.path)


def _told(view: views.View) -> Response:
    return Response(views.encode(view), headers={"cache-control": "no-store"}, media_type="application/json")


@dataclass(frozen=True, slots=True)
class Place:
    """Something to read beside REST: its path, what is there, and its media type; JSON has a view, or is free.

    `counted` says that the request rate of an address goes for it.
    """

    path: str
    summary: str
    media_type: str
    shows: type[views.View] | None = None
    may_refuse: bool = False
    counted: bool = True


HTML = "text/html"
JSON = "application/json"
SVG = "image/svg+xml"

PLACES = (
    Place("/healthz", "The process lives", JSON, StatusView, counted=False),
    Place(
        "/readyz",
        "Database and bus answer, and the process is not draining",
        JSON,
        StatusView,
        may_refuse=True,
        counted=False,  # else a flood through a proxy that is not trusted would take the process out of service
    ),
    Place("/metrics", "This process's figures, for Prometheus", "text/plain"),
    Place("/openapi.json", "This reference", JSON),
    Place("/asyncapi.json", "The reference of the WebSocket", JSON),
    Place("/", "The page: sessions, seen live", HTML),
    Place("/docs", "Both references, to read", HTML),
    Place("/favicon.ico", "The page's icon", SVG),
)
"""Every route beside REST but for the page's own files, once: routing and the reference are made from this table."""


def routes(
    health: Health, metrics: Callable[[], bytes], metrics_type: str, openapi: bytes, asyncapi: bytes
) -> list[BaseRoute]:
    """The routes; the documents are made once, at start."""

    def fixed(
        content: Callable[[], bytes], media_type: str, cache: str = UNKEPT
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return Response(content(), media_type=media_type, headers={"cache-control": cache})

        return answer

    answers = {
        "/healthz": health.alive,
        "/readyz": health.ready,
        "/metrics": fixed(metrics, metrics_type),
        "/openapi.json": fixed(lambda: openapi, JSON, ASKED_AGAIN),
        "/asyncapi.json": fixed(lambda: asyncapi, JSON, ASKED_AGAIN),
        "/": _page("index.html"),
        "/docs": _page("docs.html"),
        "/favicon.ico": _page("favicon.svg"),
    }
    return [
        *(Route(place.path, answers[place.path]) for place in PLACES),
        Mount("/static", Files(directory=STATIC)),
    ]


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return _file(FileResponse(STATIC / name), request.scope)

    return answer


class Files(StaticFiles):
    """The page's own files."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One of them, or that it has not changed."""
        return _file(await super().get_response(path, scope), scope)


def _file(response: Response, scope: Scope) -> Response:
    """Whole, always: Starlette answers wrong ranges with text that is no problem, and ours are a few kilobytes."""
    scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]
    response.headers["accept-ranges"] = "none"
    response.headers["cache-control"] = ASKED_AGAIN
    if response.headers.get("content-type") == SVG:  # XML says its charset (ASVS 4.1.1); Starlette's says it of text/
        response.headers["content-type"] = f"{SVG}; charset=utf-8"
    return response
