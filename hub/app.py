"""The composition root: the only place that names concrete things, opens them in order and closes them in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from hub import instruments, machine
from hub.audit import Audit
from hub.bus import Bus
from hub.bus.memory import MemoryBus
from hub.clock import Clock, SharedClock, utc_now
from hub.domain.events import Present
from hub.domain.model import LeaveReason, Session
from hub.errors import Unavailable
from hub.keys import KeySet, SharedSecret
from hub.leases import Lease, Reaper
from hub.ledger import Ledger
from hub.limits import Addresses, Crowd, Pace, Rate
from hub.looplag import LoopLag
from hub.metrics import CONTENT_TYPE, Metrics
from hub.presence import Presence
from hub.readiness import SILENT, Readiness
from hub.rooms import Comparing, Rooms, Snapshot
from hub.sealing import Vault
from hub.settings import Settings
from hub.sockets import asyncapi
from hub.sockets.asgi import AsgiDoor, Nowhere
from hub.sockets.lobby import Lobby
from hub.spending import Spending
from hub.store import care, reads, schema
from hub.store.database import Database
from hub.store.opening import database_at
from hub.tokens import Tokens
from hub.web import openapi, pages, problems
from hub.web.cors import Cors
from hub.web.exports import Exports
from hub.web.gate import Beside, TokenGate
from hub.web.http import Endpoint, Operation
from hub.web.outside import Outside
from hub.web.payments import Payments
from hub.web.rest import Rest
from hub.web.routes import BASE, Services, operations
from hub.web.sse import Events

log = logging.getLogger("hub")

NOISE = 10
"""Control frames and fragments that a client may send for each message it may."""

LEAVES_PATIENCE = 3.0
"""Seconds to record leaves at a stop; what is not recorded by then is closed by the next process."""


@dataclass(slots=True)
class DatabaseSource:
    """Where rooms read what they have not heard."""

    database: Database
    clock: Clock

    def now(self) -> datetime:
        """The time."""
        return self.clock()

    async def states(self, session_ids: Iterable[int]) -> dict[int, Snapshot]:
        """The newest public states."""
        return await self.database.read(partial(reads.public_states, ids=list(session_ids), now=self.clock()))

    async def roster(self, session_id: int) -> tuple[int, list[Present]]:
        """Everyone present, and the revision at which that is so."""
        return await self.database.read(partial(reads.roster, session_id=session_id))

    async def revisions(self, session_ids: Iterable[int]) -> dict[int, int]:
        """The newest revisions alone."""
        return await self.database.read(partial(care.revisions, ids=list(session_ids)))

    async def ended_visits(self, visit_ids: Collection[str]) -> dict[str, LeaveReason]:
        """Those of these visits that are over, and why."""
        return await self.database.read(partial(care.ended_visits, ids=visit_ids))

    async def edited_since(self, since: datetime) -> list[tuple[Session, int]]:
        """The sessions whose place in the lists changed after `since`."""
        return await self.database.read(partial(care.edited_since, since=since, now=self.clock()))


@dataclass(slots=True)
class Hub:
    """One process: everything it is made of. `app` is the ASGI application; its lifespan opens and closes the rest."""

    settings: Settings
    database: Database
    bus: Bus
    ledger: Ledger
    lease: Lease
    reaper: Reaper
    rooms: Rooms
    comparing: Comparing
    presence: Presence
    lobby: Lobby
    lag: LoopLag = field(default_factory=LoopLag)
    metrics: Metrics = field(init=False)
    app: Starlette = field(init=False)
    readiness: Readiness = field(init=False)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    died: str | None = None
    failed: Callable[[], None] = lambda: None
    listening: Callable[[str], None] = lambda url: None
    end_streams: Callable[[float], None] = lambda window: None
    companions: list[Callable[[], AbstractAsyncContextManager[object]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.readiness = Readiness(self.leaving, self.unreached)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Open in order, close in reverse."""
        async with AsyncExitStack() as stack:
            await self.database.open()
            stack.push_async_callback(self.database.close)
            await self._begin_lease()
            for name, work in self._works():
                self._start(name, work())
                stack.push_async_callback(self._stop, name)
            stack.push_async_callback(self.lease.drain)
            stack.push_async_callback(self.presence.close, LEAVES_PATIENCE)
            for companion in self.companions:
                await stack.enter_async_context(companion())
            yield

    def _works(self) -> Iterable[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        yield "bus", self.bus.run
        yield "ledger", self.ledger.run
        yield "lease", self.lease.run
        yield "reaper", self.reaper.run
        yield "comparing", self.comparing.run
        yield "lag", self.lag.run
        yield "readiness", self.readiness.run

    async def _begin_lease(self) -> None:
        try:
            if not await self.database.read(schema.behind):
                await self.lease.open()
        except Unavailable:
            # A server may be away when this process starts: it is not ready then, says so, and begins when it can.
            if not self.database.shared:
                raise

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._watch)
        self.tasks[name] = task

    def _watch(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("the background task %r died: this process goes", task.get_name(), exc_info=task.exception())
            self.died = task.get_name()
            self.readiness.notice()
            self.failed()

    async def _stop(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks[name], return_exceptions=True)

    def leaving(self) -> str | None:
        """Why this process should get no more work, as far as it knows by itself; None when it should."""
        if self.died is None and self.lobby.draining:
            return "draining"
        done = self.died or next((name for name, task in self.tasks.items() if task.done()), None)
        return None if done is None else f"the background task {done!r} died"

    async def unreached(self) -> str | None:
        """What this process lacks of what others give it; None for nothing."""
        try:
            behind = await self.database.read(schema.behind)
        except Unavailable:
            return SILENT
        if behind or self.lease.refused:
            return behind or "the database takes no writes"
        if not self.lease.begun:
            return "this process has no lease yet"
        try:
            await self.bus.answers()
        except Unavailable:
            return "Redis does not answer"
        return None


def build(settings: Settings, *, clock: Clock | None = None, more_routes: Sequence[BaseRoute] = ()) -> Hub:
    """A hub that is not open yet; `settings` must have passed `must_serve`.

    `clock` is what its rules go by: by default this machine's, or the database's where that is shared.
    """
    database = database_at(settings.database_url)
    key, accepted = settings.secret_key or b"", settings.secret_keys_accepted
    bus = _bus(settings.redis_url, key, accepted)
    shared = SharedClock() if clock is None and database.shared else None
    clock = clock or shared or utc_now
    ledger = Ledger(database, bus.publish, clock)
    vault = Vault(key, accepted)
    rooms = Rooms(
        DatabaseSource(database, clock),
        bus,
        interval=settings.count_interval_ms / 1000,
        roster_limit=settings.roster_limit,
    )
    comparing = Comparing(rooms)
    bus.subscribe(rooms.receive, comparing.hurry)
    lost = _Later()
    lease = Lease(database, clock, settings.lease, lost)
    if shared is not None:
        look = shared.look
        lease.look = partial(database.read, lambda connection: look(partial(care.time, connection, utc_now())))
    presence = lease.drops = Presence(ledger, lease, vault, clock, doors=settings.doors, grace=settings.grace)
    tokens = _tokens(settings, clock)
    lobby = _lobby(settings, tokens, presence, rooms, clock)
    lost.call = lambda: lobby.send_home(settings.leave_grace_seconds / 2)
    reaper = Reaper(database, ledger, clock, lease, length=settings.lease, grace=settings.grace)
    hub = Hub(settings, database, bus, ledger, lease, reaper, rooms, comparing, presence, lobby)
    streams = Events(rooms, lobby.total, lobby.addresses, lobby.traffic.streams)
    hub.end_streams = streams.end
    hub.metrics = instruments.figures(hub, streams)
    services = _services(hub, vault, clock, streams)
    hub.app = _application(hub, services, _gate(settings, tokens, bus), more_routes)
    return hub


def _bus(redis_url: str | None, key: bytes, accepted: Sequence[bytes]) -> Bus:
    if redis_url is None:
        return MemoryBus()
    from hub.bus.redis import RedisBus

    return RedisBus(redis_url, key, accepted)


def _tokens(settings: Settings, clock: Clock) -> Tokens:
    return Tokens(
        SharedSecret(settings.jwt_secret) if settings.jwt_secret else KeySet(settings.jwt_jwks_url or ""),
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
        clock=clock,
    )


def _gate(settings: Settings, tokens: Tokens, bus: Bus) -> TokenGate:
    spending = Spending(settings.rate_limit or 1, bus, settings.secret_key or b"")
    return TokenGate(tokens, settings.rate_limit, spending.take)


def _lobby(settings: Settings, tokens: Tokens, presence: Presence, rooms: Rooms, clock: Clock) -> Lobby:
    return Lobby(
        tokens=tokens,
        presence=presence,
        rooms=rooms,
        clock=clock,
        max_message_bytes=settings.max_message_bytes,
        messages=Pace(settings.message_rate_limit),
        noise=Pace(settings.message_rate_limit and settings.message_rate_limit * NOISE),
        visits=Rate(settings.rate_limit) if settings.rate_limit else None,
        people=Crowd(settings.max_connections_per_person),
        addresses=Addresses(settings.max_connections_per_address),
        total=Crowd(max_connections(settings)),
        allowed_origins=settings.allowed_origins,
        audit=Audit(settings.log_requests),
    )


def _services(hub: Hub, vault: Vault, clock: Clock, streams: Events) -> Services:
    settings, database, ledger = hub.settings, hub.database, hub.ledger
    rest = Rest(
        database=database,
        ledger=ledger,
        vault=vault,
        clock=clock,
        hold=settings.hold,
        doors=settings.doors,
        roster_limit=settings.roster_limit,
    )
    secret = settings.payment_webhook_secret
    payments = Payments(database=database, ledger=ledger, webhook=Webhook(secret) if secret else None, clock=clock)
    return Services(rest, Exports(rest), streams, payments)


class _Later:
    """A call whose target is known later."""

    def __init__(self) -> None:
        self.call: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        self.call()


def _application(hub: Hub, services: Services, gate: TokenGate, more_routes: Sequence[BaseRoute]) -> Starlette:
    table = operations(services)
    by_path: dict[str, list[Operation]] = {}
    for operation in table:
        by_path.setdefault(operation.path, []).append(operation)
    endpoints = {path: Endpoint(group, gate) for path, group in by_path.items()}
    rest = [Route(path, endpoint) for path, endpoint in endpoints.items()]
    # The list's own path ends with a slash where it is written as base and `/`: served, since a redirect loses bodies.
    rest.append(Route(f"{BASE}/", endpoints[BASE]))
    beside = pages.routes(
        pages.Health(hub.readiness),
        hub.metrics.text,
        CONTENT_TYPE,
        partial(openapi.document, table),
        asyncapi.document,
    )
    origins = sorted(hub.settings.allowed_origins)
    cors = partial(
        Cors,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["authorization", "content-type", "if-match", "last-event-id"],
        expose_headers=["etag", "location", "ratelimit", "ratelimit-policy", "retry-after"],
        max_age=600,
    )
    sockets = [WebSocketRoute("/ws", AsgiDoor(hub.lobby)), WebSocketRoute("/{path:path}", Nowhere(hub.lobby))]
    counting = Middleware(Beside, gate=gate, rest=rest, free=pages.uncounted(), cors=cors if origins else None)
    application = _Application(
        routes=[*rest, *sockets, *more_routes, *beside],
        middleware=[counting, Middleware(cors)] if origins else [counting],
        exception_handlers={HTTPException: problems.framework_refusal, Exception: problems.unexpected},
        lifespan=hub.lifespan,
    )
    application.router.redirect_slashes = False  # its Location would say whatever Host the caller did
    application.lobby = hub.lobby
    return application


class _Application(Starlette):
    """Starlette's, with its own failures inside of what every answer passes."""

    lobby: Lobby

    def build_middleware_stack(self) -> ASGIApp:
        """What a request meets, from the outside."""
        places = frozenset(place.path for place in pages.PLACES)
        return Outside(super().build_middleware_stack(), self.lobby.audit, self.lobby.traffic, places)


def max_connections(settings: Settings) -> int:
    """How many sockets this process may hold: what is configured, else what its file descriptors allow."""
    machine.raise_descriptors()
    return machine.sockets_possible() if settings.max_connections is None else settings.max_connections
