"""HUB_* → Settings: every setting with its unit and reason. A wrong value names the variable and what it takes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

MIN_SECRET_BYTES = 32


class WrongSetting(Exception):
    """A setting that can't be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this hub runs. Field `x` is the variable HUB_X."""

    database_url: str = "sqlite:///hub.db"
    """Where the truth is kept: `sqlite:///FILE`, migrated at start."""

    redis_url: str | None = None
    """The bus between processes. None: one process, in memory."""

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = 8000
    """The port to listen on; 0 for any free one. `PORT` counts too."""

    workers: int = 1
    """Processes. More than one needs PostgreSQL and Redis."""

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
    """32 random bytes in base64: seals meeting passwords at rest."""

    hold_minutes: int = 15
    """How long a paid seat is held for its payment, in minutes."""

    doors_open_minutes: int = 15
    """How long before its start a session may be joined, in minutes."""

    leave_grace_seconds: float = 10.0
    """How long a dropped connection may take to come back unseen, in seconds."""

    lease_seconds: float = 15.0
    """After how many seconds without a beat a process counts as dead; it beats three times as often."""

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


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that `environment` asks for; empty variables count as not set. Raises WrongSetting."""
    given = {name: value for name, value in environment.items() if value.strip()}
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        variable = f"HUB_{setting.name.upper()}"
        if variable == "HUB_PORT" and variable not in given:
            variable = "PORT"
        if variable in given:
            try:
                values[setting.name] = READERS[setting.name](given[variable].strip())
            except ValueError as error:
                raise WrongSetting(f"{variable}: {error}") from None
    settings = Settings(**values)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    if settings.jwt_secret is not None and settings.jwt_jwks_url is not None:
        raise WrongSetting("HUB_JWT_SECRET and HUB_JWT_JWKS_URL: set one of them, never both")
    if settings.workers > 1:
        raise WrongSetting("HUB_WORKERS: more than 1 needs PostgreSQL and Redis, which this version does not speak yet")
    if settings.redis_url is not None:
        raise WrongSetting("HUB_REDIS_URL: this version runs as one process, in memory; leave it unset")


MAKE_A_KEY = "make one with `python3 -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'`"


def must_serve(settings: Settings) -> None:
    """Raises WrongSetting when something that `hub serve` can't do without is missing."""
    if settings.jwt_secret is None and settings.jwt_jwks_url is None:
        raise WrongSetting("HUB_JWT_SECRET (32 bytes or more) or HUB_JWT_JWKS_URL: set one, or nobody can sign in")
    if settings.secret_key is None:
        raise WrongSetting(f"HUB_SECRET_KEY: needed to seal meeting passwords; {MAKE_A_KEY}")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
            raise ValueError(f"takes a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read


def _or_off(read: Callable[[str], int]) -> Callable[[str], int | None]:
    def read_or_off(text: str) -> int | None:
        if text.lower() == "off":
            return None
        try:
            return read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or `off`") from None

    return read_or_off


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise ValueError(f"takes seconds from {least:g} to {most:g}, not {text!r}")
        return value

    return read


def _database(text: str) -> str:
    if text.startswith("sqlite:///") and len(text) > len("sqlite:///") and ":memory:" not in text:
        return text
    raise ValueError("takes `sqlite:///FILE` in this version; PostgreSQL is not spoken yet")


def _secret(text: str) -> str:
    if len(text.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"takes a secret of {MIN_SECRET_BYTES} bytes or more (RFC 8725 §3.5)")
    return text


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != MIN_SECRET_BYTES:
        raise ValueError(f"takes {MIN_SECRET_BYTES} random bytes in base64")
    return key


def _webhook_secret(text: str) -> str:
    try:
        key = base64.b64decode(text.removeprefix("whsec_") + "==", validate=False)
    except ValueError:
        key = b""
    if len(key) < 16:
        raise ValueError("takes `whsec_` and 16 bytes or more in base64")
    return text


def _address(text: str) -> str:
    if not _is_web(text):
        raise ValueError(f"takes an https:// address (http:// inside one machine), not {text!r}")
    return text


def _is_web(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _origins(text: str) -> frozenset[str]:
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        # Browsers send the host in lower case, and no path; anything else would never be met.
        if not _is_web(origin) or origin != urlsplit(origin.lower())._replace(path="", query="", fragment="").geturl():
            raise ValueError(f"takes origins like `https://learn.example`, by commas; {origin!r} is none")
    return frozenset(origins)


def _format(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError(f"takes `text` or `json`, not {text!r}")
    return text


READERS: Mapping[str, Callable[[str], Any]] = {
    "database_url": _database,
    "redis_url": str,
    "host": str,
    "port": _whole(0, 65535),
    "workers": _whole(1, 256),
    "jwt_secret": _secret,
    "jwt_jwks_url": _address,
    "jwt_audience": str,
    "jwt_issuer": str,
    "allowed_origins": _origins,
    "secret_key": _key,
    "hold_minutes": _whole(1, 10_080),
    "doors_open_minutes": _whole(0, 10_080),
    "leave_grace_seconds": _seconds(0, 3600),
    "lease_seconds": _seconds(1, 3600),
    "count_interval_ms": _whole(0, 60_000),
    "roster_limit": _whole(0, 100_000),
    "max_message_bytes": _whole(256, 1_048_576),
    "max_connections": _or_off(_whole(1, 10_000_000)),
    "max_connections_per_person": _or_off(_whole(1, 10_000_000)),
    "max_connections_per_address": _or_off(_whole(1, 10_000_000)),
    "rate_limit": _or_off(_whole(1, 10_000_000)),
    "message_rate_limit": _or_off(_whole(1, 10_000_000)),
    "payment_webhook_secret": _webhook_secret,
    "log_format": _format,
}
