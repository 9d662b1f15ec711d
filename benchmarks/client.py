"""A client that is cheaper than any server: prebuilt requests over keep-alive connections, answers barely looked at."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from benchmarks.machine import Meter
from benchmarks.wrong import Wrong

PATIENCE = 15.0
"""Seconds for answers under way at the end, and for connecting."""


def request(method: str, path: str, token: str | None = None, body: bytes | None = None) -> bytes:
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    if token is not None:
        lines.append(f"authorization: Bearer {token}")
    if body is not None:
        lines.append("content-type: application/json")
    if method != "GET":
        lines.append(f"content-length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass
class Load:
    """What one turn of asking has seen; the clock runs from the warm-up's end to the deadline or the last answer."""

    requests: Iterator[bytes]
    status: bytes
    interval: float | None = None
    answered: int = 0
    total: int = 0
    latencies: list[float] = field(default_factory=list)
    counting: bool = False
    stopped: bool = False
    wrong: bytes | None = None
    busy: int = 0
    last: float = 0.0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def next(self) -> bytes | None:
        """The next request; None when it is over."""
        return None if self.stopped else next(self.requests, None)


class Talk(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._sent = 0.0
        self._slot = 0.0
        self._active = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected; nothing is sent yet."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up."""
        if self._active:
            self._load.wrong = self._load.wrong or b"the server closed a connection under way"
            self._over()

    def begin(self, delay: float = 0.0) -> None:
        """Send the first request, `delay` seconds from now."""
        self._active = True
        self._load.busy += 1
        self._slot = self._loop.time() + delay
        self._loop.call_at(self._slot, self._send)

    def _send(self) -> None:
        ready = self._load.next()
        if ready is None:
            self._over()
            return
        self._sent = time.perf_counter()
        self.transport.write(ready)

    def _over(self) -> None:
        if self._active:
            self._active = False
            self._load.busy -= 1
            if not self._load.busy:
                self._load.idle.set()

    def data_received(self, data: bytes) -> None:
        """Part of an answer, or all of it."""
        if self._rest:
            data = self._rest + data
        head = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ", 0, head)
        if head < 0 or len(data) < head + 4 + int(data[at + 16 : data.find(b"\r", at)]):
            self._rest = data
            return
        self._rest = b""
        self._answered(data)

    def _answered(self, data: bytes) -> None:
        load, now = self._load, time.perf_counter()
        load.total += 1
        if not data.startswith(load.status, 9):
            load.wrong, load.stopped = load.wrong or data, True
        elif load.counting:
            load.answered += 1
            load.last = now
            load.latencies.append(now - self._sent)
        if load.interval is None:
            self._send()
        else:
            self._slot = max(self._loop.time(), self._slot + load.interval)
            self._loop.call_at(self._slot, self._send)


@dataclass(frozen=True)
class Turn:
    """What one turn of asking has shown. Times in seconds; `total` counts the warm-up's requests too."""

    answered: int
    total: int
    seconds: float
    cpu: float | None
    own_cpu: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds

    @property
    def cpu_each(self) -> float | None:
        """The server's CPU seconds for each answer."""
        return None if self.cpu is None else self.cpu / max(1, self.answered)


async def ask_for(
    port: int,
    pid: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float,
    status: int,
    warm: float = 0.3,
    rate: float | None = None,
) -> Turn:
    """Ask for `seconds`, or until `requests` end; with `rate` no more than so many a second.

    Raises `Wrong` when any answer has another status; its first digits alone do for `status`.
    """
    loop = asyncio.get_running_loop()
    load = Load(requests, str(status).encode(), None if rate is None else connections / rate)
    async with asyncio.timeout(PATIENCE):
        made = [loop.create_connection(lambda: Talk(load), "127.0.0.1", port) for _ in range(connections)]
        talks = [protocol for _, protocol in await asyncio.gather(*made)]
    for number, talk in enumerate(talks):
        talk.begin(0.0 if rate is None else number / rate)
    await _passes(load, warm)
    load.counting = True
    started, meter = time.perf_counter(), Meter(pid)
    await _passes(load, seconds)
    cost = meter.cost()
    took = load.last - started if load.idle.is_set() else cost.seconds
    load.counting, load.stopped = False, True
    async with asyncio.timeout(PATIENCE):
        await load.idle.wait()
    for talk in talks:
        talk.transport.close()
    if load.wrong is not None:
        raise Wrong(f"an answer was not {status}: {load.wrong[:600]!r}")
    if not load.answered:
        raise Wrong("nothing was answered in time: give it more seconds, or more people")
    return Turn(load.answered, load.total, took, cost.server, cost.client, load.latencies)


async def _passes(load: Load, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await load.idle.wait()
    except TimeoutError:
        pass


def ask(
    port: int, method: str, path: str, token: str | None = None, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One request outside the clock; its JSON. Raises `Wrong` for a refusal."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        if body is None:
            connection.request(method, path, headers=headers)
        else:
            connection.request(method, path, json.dumps(body), {**headers, "content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= 400:
        raise Wrong(f"{method} {path}: {answer.status} {text[:600]!r}")
    found: dict[str, Any] = json.loads(text)
    return found
