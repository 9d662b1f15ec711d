"""Real hubs for tests: in this process on a free port, or as a process that can be killed; and their clients."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Self

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from hub.app import Hub, build
from hub.domain.people import Role
from hub.settings import Settings
from hub.tokens import sign
from tests.listening import stopped, until_started
from tests.second import Second
from tests.tables import Where, url_of

SECRET = "a test's secret of more than thirty-two bytes"
SECRET_KEY = b"k" * 32
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"w" * 32).decode()
API = "/api/live-sessions"
PATIENCE = 10.0
START_PATIENCE = 30.0
"""For a process to start, or to end: on a busy machine that takes many times as long as on an idle one."""


def now() -> datetime:
    """The real clock: these tests meet real servers."""
    return datetime.now(UTC)


def token(sub: str, role: str = "student", name: str = "", ttl: float = 3600.0) -> str:
    """A valid token; `ttl` in seconds, negative for one that has ended."""
    return sign(SECRET, sub, name or sub.title(), Role(role), ttl=timedelta(seconds=ttl), now=now())


def bearer(sub: str, role: str = "student", name: str = "", ttl: float = 3600.0) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {token(sub, role, name, ttl)}"}


EXPERT = bearer("e-7", "expert", "Dr. Jane Smith")
OTHER_EXPERT = bearer("e-8", "expert", "Omar Haddad")


def draft(**changes: Any) -> dict[str, Any]:
    """A valid body for a new session that starts in five minutes: its doors are open."""
    starts = (now() + timedelta(minutes=5)).isoformat()
    return {"title": "Smart Farming Q&A Session", "startsAt": starts, "durationMinutes": 60} | changes


@dataclass
class Running:
    """A hub that listens: one process, or several that whoever asks meets in turn."""

    ports: tuple[int, ...]
    where: Where
    hub: Hub | None = None
    process: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        self._turns = cycle(self.ports)

    @property
    def port(self) -> int:
        """The port of whichever process has its turn."""
        return next(self._turns)

    @property
    def url(self) -> str:
        """Where REST is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Where the WebSocket is."""
        return f"ws://127.0.0.1:{self.port}/ws"

    def http(self, **headers: str) -> httpx2.AsyncClient:
        """A client for REST."""
        # There is no TLS here, and loading its certificates takes longer than a request.
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False)

    async def create(self, headers: Mapping[str, str] = EXPERT, **changes: Any) -> dict[str, Any]:
        """A new session."""
        async with self.http() as http:
            response = await http.post(API, json=draft(**changes), headers=dict(headers))
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()["data"]
        return created

    async def call(self, method: str, path: str, headers: Mapping[str, str] = EXPERT, **more: Any) -> httpx2.Response:
        """One request below /api/live-sessions."""
        async with self.http() as http:
            return await http.request(method, API + path, headers=dict(headers), **more)

    async def start(self, session_id: int) -> None:
        """Start a session as its expert."""
        response = await self.call("PATCH", f"/{session_id}/start")
        assert response.status_code == 200, response.text

    async def book(self, session_id: int, sub: str) -> None:
        """Book a seat for a student."""
        response = await self.call("POST", f"/{session_id}/book", bearer(sub))
        assert response.status_code == 201, response.text


def settings_for(where: Where, **changes: Any) -> Settings:
    """Limits are off unless asked for, and the grace is short."""
    defaults: dict[str, Any] = {
        "database_url": url_of(where),
        "port": 0,
        "jwt_secret": SECRET,
        "secret_key": SECRET_KEY,
        "payment_webhook_secret": WEBHOOK_SECRET,
        "rate_limit": None,
        "message_rate_limit": None,
        "leave_grace_seconds": 0.2,
        "count_interval_ms": 20,
    }
    return Settings(**defaults | changes)


@asynccontextmanager
async def running(
    folder: Path,
    *,
    clock: Callable[[], datetime] | None = None,
    serving_as: Mapping[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[Running]:
    """A hub in this very process, on a free port, with its database in `folder`.

    `clock` is what its rules, reads and leases go by; tokens and signatures are verified against the real time.
    `serving_as` goes to `hub.server.server`.
    """
    path = folder / "hub.db"
    hub = build(settings_for(path, **changes), clock=clock)
    serving, task, listening = await until_started(hub, **serving_as or {})
    try:
        yield Running((listening.getsockname()[1],), path, hub)
    finally:
        await stopped(serving, task, listening)


@dataclass(frozen=True)
class Place:
    """Where hubs of one installation meet, and the process where the second of them runs."""

    database: str
    redis: str
    second: Second


@asynccontextmanager
async def running_twice(place: Place, **changes: Any) -> AsyncIterator[Running]:
    """Two hubs on PostgreSQL and Redis, one in this process and one in another."""
    settings = settings_for(place.database, redis_url=place.redis, **changes)
    hub = build(settings)
    serving, task, listening = await until_started(hub)
    try:
        other = await place.second.start(settings)
        try:
            yield Running((listening.getsockname()[1], other), place.database, hub)
        finally:
            await place.second.stop(other)
    finally:
        await stopped(serving, task, listening)


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def variables_for(where: Where, port: int) -> dict[str, str]:
    """The environment of a `hub serve` on this database, with limits off."""
    return {
        **os.environ,
        "HUB_DATABASE_URL": url_of(where),
        "HUB_PORT": str(port),
        "HUB_JWT_SECRET": SECRET,
        "HUB_SECRET_KEY": base64.b64encode(SECRET_KEY).decode(),
        "HUB_RATE_LIMIT": "off",
        "HUB_MESSAGE_RATE_LIMIT": "off",
    }


async def spawn(
    folder: Path,
    port: int,
    where: Where | None = None,
    command: Sequence[str] = ("-m", "hub", "serve"),
    **environment: str,
) -> Running:
    """A hub as a process of its own (`hub serve`), ready; end it with `kill`.

    Its log is in `folder`, and its database too unless it is somewhere else: `where`.
    """
    path = folder / "hub.db" if where is None else where
    variables = variables_for(path, port) | environment
    log = (folder / "hub.log").open("ab")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, env=variables, stdout=log, stderr=log)
    log.close()
    spawned = Running((port,), path, process=process)
    try:
        await _ready(spawned, (folder / "hub.log").read_text)
    except BaseException:
        await kill(spawned)
        raise
    return spawned


async def _ready(spawned: Running, log: Callable[[], str]) -> None:
    assert spawned.process is not None
    async with asyncio.timeout(START_PATIENCE), spawned.http() as http:
        while True:
            assert spawned.process.returncode is None, log()
            with suppress(httpx2.TransportError):
                if _listens(spawned.port) and (await http.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)


def _listens(port: int) -> bool:
    """Whether anyone does: a twentieth of a request's work, and until it starts it is asked a hundred times in vain."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def kill(spawned: Running, how: signal.Signals = signal.SIGKILL) -> int:
    """Send `how` to the process that `spawn` started, and wait for its end."""
    assert spawned.process is not None
    if spawned.process.returncode is None:
        spawned.process.send_signal(how)
    async with asyncio.timeout(START_PATIENCE):
        return await spawned.process.wait()


