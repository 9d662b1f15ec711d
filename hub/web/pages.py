"""What stands beside REST: health, figures, the references, and the page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from hub import views
from hub.errors import HubError, Unavailable
from hub.web.problems import problem

READY_WITHIN_SECONDS = 2.0

PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}

STATIC = next(
    folder for folder in (Path(__file__).parent / "static", Path(__file__).parents[2] / "static") if folder.is_dir()
)
"""Beside this file when installed, at the top of the source tree otherwise."""


class StatusView(views.View):
    """How the process is."""

    status: str


@dataclass(frozen=True, slots=True)
class Health:
    """What `/readyz` answers from: `check` raises what is wrong, or answers why this process wants no more work."""

    check: Callable[[], Awaitable[str | None]]

    async def alive(self, request: Request) -> Response:
        """The process lives."""
        return _told(StatusView(status="ok"))

    async def ready(self, request: Request) -> Response:
        """Database and bus answer, background tasks run, and the process is not draining."""
        try:
            async with asyncio.timeout(READY_WITHIN_SECONDS):
                reason = await self.check()
        except HubError as refusal:
            reason = refusal.message
        except TimeoutError:
            reason = "the database does not answer"
        if reason is None:
            return _told(StatusView(status="ready"))
        return problem(Unavailable(f"Not ready: {reason.rstrip('.')}."), request.url.path)


def _told(view: views.View) -> Response:
    return Response(views.encode(view), headers={"cache-control": "no-store"}, media_type="application/json")


def routes(
    health: Health, metrics: Callable[[], bytes], metrics_type: str, openapi: bytes, asyncapi: bytes
) -> list[BaseRoute]:
    """The routes; the documents are made once, at start."""

    def fixed(content: Callable[[], bytes], media_type: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return Response(content(), media_type=media_type)

        return answer

    return [
        Route("/healthz", health.alive),
        Route("/readyz", health.ready),
        Route("/metrics", fixed(metrics, metrics_type)),
        Route("/openapi.json", fixed(lambda: openapi, "application/json")),
        Route("/asyncapi.json", fixed(lambda: asyncapi, "application/json")),
        Route("/", _page("index.html")),
        Route("/docs", _page("docs.html")),
        Route("/favicon.ico", _page("favicon.svg")),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return FileResponse(STATIC / name, headers=PAGE_HEADERS)

    return answer
