"""HUB_* → Settings: every setting with its unit and reason. A wrong value names the variable and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from hub import redisurl, values


class WrongSetting(Exception):
    """A setting that can't be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this hub runs. Field `x` is the variable HUB_X."""

    database_url: str = "sqlite:///hub.db"
    """Where the truth is kept: `sqlite:///FILE`, migrated at start, or `postgresql://…`, migrated by `hub migrate`."""

    redis_url: str | None = None
    """The bus between processes; needs PostgreSQL. None: one process, in memory."""

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = 8000
    """The port to listen on; 0 for any free one. `PORT` counts too."""

    workers: int = 1
    """Processes. More than one needs PostgreSQL and Redis."""

    metrics_port: int | None = None
    """Where each process shows its figures, and nothing else: the first worker at this port, the next at the next."""

    metrics_host: str = "127.0.0.1"
    """The address of these ports: one that only your Prometheus reaches."""

    jwt_secret: str | None = None
    """The HS256 secret that tokens are signed with, 32 bytes or more."""

    jwt_jwks_url: str | None = None
    """Where the public keys for RS256, ES256 and EdDSA are. One of the two, never both."""

    jwt_audience: str | None = None
    """What a token's `aud` must name, when set."""

    jwt_issuer: str | None = None
    """What a token's `iss` must be, when set."""

    allowed_origins: frozenset[str] = frozenset()
    """Origins, by commas, whose pages may open sockets and call REST beside our own."""

    secret_key: bytes | None = None
    """32 random bytes in base64: seals meetings at rest, and signs what goes through Redis."""

    secret_keys_accepted: tuple[bytes, ...] = ()
    """More such keys, by commas: they open and are believed, and neither seal nor sign. For changing the key."""

    hold_minutes: int = 15
    """How long a paid seat is held for its payment, in minutes."""

    doors_open_minutes: int = 15
    """How long before its start a session may be joined, in minutes."""

    leave_grace_seconds: float = 10.0
    """How long a dropped connection may take to come back unseen, in seconds."""

    lease_seconds: float = 15.0
    """After how many seconds without a beat a process counts as dead; it beats a little over three times in it."""

    stop_seconds: float = 25.0
    """After how many seconds a process that was told to stop exits, whatever still holds it."""

    count_interval_ms: int = 100
    """Least time between two counts to the same watcher, in milliseconds."""

    roster_limit: int = 200
    """Up to how many people present participants may see each other's names."""

    max_message_bytes: int = 16_384
    """The largest WebSocket message taken, in bytes."""

    max_connections: int | None = None
    """Sockets of one process; None (`off`): as many as its file descriptors allow."""

    max_connections_per_person: int | None = 20
    """Sockets of one person in one process; `off` for no limit."""

    max_connections_per_address: int | None = 1000
    """Sockets from one address in one process; `off` for no limit."""

    rate_limit: int | None = 600
    """Requests a minute of one person or address; `off` for no limit."""

    message_rate_limit: int | None = 120
    """Messages a minute of one socket; `off` for no limit."""

    payment_webhook_secret: str | None = None
    """The secret payment messages are signed with (Standard Webhooks: `whsec_` and base64)."""

    log_format: str = "text"
    """`text` for people, `json` for machines."""

    log_requests: str = "changes"
    """What gets a line: `changes` and sign-ins, `all` (reads as well), or `refusals` alone, which all of them tell."""

    @property
    def postgresql(self) -> bool:
        """Whether the truth is kept in PostgreSQL."""
        return self.database_url.startswith("postgresql://")

    @property
    def hold(self) -> timedelta:
        """How long a paid seat is held."""
        return timedelta(minutes=self.hold_minutes)

    @property
    def doors(self) -> timedelta:
        """How long before its start a session may be joined."""
        return timedelta(minutes=self.doors_open_minutes)

    @property
    def grace(self) -> timedelta:
        """How long a dropped connection may take to come back."""
        return timedelta(seconds=self.leave_grace_seconds)

    @property
    def lease(self) -> timedelta:
        """How long a lease lasts without a beat."""
        return timedelta(seconds=self.lease_seconds)


def from_environment(environment: Mapping[str, str], **options: Any) -> Settings:
    """The settings that `environment` asks for; empty variables count as not set. Raises WrongSetting.

    `options` are values of members that were chosen elsewhere, and go before; those that are None were not.
    """
    settings, wrong = examined(environment, **options)
    for said in wrong.values():
        raise WrongSetting(said)
    return settings


def examined(environment: Mapping[str, str], **options: Any) -> tuple[Settings, dict[str, str]]:
    """The same, and what is wrong: a sentence by variable, whose setting is then as if it were not set."""
    given = {name: value for name, value in environment.items() if value.strip()}
    read: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for setting in fields(Settings):
        variable = variable_of(setting.name)
        if variable == "HUB_PORT" and variable not in given:
            variable = "PORT"
        if variable in given:
            try:
                read[setting.name] = READERS[setting.name](given[variable].strip())
            except ValueError as error:
                wrong[variable] = f"{variable}: {error}"
    if given.keys() >= {"HUB_JWT_SECRET", "HUB_JWT_JWKS_URL"}:
        both = "HUB_JWT_SECRET and HUB_JWT_JWKS_URL"
        wrong[both] = f"{both}: set one of them, never both"
    settings = Settings(**read | {name: value for name, value in options.items() if value is not None})
    return settings, wrong | _apart_from(wrong, _at_odds(settings))


