"""`hub check`: is everything there that the hub stands on, and if not, how to mend it."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from hub.bus.redis import RedisBus
from hub.settings import Settings, WrongSetting, from_environment, must_serve
from hub.store import schema
from hub.store.condition import Condition, condition

FIXED_SQLITE = (3, 51, 3)
FEW_DESCRIPTORS = 1024
BUS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `light` is green, yellow or red."""

    light: str
    about: str
    said: str


async def run(environment: Mapping[str, str]) -> list[Finding]:
    """Look at everything; nothing is changed."""
    try:
        settings = from_environment(environment)
        must_serve(settings)
    except WrongSetting as wrong:
        return [Finding("red", "settings", str(wrong))]
    findings = [Finding("green", "settings", "complete")]
    findings.append(await asyncio.to_thread(_database, settings))
    if settings.database_url.startswith("sqlite:"):
        findings.append(_sqlite())
    findings.append(await _bus(settings))
    findings.append(_descriptors(settings))
    return findings


def _database(settings: Settings) -> Finding:
    found = condition(settings.database_url)
    path = found.path
    if path is None:
        return _server(found)
    if not found.exists:
        if path.absolute().parent.is_dir():
            return Finding("green", "database", f"{path} does not exist yet: it is made at start")
        return Finding("red", "database", f"the folder of {path} does not exist: make it, or set HUB_DATABASE_URL")
    if found.fault is not None:
        return Finding("red", "database", f"{path} is of no use ({found.fault}): restore it from a backup")
    if not found.up_to_date:
        if not found.known:
            said = f"{path} is at {found.revision}, which only a newer hub knows: run that, or restore a backup"
            return Finding("red", "database", said)
        at = found.revision or "no tables yet"
        return Finding("yellow", "database", f"{path} is at {at}, not {schema.head()}: `hub migrate` mends it")
    return Finding("green", "database", f"{path} is intact and up to date")


def _server(found: Condition) -> Finding:
    if found.fault is not None:
        return Finding("red", "database", f"{found.name}: {found.fault}")
    if found.up_to_date or not found.known:
        return Finding("green", "database", f"{found.name} answers, its tables are at {found.revision}")
    at = found.revision or "none yet"
    return Finding("red", "database", f"the tables of {found.name} are at {at}, not {schema.head()}: run `hub migrate`")


async def _bus(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding("green", "bus", "in memory: one process")
    bus = RedisBus(settings.redis_url, settings.secret_key or b"", settings.secret_keys_accepted)
    running = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(BUS_SECONDS):
            while not bus.healthy:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.05)
    except TimeoutError:
        return Finding("red", "bus", "Redis does not answer at HUB_REDIS_URL: start it, or correct the address")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return Finding("green", "bus", "Redis answers, and messages come back")


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info < FIXED_SQLITE:
        return Finding(
            "yellow",
            "SQLite",
            f"{sqlite3.sqlite_version} has the WAL-reset fault (mended in 3.51.3); one writer and no second program "
            "on the file keep clear of it",
        )
    return Finding("green", "SQLite", sqlite3.sqlite_version)


def _descriptors(settings: Settings) -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections
    if hard == resource.RLIM_INFINITY or (wanted or FEW_DESCRIPTORS) < hard:
        return Finding("green", "file descriptors", "enough")
    return Finding(
        "red" if wanted else "yellow",
        "file descriptors",
        f"{hard} allowed, {wanted or FEW_DESCRIPTORS} sockets wanted: raise `ulimit -n`, or set HUB_MAX_CONNECTIONS",
    )