class Client:
    """One socket. `ask` waits for the answer to its own id; what else comes is kept for `expect`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self._next_id = 0

    @classmethod
    @asynccontextmanager
    async def at(cls, running: Running, sub: str | None = None, role: str = "student") -> AsyncIterator[Self]:
        """Connect, and say who it is by `auth` if there is a `sub`."""
        async with connect(running.ws, proxy=None, compression=None, close_timeout=1) as socket:
            client = cls(socket)
            await client.expect("welcome")
            if sub is not None:
                answer = await client.ask(type="auth", token=token(sub, role))
                assert answer["type"] == "ok", answer
            yield client

    @classmethod
    @asynccontextmanager
    async def with_headers(cls, running: Running, headers: Mapping[str, str]) -> AsyncIterator[Self]:
        """Connect with these headers: `bearer` says who it is without `auth`."""
        async with connect(
            running.ws, proxy=None, compression=None, close_timeout=1, additional_headers=headers
        ) as socket:
            client = cls(socket)
            await client.expect("welcome")
            yield client

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one message as it is."""
        await self.socket.send(json.dumps(message))

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send a message with a fresh id; the `ok`, `pong` or `error` that answers it."""
        self._next_id += 1
        wanted = message.setdefault("id", self._next_id)
        await self.send(message)
        return await self.until(lambda heard: heard["type"] in ("ok", "pong", "error") and heard.get("id") == wanted)

    async def expect(self, kind: str, **members: Any) -> dict[str, Any]:
        """The next message of this type that has these members."""
        return await self.until(
            lambda heard: heard["type"] == kind and all(heard.get(name) == value for name, value in members.items())
        )

    async def until(self, fits: Any) -> dict[str, Any]:
        """The first message, heard already or to come, that `fits`; it is taken out of what was heard."""
        for index, heard in enumerate(self.heard):
            if fits(heard):
                return self.heard.pop(index)
        async with asyncio.timeout(PATIENCE):
            while True:
                heard = json.loads(await self.socket.recv())
                if fits(heard):
                    return heard  # type: ignore[no-any-return]  # json
                self.heard.append(heard)

    async def silence(self, seconds: float) -> list[dict[str, Any]]:
        """What comes within `seconds`; for showing that something does not."""
        came = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    came.append(json.loads(await self.socket.recv()))
        except TimeoutError:
            return came
