"""Canaries in every secret: after a trip through all that a hub offers they are found only where they may be."""

from __future__ import annotations

import asyncio
import base64
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from urllib.parse import quote, urlsplit

import httpx2
import psycopg
import pytest

from hub.domain.people import Role
from hub.store.postgresql import PostgresDatabase
from hub.tokens import sign
from tests.processes import free_port
from tests.running import API, PATIENCE, Running, draft, kill, now, spawn
from tests.security.canaries import Canaries, core, traces
from tests.security.trip import Trip
from tests.servers import PostgresServer, RedisServer
from tests.tables import Where, change, tables
from tests.test_cli import hub_command

figures = logging.getLogger("figures")

SERVE = ("-m", "hub", "serve")
PEOPLE = {
    "stranger": Role.STUDENT,
    "pending": Role.STUDENT,
    "seated": Role.STUDENT,
    "owner": Role.EXPERT,
    "other": Role.EXPERT,
}


class Installation:
    """The secrets of a hub and of those who use it."""

    def __init__(self) -> None:
        self.canaries = Canaries()
        new = self.canaries.new
        self.jwt_secret = f"jwt/+ä {new('the secret of tokens')} and more than 32"
        self.environment = {
            "HUB_JWT_SECRET": self.jwt_secret,
            "HUB_SECRET_KEY": self.canaries.key("the key"),
            "HUB_SECRET_KEYS_ACCEPTED": self.canaries.key("the old key"),
            "HUB_PAYMENT_WEBHOOK_SECRET": "whsec_" + base64.b64encode(new("the webhook secret").encode()).decode(),
        }
        self.meeting = {
            "meetingUrl": f"https://meet.example/{new('the address')}?pwd={new('the password in the address')}",
            "meetingPassword": f"p\"ä<&'\\%/+ {new('the password')}",
        }
        self.tokens = {
            who: self.canaries.token(f"the token of {who}", self.sign(who, role)) for who, role in PEOPLE.items()
        }

    def sign(self, who: str, role: Role) -> str:
        """A token."""
        return sign(self.jwt_secret, who, who.title(), role, ttl=timedelta(hours=1), now=now())


async def travelled(hub: Running, http: httpx2.AsyncClient, installation: Installation) -> Trip:
    """All of it, with everyone listening, and with the tables gone for a while."""
    trip = Trip(hub, http, installation.tokens, installation.meeting)
    await trip.furnish()
    async with trip.listening():
        await trip.ask("owner", "PATCH", f"{API}/{trip.session}", json={"title": "Moved", **trip.meeting})
        await trip.everywhere()
        await trip.nonsense()
        await broken_inside(trip)
        await trip.new_session()
    figures.info("%d answers, %d meetings shown", trip.asked, trip.shown)
    assert trip.asked > 900
    assert trip.shown > 5
    assert trip.stored == []
    return trip


async def broken_inside(trip: Trip) -> None:
    """Every statement about sessions fails, so what is on its way with secrets ends in tracebacks."""
    change(trip.hub.where, "ALTER TABLE live_sessions RENAME TO elsewhere")
    answers = [await trip.ask("owner", "POST", API, json=draft(**trip.meeting))]
    for who in ("owner", "seated"):
        answers.append(await trip.ask(who, "GET", f"{API}/{trip.session}"))
        answers.append(await trip.ask(who, "PATCH", f"{API}/{trip.session}", json=trip.meeting))
    change(trip.hub.where, "ALTER TABLE elsewhere RENAME TO live_sessions")
    assert {answer.status_code for answer in answers} <= {403, 500, 503}
    assert sum(answer.status_code >= 500 for answer in answers) >= 3


def in_files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder and of those in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_K1_L2_W13_no_secret_is_in_the_file_the_logs_the_frames_or_an_answer(tmp_path: Path) -> None:
    here = Installation()
    debugging = ("-m", "tests.security.talking", "debug", "serve")
    hub = await spawn(tmp_path, free_port(), None, debugging, **here.environment)
    try:
        async with hub.http() as http:
            trip = await travelled(hub, http, here)
        running = in_files(tmp_path)
    finally:
        await kill(hub, signal.SIGTERM)
    assert running.keys() >= {"hub.db", "hub.db-wal", "hub.log"}
    assert b"no such table" in running["hub.log"]
    assert running["hub.log"].count(b"asyncio: Executing") > 1000
    assert here.canaries.found(running) == []
    assert here.canaries.found(in_files(tmp_path)) == []
    assert here.canaries.found(trip.heard) == []
    assert len(trip.heard) > 100


