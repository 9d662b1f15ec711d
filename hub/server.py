"""One process that listens: uvicorn with this hub's limits, and a stop that tells everyone when to come back."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys

import uvicorn

from hub.app import Hub

log = logging.getLogger("hub")

STOP_SECONDS = 5
PING_SECONDS = 20.0
FLUSH_SECONDS = 1.0
"""How long sockets may take to hear why they are closed; uvicorn would cut in with a bare 1012."""


class HubServer(uvicorn.Server):
    """uvicorn closes sockets at once and says nothing before; here everyone is told first."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub
        self.broke = False
        hub.failed = self._fail

    def _fail(self) -> None:
        self.broke = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say where: only now is the address bound, and the port known."""
        await super().startup(sockets)
        host, port = self.config.host, self.servers[0].sockets[0].getsockname()[1]
        self._hub.listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send everyone home, then stop as uvicorn does."""
        self._hub.lobby.draining = True
        self._hub.lobby.send_home(self._hub.settings.leave_grace_seconds / 2)
        self._hub.end_streams()
        deadline = asyncio.get_running_loop().time() + FLUSH_SECONDS
        while self._hub.lobby.total.here(None) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110  once
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)


def server(hub: Hub) -> HubServer:
    """A server for `hub`, as its settings say."""
    settings = hub.settings
    config = uvicorn.Config(
        hub.app,
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        ws="websockets-sansio",
        ws_max_size=settings.max_message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
    )
    return HubServer(config, hub)


def serve(hub: Hub) -> None:
    """Listen until told to stop; exits with 1 when it stopped because something broke, so that it is started again."""
    calm_collector()
    serving = server(hub)
    serving.run()
    if serving.broke:
        sys.exit(1)


def calm_collector() -> None:
    """Collect garbage less often: nearly nothing here is in cycles, and each look passes over all that is kept."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
