"""The servers under load, each a process of its own on a free port of 127.0.0.1."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.machine import Cores
from benchmarks.wrong import Wrong
from hub.domain.people import Role
from hub.tokens import sign

SECRET_KEY = base64.b64encode(secrets.token_bytes(32)).decode()
SECRET = secrets.token_urlsafe(32)
STARTS_WITHIN = 20.0
STOPS_WITHIN = 15.0


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    port: int
    pid: int


def token(person: str, role: Role = Role.STUDENT) -> str:
    """A token for `person` that outlives the run."""
    return sign(SECRET, person, f"Person {person}", role, ttl=timedelta(hours=6), now=datetime.now(UTC))


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def noop(folder: Path, cores: Cores) -> Iterator[Server]:
    """The server that does nothing."""
    port = free_port()
    with _process(["-m", "benchmarks.noop", str(port)], {}, port, folder / "noop.log", cores) as server:
        yield server


@contextmanager
def bare(folder: Path, cores: Cores, *, checked: bool = False) -> Iterator[Server]:
    """The server that does nothing but hold sockets and write to them; `checked`: it reads the handshake, too."""
    port = free_port()
    arguments = ["-m", "benchmarks.bare", str(port), *(["checked"] if checked else [])]
    with _process(arguments, {}, port, folder / f"bare-{port}.log", cores) as server:
        yield server


@dataclass(frozen=True)
class Stores:
    """Where the hubs keep and tell: a database that may be filled, and a Redis, if there is to be one."""

    database: str
    redis: str | None = None

    @property
    def kind(self) -> str:
        """What they are, for a report."""
        return self.database.partition(":")[0] + (" and Redis" if self.redis else "")


@contextmanager
def hub(folder: Path, cores: Cores, stores: Stores, **more: str) -> Iterator[Server]:
    """`hub serve` on `stores`, without rate limits, on a free port; `more` are settings of its own."""
    port = int(more.get("HUB_PORT", 0)) or free_port()
    variables = {
        "HUB_DATABASE_URL": stores.database,
        "HUB_REDIS_URL": stores.redis or "",
        "HUB_HOST": "127.0.0.1",
        "HUB_PORT": str(port),
        "HUB_JWT_SECRET": SECRET,
        "HUB_SECRET_KEY": SECRET_KEY,
        "HUB_RATE_LIMIT": "off",
        "HUB_MESSAGE_RATE_LIMIT": "off",
        "HUB_MAX_CONNECTIONS_PER_ADDRESS": "off",
        **more,
    }
    with _process(["-m", "hub", "serve"], variables, port, folder / f"hub-{port}.log", cores) as server:
        yield server


@contextmanager
def _process(arguments: list[str], variables: dict[str, str], port: int, log: Path, cores: Cores) -> Iterator[Server]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    with log.open("wb") as output, cores.server_side():
        process = subprocess.Popen(
            [sys.executable, *arguments], env=inherited | variables, stdout=output, stderr=output
        )
    try:
        _await_port(process, port, log)
        yield Server(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Wrong(f"a server did not start:\n{log.read_text()[-2000:]}")
