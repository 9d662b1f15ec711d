"""The command line as it is typed: what it prints, and with which code it ends."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import main
from hub.watching import Unwatchable, watch
from tests.running import API, EXPERT, PATIENCE, SECRET, SECRET_KEY, Running, bearer, free_port, kill, running, spawn
from tests.servers import PostgresServer, RedisServer

SECRETS = {"HUB_JWT_SECRET": SECRET, "HUB_SECRET_KEY": base64.b64encode(SECRET_KEY).decode()}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def clean(environment: Mapping[str, str], folder: Path) -> dict[str, str | None]:
    """An environment where no HUB_ variable but those given is set."""
    known = (name for name in os.environ if name.startswith("HUB_") or name == "PORT")
    return dict.fromkeys(known) | {"HUB_DATABASE_URL": f"sqlite:///{folder / 'cli.db'}"} | dict(environment)


async def hub_command(folder: Path, *arguments: str, **environment: str) -> Ended:
    """Run `hub` with these arguments to its end, beside the loop of the test."""
    invoke = partial(CliRunner().invoke, main, arguments, env=clean(environment, folder))
    async with asyncio.timeout(PATIENCE * 2):
        result = await asyncio.to_thread(invoke)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


async def hub_process(folder: Path, *arguments: str, **environment: str) -> Ended:
    """The same as a process of its own, as people run it."""
    variables = {**os.environ, **clean(environment, folder)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub",
        *arguments,
        env={name: value for name, value in variables.items() if value is not None},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE * 2):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "HUB_JWT_SECRET (32 bytes or more) or HUB_JWT_JWKS_URL"),
        ({"HUB_JWT_SECRET": SECRET}, "HUB_SECRET_KEY"),
        (SECRETS | {"HUB_JWT_SECRET": "short"}, "HUB_JWT_SECRET: takes a secret of 32 bytes or more"),
        (SECRETS | {"HUB_JWT_JWKS_URL": "https://id.example/keys"}, "never both"),
        (SECRETS | {"HUB_WORKERS": "2"}, "HUB_WORKERS: more than 1 needs PostgreSQL and Redis"),
        (SECRETS | {"HUB_WORKERS": "2", "HUB_DATABASE_URL": "postgresql://db/hub"}, "Redis: set HUB_REDIS_URL"),
        (SECRETS | {"HUB_WORKERS": "2", "HUB_REDIS_URL": "redis://bus"}, "Redis: set HUB_DATABASE_URL to `postgresql"),
        (SECRETS | {"HUB_REDIS_URL": "redis://bus"}, "HUB_REDIS_URL: processes that share a bus must share a database"),
        (SECRETS | {"HUB_REDIS_URL": "http://bus"}, "HUB_REDIS_URL: takes `redis://[user:password@]host"),
        (SECRETS | {"HUB_DATABASE_URL": "mysql://db/hub"}, "HUB_DATABASE_URL: takes `sqlite:///FILE` or `postgresql:"),
        (SECRETS | {"HUB_STOP_SECONDS": "0"}, "HUB_STOP_SECONDS: takes seconds from 1 to 3600"),
        (SECRETS | {"HUB_PORT": "http"}, "HUB_PORT: takes a whole number"),
        (SECRETS | {"HUB_HOST": "no.such.host.invalid"}, "no.such.host.invalid:0 can't be listened on: "),
        (SECRETS | {"HUB_HOST": "no..host"}, "no..host:0 can't be listened on: it is no name of a host"),
        (SECRETS | {"HUB_DATABASE_URL": "sqlite:////no/such/folder/hub.db"}, "/no/such/folder/hub.db can't be used"),
    ],
)
async def test_serve_says_in_a_sentence_what_it_lacks(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    ended = await hub_command(tmp_path, "serve", "--port", "0", **environment)
    assert ended.code == 2
    assert ended.err.startswith("hub: ")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_workers_by_the_option_are_refused_like_those_of_the_variable(tmp_path: Path) -> None:
    ended = await hub_command(tmp_path, "serve", "--workers", "2", **SECRETS)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert ended.err.startswith("hub: HUB_WORKERS: more than 1 needs PostgreSQL and Redis")
    ended = await hub_command(tmp_path, "serve", "--workers", "1", HUB_WORKERS="2")
    assert ended.err.startswith("hub: HUB_JWT_SECRET")  # the option goes before, and nothing is wrong with it


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_a_port_that_is_taken_is_told_in_a_sentence_before_anything_is_ready(
    tmp_path: Path, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await hub_process(tmp_path, command, "--port", str(port), **SECRETS)
    assert ended == Ended(2, "", f"hub: 127.0.0.1:{port} can't be listened on: Address already in use\n")


async def test_a_demo_that_keeps_its_database_needs_a_key_that_is_kept_too(tmp_path: Path) -> None:
    ended = await hub_command(tmp_path, "demo", "--port", "0")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert ended.err.startswith("hub: HUB_SECRET_KEY: needed with HUB_DATABASE_URL")
    assert not (tmp_path / "cli.db").exists()


async def test_serve_serves_until_it_is_told_to_stop_and_is_alone_on_its_file(tmp_path: Path) -> None:
    spawned = await spawn(tmp_path, free_port())
    try:
        created = await spawned.create()
        assert (await spawned.call("GET", f"/{created['id']}")).status_code == 200
        second = await hub_command(
            tmp_path, "serve", "--port", "0", **SECRETS, HUB_DATABASE_URL=f"sqlite:///{spawned.where}"
        )
        assert (second.code, len(second.err.splitlines())) == (2, 1)
        assert "Another hub process is using this SQLite file" in second.err
    finally:
        code = await kill(spawned, signal.SIGTERM)
    assert code in (0, -signal.SIGTERM)


async def test_a_printed_token_is_one_that_the_hub_accepts(tmp_path: Path, hub: Running) -> None:
    ended = await hub_command(
        tmp_path, "token", "--sub", "e-9", "--role", "expert", "--name", "Zoë", "--ttl", "90s", HUB_JWT_SECRET=SECRET
    )
    assert (ended.code, ended.err) == (0, "")
    headers = {"Authorization": f"Bearer {ended.out.strip()}"}
    created = await hub.create(headers)
    assert (created["expertId"], created["instructor"]) == ("e-9", "Zoë")


@pytest.mark.parametrize(
    ("ttl", "said"), [("soon", "--ttl takes"), ("1w", "--ttl takes"), ("-1h", "--ttl takes"), ("9999999d", "calendar")]
)
async def test_a_token_needs_a_ttl_that_is_one(tmp_path: Path, ttl: str, said: str) -> None:
    arguments = ("token", "--sub", "a", "--role", "student", "--name", "A", f"--ttl={ttl}")
    ended = await hub_command(tmp_path, *arguments, HUB_JWT_SECRET=SECRET)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


@pytest.mark.parametrize(
    ("sub", "ttl", "said"),
    [("", "1h", "`sub`"), ("a" * 300, "1h", "`sub`"), ("a\n", "1h", "`sub`"), ("a", "0s", "--ttl 0s")],
)
async def test_a_token_that_the_hub_would_refuse_is_not_printed(tmp_path: Path, sub: str, ttl: str, said: str) -> None:
    arguments = ("token", "--sub", sub, "--role", "student", "--name", "A", "--ttl", ttl)
    ended = await hub_command(tmp_path, *arguments, HUB_JWT_SECRET=SECRET)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert said in ended.err


async def test_a_printed_token_names_the_audience_and_the_issuer_that_the_hub_asks_for(tmp_path: Path) -> None:
    wanted = {"HUB_JWT_AUDIENCE": "hub", "HUB_JWT_ISSUER": "https://learn.example"}
    arguments = ("token", "--sub", "a", "--role", "student", "--name", "A")
    ended = await hub_command(tmp_path, *arguments, HUB_JWT_SECRET=SECRET, **wanted)
    async with running(tmp_path, jwt_audience="hub", jwt_issuer="https://learn.example") as hub:
        mine = await hub.call("GET", "/student/my-bookings", {"Authorization": f"Bearer {ended.out.strip()}"})
        other = await hub.call("GET", "/student/my-bookings", bearer("a"))
    assert (mine.status_code, other.status_code) == (200, 401)


async def test_a_token_needs_the_secret(tmp_path: Path) -> None:
    ended = await hub_command(tmp_path, "token", "--sub", "a", "--role", "student", "--name", "A")
    assert ended.code == 2
    assert ended.err.startswith("hub: HUB_JWT_SECRET: ")


async def test_migrate_makes_the_tables_and_may_be_said_again(tmp_path: Path) -> None:
    for _ in range(2):
        ended = await hub_command(tmp_path, "migrate")
        assert ended.code == 0
        assert "is up to date" in ended.out
    with sqlite3.connect(tmp_path / "cli.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert {"live_sessions", "session_bookings", "session_participants", "users", "nodes"} <= tables


async def test_migrate_says_in_a_sentence_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "cli.db").write_bytes(b"this is no database, whatever its name says" * 50)
    ended = await hub_command(tmp_path, "migrate")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert "file is not a database" in ended.err


async def test_check_is_green_before_the_first_start_and_after(tmp_path: Path) -> None:
    for _ in range(2):
        ended = await hub_command(tmp_path, "check", **SECRETS)
        assert ended.code == 0
        assert "red " not in ended.out
        assert "green  database" in ended.out
        await hub_command(tmp_path, "migrate")


async def test_check_is_green_while_the_hub_runs(tmp_path: Path, alone: Running) -> None:
    ended = await hub_command(tmp_path, "check", **SECRETS, HUB_DATABASE_URL=f"sqlite:///{alone.where}")
    assert ended.code == 0
    assert "is intact and up to date" in ended.out


async def test_check_looks_at_postgresql_and_redis_too(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    environment = {**SECRETS, "HUB_DATABASE_URL": postgres_server.database(), "HUB_REDIS_URL": redis_server.url(15)}
    ended = await hub_command(tmp_path, "check", **environment)
    assert ended.code == 1
    assert "red    database" in ended.out
    assert "run `hub migrate`" in ended.out
    assert "green  bus: Redis answers at" in ended.out
    assert (await hub_command(tmp_path, "migrate", **environment)).code == 0
    ended = await hub_command(tmp_path, "check", **environment)
    assert ended.code == 0, ended.out
    away = f"redis://127.0.0.1:{free_port()}"
    ended = await hub_command(tmp_path, "check", **environment | {"HUB_REDIS_URL": away})
    assert ended.code == 1
    assert "red    bus: Redis does not answer" in ended.out


async def test_check_is_red_and_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "cli.db").write_bytes(b"no database" * 500)
    for environment, said in (
        ({}, "red    settings: HUB_JWT_SECRET"),
        (SECRETS, "restore it from a backup"),
        (SECRETS | {"HUB_DATABASE_URL": "sqlite:////no/such/folder/hub.db"}, "make it, or set HUB_DATABASE_URL"),
    ):
        ended = await hub_command(tmp_path, "check", **environment)
        assert ended.code == 1
        assert said in ended.out


async def test_tables_of_a_newer_hub_are_left_alone(tmp_path: Path) -> None:
    await hub_command(tmp_path, "migrate")
    with sqlite3.connect(tmp_path / "cli.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    checked = await hub_command(tmp_path, "check", **SECRETS)
    assert checked.code == 1
    assert "only a newer hub knows" in checked.out
    migrated = await hub_command(tmp_path, "migrate")
    assert (migrated.code, len(migrated.err.splitlines())) == (2, 1)


async def test_watch_shows_a_session_s_states_and_stops(tmp_path: Path, hub: Running) -> None:
    session_id = (await hub.create(maxParticipants=5))["id"]
    first = await hub_process(tmp_path, "watch", str(session_id), "--url", hub.ws, "--count", "1")
    assert first.code == 0
    assert first.out == f"session {session_id}  scheduled  live 0 (peak 0)  seats 0 of 5  revision 1\n"
    async with hub.http() as http:
        await http.delete(f"{API}/{session_id}", headers=EXPERT)
    over = await hub_command(tmp_path, "watch", str(session_id), "--url", hub.ws)
    assert (over.code, len(over.out.splitlines())) == (0, 1)
    assert "cancelled" in over.out


async def test_watch_says_why_there_is_nothing_to_see(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for number, url, said in (
            ("999", hub.ws, "there is no session 999"),
            ("1", f"ftp://127.0.0.1:{hub.port}", "--url: the hub's url takes an address like http://"),
            ("1", f"ws://127.0.0.1:{free_port()}/ws", "can't be reached"),
            ("1", f"ws://127.0.0.1:{hub.port}/nowhere", "can't be reached"),
        ):
            ended = await hub_command(tmp_path, "watch", number, "--url", url)
            assert (ended.code, len(ended.err.splitlines())) == (2, 1), ended.err
            assert said in ended.err


async def test_watch_takes_only_an_id_that_a_session_can_have(tmp_path: Path) -> None:
    for number in ("0", "-1", str(2**31), "99999999999"):
        ended = await hub_command(tmp_path, "watch", "--", number)
        assert ended.code == 2
        assert "1<=x<=2147483647" in ended.err


async def test_watch_ends_with_the_sentence_of_a_hub_that_refuses(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        with pytest.raises(Unwatchable, match="the hub refused: A session's id is a number from 1"):
            async with asyncio.timeout(PATIENCE):
                await watch(2**31, hub.ws, None, print)


async def test_the_command_line_explains_itself(tmp_path: Path) -> None:
    ended = await hub_command(tmp_path, "--help")
    assert ended.code == 0
    for command in ("demo", "serve", "migrate", "backup", "prune", "forget", "token", "watch", "check"):
        assert f"\n  {command} " in ended.out
