"""The baseline: a Starlette endpoint that does nothing, under the hub's own server settings."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def nothing(request: Request) -> JSONResponse:
    """Read the body, answer a small JSON."""
    await request.body()
    return JSONResponse({"success": True})


def main(port: int) -> None:
    """Listen until told to stop."""
    uvicorn.run(
        Starlette(routes=[Route("/", nothing, methods=["GET", "POST"])]),
        host="127.0.0.1",
        port=port,
        http="httptools",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
