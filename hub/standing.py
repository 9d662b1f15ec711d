"""What a hub that starts says of itself: where it listens, on what it stands, and what it has switched off."""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import sqlite3
from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import urlsplit

from hub import machine, redisurl
from hub.beside import beside
from hub.settings import Settings, remark
from hub.values import shown

ASK_SECONDS = 2.0
"""How long the start waits for what the servers say of themselves."""
SILENT = "not reached yet"
Facts = Mapping[str, object]


async def facts(settings: Settings) -> dict[str, object]:
    """Everything but where it listens; servers that are away are said to be. Nothing in it is secret."""
    database, bus = await asyncio.gather(_database(settings), _bus(settings))
    said: dict[str, object] = {
        "version": importlib.metadata.version("live-session-hub"),
        "python": platform.python_version(),
        "workers": settings.workers,
        "database": database,
        "bus": bus,
        "tokens": _tokens(settings),
        "limits": _limits(settings),
        "log": f"{settings.log_format}, {settings.log_requests}",
        "off": list(_off(settings)),
    }
    if settings.metrics_port is not None:
        said["figures"] = _figures(settings, settings.metrics_port)
    return said | ({"note": note} if (note := remark(settings)) else {})


def block(url: str, said: Facts) -> str:
    """The same for people: a line a fact."""
    lines = [f"hub: listening on {url}"]
    for name, value in said.items():
        for row in value if isinstance(value, list) else [_words(value)]:
            lines.append(f"hub:   {name:8}  {row}")
            name = ""
    return "\n".join(lines)


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {'off' if one is None else one}" for name, one in value.items())
    return str(value)


async def _database(settings: Settings) -> str:
    name = shown(settings.database_url)
    if not settings.postgresql:
        return f"SQLite {sqlite3.sqlite_version}, {name}"
    from hub.store.condition import condition

    server = None
    try:
        async with asyncio.timeout(ASK_SECONDS):
            server = (await beside(partial(condition, settings.database_url))).server
    except TimeoutError:
        pass
    return f"PostgreSQL {server.version if server else f'({SILENT})'}, {name}"


async def _bus(settings: Settings) -> str:
    if settings.redis_url is None:
        return "in memory"
    from hub.bus.redis.condition import condition

    where = redisurl.parse(settings.redis_url)
    said = SILENT
    try:
        async with asyncio.timeout(ASK_SECONDS):
            (first, *_) = await condition(settings.redis_url)
            said = first.version if first.fault is None else SILENT
    except TimeoutError:
        pass
    kind = "Redis" if where.kind is redisurl.Kind.SINGLE else f"Redis by {where.kind.value}"
    return f"{kind} ({said}), {', '.join(map(str, where.addresses))}, number {where.namespace}"


def _tokens(settings: Settings) -> str:
    if settings.jwt_jwks_url is not None:
        return f"RS256, ES256, EdDSA by the keys of {urlsplit(settings.jwt_jwks_url).hostname}"
    return "HS256 by HUB_JWT_SECRET"


def _figures(settings: Settings, first: int) -> str:
    host = f"[{settings.metrics_host}]" if ":" in settings.metrics_host else settings.metrics_host
    others = f", and so on to {first + settings.workers - 1}" if settings.workers > 1 else ""
    return f"http://{host}:{first}/metrics{others}"


def _limits(settings: Settings) -> dict[str, object]:
    return {
        "connections": settings.max_connections or machine.sockets_possible(),
        "per_person": settings.max_connections_per_person,
        "per_address": settings.max_connections_per_address,
        "requests_a_minute": settings.rate_limit,
        "messages_a_minute": settings.message_rate_limit,
    }


def _off(settings: Settings) -> Iterator[str]:
    for name in ("max_connections_per_person", "max_connections_per_address", "rate_limit", "message_rate_limit"):
        if getattr(settings, name) is None:
            yield f"HUB_{name.upper()} is off"
    if settings.payment_webhook_secret is None:
        yield "payments: HUB_PAYMENT_WEBHOOK_SECRET is not set"
    if settings.metrics_port is None:
        yield "figures of each process: HUB_METRICS_PORT is not set"
    if settings.redis_url is None:
        yield "other processes: HUB_REDIS_URL is not set"
    if settings.jwt_audience is None:
        yield "the check of a token's audience: HUB_JWT_AUDIENCE is not set"
    if settings.jwt_issuer is None:
        yield "the check of a token's issuer: HUB_JWT_ISSUER is not set"
    if not settings.allowed_origins:
        yield "pages of other origins: HUB_ALLOWED_ORIGINS is not set"