async def test_a_hub_that_logs_what_it_is_sent_or_stores_or_shows_it_is_found_out(tmp_path: Path) -> None:
    here = Installation()
    hub = await spawn(
        tmp_path, free_port(), None, ("-m", "tests.security.talking", "leak", "serve"), **here.environment
    )
    try:
        async with hub.http() as http:
            trip = Trip(hub, http, here.tokens, here.meeting)
            session = await trip.new_session(title=f"Say {here.meeting['meetingPassword']}")
            await trip.ask("anonymous", "GET", API)
        change(hub.where, "UPDATE live_sessions SET meeting_url = ?", here.meeting["meetingUrl"])  # as it was before
        found = here.canaries.found(in_files(tmp_path))
    finally:
        await kill(hub)
    assert session == 1
    assert {f"the password in {place}" for place in ("hub.log", "hub.db-wal")} <= set(found)
    assert {f"the password in the address in {place}" for place in ("hub.log", "hub.db-wal")} <= set(found)
    assert f"the password in GET {API} to anonymous" in here.canaries.found(trip.heard)


@pytest.mark.parametrize("shift", range(3))
def test_a_secret_is_found_in_whatever_it_is_written(shift: int) -> None:
    canaries = Canaries()
    secret = canaries.new("it").encode()
    text = b"x" * shift + secret + b"yz"
    for written in (text, base64.b64encode(text), base64.urlsafe_b64encode(text), text.hex().encode()):
        assert canaries.found({"there": b"before" + written + b"after"}) == ["it in there"]
    assert canaries.found({"there": core().encode() + base64.b64encode(core().encode())}) == []
    assert len(traces(secret)) > 5


@contextmanager
def monitored(redis: RedisServer) -> Iterator[bytearray]:
    """All that a server is told meanwhile."""
    heard = bytearray()
    with socket.create_connection((redis.host, redis.port), PATIENCE) as line:
        line.sendall(b"MONITOR\r\n")
        assert line.recv(5) == b"+OK\r\n"
        line.settimeout(None)

        def listen() -> None:
            while content := line.recv(65536):
                heard.extend(content)

        thread = Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            line.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def copied(url: str) -> dict[str, bytes]:
    """A dump: COPY of every table."""
    with psycopg.connect(url) as connection:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        names = [name for (name,) in connection.execute(query).fetchall()]
        found = {}
        for name in names:
            with connection.cursor().copy(f"COPY {name} TO STDOUT".encode()) as rows:
                found[f"the dump of {name}"] = b"".join(bytes(row) for row in rows)
    return found


def with_password(url: str, password: str, name: str = "hub") -> str:
    """The URL with who signs in."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:{quote(password, safe='')}@{parts.hostname}:{parts.port}").geturl()


@asynccontextmanager
async def two_hubs(
    folder: Path, postgres: PostgresServer, redis: RedisServer, here: Installation
) -> AsyncIterator[Running]:
    """Two processes with passwords to their servers, one with each format of logs."""
    url = postgres.database()
    await PostgresDatabase(url).migrate()
    where = with_password(url, f"d@/{here.canaries.new('the password of the database')}")
    word = f"r@/{here.canaries.new('the password of Redis')}"
    redis.ask("ACL SETUSER", "hub", "on", f">{word}", "allchannels", "+@all")
    more = {"HUB_REDIS_URL": with_password(redis.url(), word)}
    async with AsyncExitStack() as stack:
        hubs = []
        for log_format in ("text", "json"):
            home = folder / log_format
            home.mkdir()
            environment = here.environment | more | {"HUB_LOG_FORMAT": log_format}
            hub = await spawn(home, free_port(), where, SERVE, **environment)
            stack.push_async_callback(kill, hub)
            hubs.append(hub)
        yield Running((hubs[0].port, hubs[1].port), where)


def loud(where: Where) -> None:
    """Have the server log every statement with its values."""
    with tables(where) as server:
        for setting in ("log_statement = 'all'", "log_min_error_statement = 'debug1'"):
            server.execute(f"ALTER SYSTEM SET {setting}")
        server.execute("SELECT pg_reload_conf()")


async def refused_by_the_server(trip: Trip) -> None:
    """A constraint refuses the row, and the server's words for it hold all of the row."""
    change(trip.hub.where, "ALTER TABLE live_sessions ADD CONSTRAINT never CHECK (title <> 'never')")
    body = draft(**trip.meeting) | {"title": "never"}
    for method, path in (("POST", API), ("PATCH", f"{API}/{trip.session}")):
        answer = await trip.ask("owner", method, path, json=body | {"durationMinutes": 45})
        assert answer.status_code == 500
    change(trip.hub.where, "ALTER TABLE live_sessions DROP CONSTRAINT never")


