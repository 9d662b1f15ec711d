"""`hub check`: is everything there that the hub stands on, and if not, how to mend it.

All looks are at once, each for five seconds at most; nothing is changed, and no secret is in what they say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial

from hub.beside import beside
from hub.bus.redis.condition import condition as redis_condition
from hub.checks import addresses, bus, database, keys, machine
from hub.checks import settings as variables
from hub.checks.finding import ABOUT, BUS, DATABASE, KEYS, RED, SETTINGS, Finding, red
from hub.clock import utc_now
from hub.keys import JWKS_SECONDS
from hub.settings import Settings, examined
from hub.store.condition import condition

__all__ = ["ABOUT", "RED", "Finding", "run"]

LOOK_SECONDS = 5.0
Findings = Iterable[Finding]
SILENT = {
    SETTINGS: ("whoever knows the address of HUB_HOST or HUB_METRICS_HOST", "write the address itself"),
    DATABASE: ("the server of HUB_DATABASE_URL", "look at it, and at what stands between: a firewall, a proxy"),
    BUS: ("Redis at HUB_REDIS_URL", "look at it, and at what stands between: a firewall, a proxy"),
    KEYS: ("HUB_JWT_JWKS_URL", "look at the issuer: nobody can sign in until it answers"),
}


async def run(environment: Mapping[str, str], clock: Callable[[], datetime] = utc_now) -> list[Finding]:
    """Look at everything that the settings name and that is not named wrongly."""
    settings, wrong = examined(environment)
    looks: dict[str, Awaitable[Findings]] = {SETTINGS: _addresses(settings, wrong)}
    if "HUB_DATABASE_URL" not in wrong:
        looks[DATABASE] = _database(settings, clock)
    if not wrong.keys() & {"HUB_REDIS_URL", "HUB_DATABASE_URL", "HUB_WORKERS"}:
        looks[BUS] = _bus(settings)
    if settings.jwt_jwks_url is not None:
        looks[KEYS] = keys.look(settings.jwt_jwks_url, min(JWKS_SECONDS, LOOK_SECONDS))
    found = [*variables.look(environment, settings, wrong), *machine.look(settings, clock())]
    for some in await asyncio.gather(*(_bounded(about, look) for about, look in looks.items())):
        found += some
    return sorted(found, key=lambda one: ABOUT.index(one.about))


async def _bounded(about: str, look: Awaitable[Findings]) -> Findings:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await look
    except TimeoutError:
        who, mend = SILENT[about]
        return [red(about, f"{who} does not answer within {LOOK_SECONDS:g} s", mend)]


async def _addresses(settings: Settings, wrong: Mapping[str, str]) -> Findings:
    return await beside(lambda: list(addresses.look(settings, wrong)))


async def _database(settings: Settings, clock: Callable[[], datetime]) -> Findings:
    names = variables.key_names(settings)
    found = await beside(partial(condition, settings.database_url, names))
    return database.findings(settings, found, clock())


async def _bus(settings: Settings) -> Findings:
    return bus.findings(settings, await redis_condition(settings.redis_url) if settings.redis_url else [])