def variable_of(setting: str) -> str:
    """The variable of a setting."""
    return f"HUB_{setting.upper()}"


LAST_PORT = 65535
POSTGRESQL = "HUB_DATABASE_URL to `postgresql://…`"
Odd = tuple[tuple[str, ...], str]
"""Variables that do not fit together, or of which one is needed, and what is to be said of them."""


def _apart_from(wrong: Mapping[str, str], found: Iterable[Odd]) -> dict[str, str]:
    """These by their first variable, but for those of which a variable is wrong already."""
    return {variables[0]: said for variables, said in found if not wrong.keys() & set(variables)}


def _at_odds(settings: Settings) -> Iterator[Odd]:
    missing = [] if settings.postgresql else [POSTGRESQL]
    missing += [] if settings.redis_url is not None else ["HUB_REDIS_URL"]
    if settings.workers > 1 and missing:
        said = f"HUB_WORKERS: more than 1 needs PostgreSQL and Redis: set {' and '.join(missing)}"
        yield ("HUB_WORKERS", "HUB_DATABASE_URL", "HUB_REDIS_URL"), said
    if (settings.metrics_port or 0) + settings.workers - 1 > LAST_PORT:
        ports = f"takes a port and, for {settings.workers} workers, as many after it, up to {LAST_PORT}"
        yield ("HUB_METRICS_PORT", "HUB_WORKERS"), f"HUB_METRICS_PORT: {ports}, not {settings.metrics_port}"
    if settings.metrics_port is not None and 0 <= settings.port - settings.metrics_port < settings.workers:
        # Whatever the hosts: sockets that share a port share its connections, and the figures' know nothing else.
        ports = f"takes a port which, like those after it for {settings.workers} workers, is not HUB_PORT"
        said = f"HUB_METRICS_PORT: {ports} ({settings.port}), not {settings.metrics_port}"
        yield ("HUB_METRICS_PORT", "HUB_PORT", "PORT", "HUB_WORKERS"), said
    if settings.redis_url is not None and not settings.postgresql:
        said = f"HUB_REDIS_URL: processes that share a bus must share a database: set {POSTGRESQL}"
        yield ("HUB_REDIS_URL", "HUB_DATABASE_URL"), said


MAKE_A_KEY = "make one with `python3 -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'`"


def lacking(settings: Settings, wrong: Mapping[str, str]) -> dict[str, str]:
    """What `hub serve` can't do without and is not set, as `examined` tells it; what is `wrong` is not told again."""
    return _apart_from(wrong, _needed(settings))


def _needed(settings: Settings) -> Iterator[Odd]:
    if settings.jwt_secret is None and settings.jwt_jwks_url is None:
        said = "HUB_JWT_SECRET (32 bytes or more) or HUB_JWT_JWKS_URL: set one, or nobody can sign in"
        yield ("HUB_JWT_SECRET", "HUB_JWT_JWKS_URL"), said
    if settings.secret_key is None:
        yield ("HUB_SECRET_KEY",), f"HUB_SECRET_KEY: needed to seal meeting addresses and passwords; {MAKE_A_KEY}"


def must_serve(settings: Settings) -> None:
    """Raises WrongSetting when something that `hub serve` can't do without is missing."""
    for said in lacking(settings, {}).values():
        raise WrongSetting(said)


def remark(settings: Settings) -> str | None:
    """What someone who starts this should know, though nothing is wrong; None for nothing."""
    if settings.postgresql and settings.redis_url is None:
        return (
            "without HUB_REDIS_URL this must be the only process on its database: others would not hear what happens "
            "in this one before they look, every few seconds"
        )
    return None


def _redis(text: str) -> str:
    redisurl.parse(text)
    return text


READERS: Mapping[str, Callable[[str], Any]] = {
    "database_url": values.database,
    "redis_url": _redis,
    "host": str,
    "port": values.whole(0, LAST_PORT),
    "workers": values.whole(1, 256),
    "metrics_port": values.whole(1, LAST_PORT),
    "metrics_host": str,
    "jwt_secret": values.secret,
    "jwt_jwks_url": values.address,
    "jwt_audience": str,
    "jwt_issuer": str,
    "allowed_origins": values.origins,
    "secret_key": values.key,
    "secret_keys_accepted": values.keys,
    "hold_minutes": values.whole(1, 10_080),
    "doors_open_minutes": values.whole(0, 10_080),
    "leave_grace_seconds": values.seconds(0, 3600),
    "lease_seconds": values.seconds(1, 3600),
    "stop_seconds": values.seconds(1, 3600),
    "count_interval_ms": values.whole(0, 60_000),
    "roster_limit": values.whole(0, 100_000),
    "max_message_bytes": values.whole(256, 1_048_576),
    "max_connections": values.or_off(values.whole(1, 10_000_000)),
    "max_connections_per_person": values.or_off(values.whole(1, 10_000_000)),
    "max_connections_per_address": values.or_off(values.whole(1, 10_000_000)),
    "rate_limit": values.or_off(values.whole(1, 10_000_000)),
    "message_rate_limit": values.or_off(values.whole(1, 10_000_000)),
    "payment_webhook_secret": values.webhook_secret,
    "log_format": values.one_of("text", "json"),
    "log_requests": values.one_of("changes", "all", "refusals"),
}
