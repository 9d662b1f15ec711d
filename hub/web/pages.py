"""What stands beside REST: health, figures, the references, and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from hub import views
from hub.errors import Unavailable
from hub.protection import UNKEPT
from hub.readiness import Readiness
from hub.web.files import TYPES, Files, Made, keep
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
    example: views.View | None = None
    counted: bool = True


HTML = "text/html"
JSON = "application/json"
SVG = "image/svg+xml"

PLACES = (
    Place("/healthz", "The process lives", JSON, StatusView, example=StatusView(status="ok"), counted=False),
    Place(
        "/readyz",
        "Database and bus answer, and the process is not draining",
        JSON,
        StatusView,
        may_refuse=True,
        example=StatusView(status="ready"),
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


@cache
def _files() -> Files:
    return Files(STATIC)


def uncounted() -> frozenset[str]:
    """The paths that no rate limit looks at: health, and the page's own files.

    A page is a score of files, from memory; a class behind one address would use up its limit by opening it.
    """
    return frozenset(place.path for place in PLACES if not place.counted) | _files().paths("/static/")


def demo_page() -> Route:
    """The page where it is told to ask for the demo's people. Elsewhere it must not: each visitor would see a 404."""
    content = (STATIC / "index.html").read_bytes().replace(b"<html ", b"<html data-demo ", 1)
    return Route("/", keep(content, TYPES[".html"]).answer)


def routes(
    health: Health,
    metrics: Callable[[], bytes],
    metrics_type: str,
    openapi: Callable[[], bytes],
    asyncapi: Callable[[], bytes],
) -> list[BaseRoute]:
    """The routes; files are read once, at start; the documents are made when they are first asked for."""

    async def figures(request: Request) -> Response:
        return Response(metrics(), media_type=metrics_type, headers={"cache-control": UNKEPT})

    files = _files()
    answers = {
        "/healthz": health.alive,
        "/readyz": health.ready,
        "/metrics": figures,
        "/openapi.json": Made(openapi, JSON).answer,
        "/asyncapi.json": Made(asyncapi, JSON).answer,
        "/": files["index.html"].answer,
        "/docs": files["docs.html"].answer,
        "/favicon.ico": files["favicon.svg"].answer,
    }
    return [
        *(Route(place.path, answers[place.path]) for place in PLACES),
        Mount("/static", files),
    ]
