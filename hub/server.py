"""One process that listens: uvicorn with this hub's limits, and a stop that tells everyone when to come back."""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from types import FrameType

import uvicorn

from hub import scraping, workers
from hub.app import Hub
from hub.sockets.entrance import entrance
from hub.sockets.patience import Bounds
from hub.stopping import HardStop

PING_SECONDS = 20.0
UNSENT = 16 * 1024
"""Octets that may lie unsent in the kernel for one peer."""
VANISHED_SECONDS = 90
"""How long a peer may acknowledge nothing before its connection ends; the kernel itself would try for a quarter of an
hour. It is for readers of events, who are never asked for a sign of life, and more than a slow socket is given."""
DRAIN_SECONDS = 2.0
"""Over how long sockets are sent home, if they are many."""
FLUSH_SECONDS = 1.0
"""How long sockets may take to hear why they are closed; uvicorn would cut in with a bare 1012."""
REQUEST_SECONDS = 5.0
"""How long requests under way may take to end."""


class HubServer(uvicorn.Server):
    """uvicorn closes sockets at once and says nothing before; here everyone is told first, and not all at once."""

    def __init__(self, config: uvicorn.Config, hub: Hub, own: Sequence[socket.socket] = ()) -> None:
        """`own` are bound sockets where this process shows its figures."""
        super().__init__(config)
        self._hub = hub
        self._own = own
        self.broke = False
        self.stopping: Callable[[], None] = lambda: None
        hub.failed = self._fail

    def _fail(self) -> None:
        self.broke = True
        self._stop()

    def _stop(self) -> None:
        self._hub.lobby.draining = True
        self.stopping()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: no new sockets and not ready from this instant on; `stopping` is called. The rest is uvicorn's."""
        super().handle_exit(sig, frame)
        self._stop()

    def retire(self) -> None:
        """Stop as by a signal, but accept nothing more: for a worker beside others that listen at the same address."""
        for listening in self.servers:
            listening.close()
        self._stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then say where: only now is anyone answered there."""
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                _bound(listening)
        # Among uvicorn's, so that they are closed with them: at the end of a stop, or at once where another takes over.
        self.servers += [await scraping.listen(one, self._hub.metrics.text) for one in self._own]
        host, port = self.config.host, self.servers[0].sockets[0].getsockname()[1]
        self._hub.listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send everyone home while REST goes on, then stop as uvicorn does. A second signal may cut it short."""
        hub, loop = self._hub, asyncio.get_running_loop()
        window = hub.settings.leave_grace_seconds / 2
        hub.readiness.notice()
        await hub.lobby.drain(window, _share(hub, DRAIN_SECONDS), lambda: self.force_exit)
        hub.end_streams(window)
        deadline = loop.time() + FLUSH_SECONDS
        while hub.lobby.total.here(None) and loop.time() < deadline and not self.force_exit:
            hub.lobby.send_home(window)  # someone may have been between the door and the lobby
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)


def _bound(listening: socket.socket) -> None:
    """Let the kernel keep few unsent octets for those who are accepted here, and none for ever: they inherit it.

    It would take megabytes, all of which a slow peer had to read before it saw what is true now.
    """
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # tcp(7): milliseconds
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_SECONDS * 1000)


def _share(hub: Hub, seconds: float) -> float:
    """`seconds`, or a quarter of the time there is for the whole stop."""
    return min(seconds, hub.settings.stop_seconds / 4)


def server(
    hub: Hub,
    *,
    direct: bool = True,
    ping_seconds: float = PING_SECONDS,
    ping_timeout: float = PING_SECONDS,
    bounds: Bounds | None = None,
    own: Sequence[socket.socket] = (),
) -> HubServer:
    """A server for `hub`, as its settings say. Without `direct`, `/ws` is served through ASGI, as by any other server.

    Peers of sockets are asked for a sign of life every `ping_seconds`, and have `ping_timeout` seconds to give it;
    `bounds` is how long requests and answers may take, where that is not the usual; `own` as HubServer takes it.
    """
    settings = hub.settings
    config = uvicorn.Config(
        hub.app,
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(_share(hub, REQUEST_SECONDS)),
        http=entrance(hub.lobby, ping_seconds, ping_timeout, bounds) if direct else "httptools",
        ws="websockets-sansio",
        ws_max_size=settings.max_message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=ping_seconds,
        ws_ping_timeout=ping_timeout,
    )
    return HubServer(config, hub, own)


def serve(hub: Hub, bound: Sequence[socket.socket], own: Sequence[socket.socket] = ()) -> None:
    """Listen on `bound` until told to stop; exits with 1 when it stopped because something broke, to be started again.

    SIGHUP, by which workers are replaced, is a stop like any other: unheard it would end the process at once.
    """
    serving, listening = server(hub, own=own), hub.listening

    def tell(url: str) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, serving._stop)
        listening(url)

    hub.listening = tell
    _run(serving, hub, list(bound))


def work(hub: Hub, descriptors: Iterable[int], own: Iterable[int] = ()) -> None:
    """The same as one of many, on sockets that the supervisor bound: see `hub.workers` for what is agreed with it."""
    serving = server(hub, own=_inherited(own))

    def tell(url: str) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, serving.retire)
        workers.tell_serving()

    hub.listening = tell
    workers.end_with_supervisor()
    _run(serving, hub, _inherited(descriptors))


def _inherited(descriptors: Iterable[int]) -> list[socket.socket]:
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _run(serving: HubServer, hub: Hub, sockets: list[socket.socket]) -> None:
    calm_collector()
    serving.stopping = HardStop(hub.settings.stop_seconds).begin
    serving.run(sockets)
    if serving.broke:
        sys.exit(1)


def calm_collector() -> None:
    """Collect garbage less often: nearly nothing here is in cycles, and each look passes over all that is kept.

    What there is by now is never looked at again. To collect it before would take as long as a tenth of the start, and
    find next to nothing.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