async def test_K1_L2_W13_no_secret_is_in_the_dump_in_valkey_or_in_the_logs_of_the_servers(tmp_path: Path) -> None:
    here = Installation()
    with PostgresServer(own=True) as postgres, RedisServer(own=True) as redis, monitored(redis) as told:
        async with two_hubs(tmp_path, postgres, redis, here) as both, both.http() as http:
            loud(both.where)
            trip = await travelled(both, http, here)
            await refused_by_the_server(trip)
            places = copied(str(both.where)) | {"Valkey's traffic": bytes(told)}
            change(both.where, "CHECKPOINT")
            await asyncio.to_thread(postgres.kill)
            for who in ("owner", "seated"):
                await trip.ask(who, "PATCH", f"{API}/{trip.session}", json=here.meeting)
            places |= {f"{name} log": in_files(tmp_path / name)["hub.log"] for name in ("text", "json")}
            raw = in_files(postgres.program.log.parent)
            keys = redis.ask("INFO", "keyspace")
    assert keys == {}
    assert b"PUBLISH" in told
    assert b"violates check constraint" in raw["log"]
    assert b"Failing row contains" in places["text log"] + places["json log"]
    assert here.canaries.found(places | {"PostgreSQL's log": raw["log"]}) == []
    assert here.canaries.found(trip.heard) == []
    assert here.canaries.found(raw, plain=True) == []


ALL = ("check", "migrate", "reseal")


async def test_L2_no_command_says_a_secret_whatever_is_wrong_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Installation()
    word = here.canaries.new("a password")
    away, bus = f"postgresql://hub:{word}@127.0.0.1:1/hub", f"redis://:{word}@127.0.0.1:1"
    wrong: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
        (ALL, {}),
        (("check", "migrate"), {"HUB_DATABASE_URL": away}),
        (("check",), {"HUB_DATABASE_URL": away, "HUB_REDIS_URL": bus}),
        (ALL, {"HUB_DATABASE_URL": away.replace("hub:", "hub:a@")}),
        (ALL, {"HUB_DATABASE_URL": away.replace("postgresql", "mysql")}),
        (("check",), {"HUB_REDIS_URL": bus.replace("redis", "http")}),
        (("check",), {"HUB_JWT_SECRET": word}),
        (("check", "reseal", "serve"), {"HUB_SECRET_KEY": word}),
        (("reseal",), {"HUB_SECRET_KEYS_ACCEPTED": f"{here.environment['HUB_SECRET_KEY']},{word}"}),
        (("check",), {"HUB_PAYMENT_WEBHOOK_SECRET": f"{word}!"}),
        (("check",), {"HUB_JWT_SECRET": "", "HUB_JWT_JWKS_URL": f"ftp://hub:{word}@id.example/keys"}),
    )

    async def said(command: str, changes: dict[str, str]) -> tuple[str, bytes]:
        ended = await hub_command(tmp_path, command, **here.environment | changes)
        return f"{command} with {changes}", (ended.out + ended.err).encode()

    answers = dict([await said(command, changes) for commands, changes in wrong for command in commands])
    assert len(answers) == sum(len(commands) for commands, _ in wrong)
    assert all(answers.values())
    assert here.canaries.found(answers | {"the log": caplog.text.encode()}) == []
