"""What a process imports until it does what it was started for: the rest is what makes starts slow."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.running import START_PATIENCE, free_port, kill, spawn
from tests.servers import RedisServer

IMPORTED = re.compile(r"import time: +\d+ \| +\d+ \| +([\w.]+)$", re.MULTILINE)
"""A line of `python -X importtime`, which the variable PYTHONPROFILEIMPORTTIME asks for as well."""
TELLS = {"PYTHONPROFILEIMPORTTIME": "1"}

HEAVY = {
    "alembic", "cryptography", "icalendar", "jwt", "msgspec", "prometheus_client", "psycopg", "redis", "sqlalchemy",
    "sqlalchemy.dialects.postgresql", "starlette", "uvicorn", "websockets", "hub.bus.redis", "hub.checks", "hub.client",
    "hub.store",
}  # fmt: skip


async def brought_by(*arguments: str) -> set[str]:
    """What of HEAVY a command imports that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", *arguments,
        env=os.environ | TELLS, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(START_PATIENCE):
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return heavy(said.decode())


def heavy(said: str) -> set[str]:
    """What of HEAVY is named; the command line must be, or nothing was told at all."""
    names = set(IMPORTED.findall(said))
    assert "hub.cli" in names
    return names & HEAVY


async def test_help_and_version_bring_nothing_along() -> None:
    assert await brought_by("--version") == set()
    assert await brought_by("serve", "--help") == set()


async def test_a_token_brings_no_more_than_what_signs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_JWT_SECRET", "s" * 40)
    assert await brought_by("token", "--sub=a", "--role=student", "--name=A") == {"cryptography", "jwt"}


async def test_a_hub_alone_brings_nothing_of_many_processes_and_of_calendars_only_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    spawned = await spawn(tmp_path, free_port(), **TELLS)
    try:
        known = heavy(log.read_text())
        async with spawned.http() as http:
            assert (await http.get("/openapi.json")).status_code == 200
        more = heavy(log.read_text()) - known
    finally:
        await kill(spawned)
    assert HEAVY - known == {
        "alembic", "icalendar", "psycopg", "redis", "sqlalchemy.dialects.postgresql",
        "hub.bus.redis", "hub.checks", "hub.client",
    }  # fmt: skip
    assert more == {"icalendar"}


async def test_one_of_many_brings_redis_and_postgresql_but_not_what_changes_tables(
    tmp_path: Path, fresh_postgres: str, redis_server: RedisServer
) -> None:
    spawned = await spawn(tmp_path, free_port(), fresh_postgres, HUB_REDIS_URL=redis_server.url(15), **TELLS)
    try:
        known = heavy((tmp_path / "hub.log").read_text())
    finally:
        await kill(spawned)
    assert HEAVY - known == {"alembic", "icalendar", "hub.checks", "hub.client"}
