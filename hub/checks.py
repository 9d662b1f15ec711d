"""`hub check`: is everything there that the hub stands on, and if not, how to mend it."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from hub.settings import Settings, WrongSetting, from_environment, must_serve
from hub.store import schema
from hub.store.condition import condition

FIXED_SQLITE = (3, 51, 3)
FEW_DESCRIPTORS = 1024


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
    findings.append(_sqlite())
    findings.append(Finding("green", "bus", "in memory: one process"))
    findings.append(_descriptors(settings))
    return findings


def _database(settings: Settings) -> Finding:
    found = condition(settings.database_url)
    path = found.path
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
