"""Texts of the environment → values; what is refused says what it takes, by ValueError."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

MIN_SECRET_BYTES = 32
POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


def whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
            raise ValueError(f"takes a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return read


def or_off(read: Callable[[str], int]) -> Callable[[str], int | None]:
    """A reader of what `read` takes, or `off` for None."""

    def read_or_off(text: str) -> int | None:
        if text.lower() == "off":
            return None
        try:
            return read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or `off`") from None

    return read_or_off


def seconds(least: float, most: float) -> Callable[[str], float]:
    """A reader of seconds from `least` to `most`, with a fraction or without."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise ValueError(f"takes seconds from {least:g} to {most:g}, not {text!r}")
        return value

    return read


def database(text: str) -> str:
    """Where the truth is kept; PostgreSQL by any of its names becomes `postgresql://…`. Refusals repeat no password."""
    scheme, _, rest = text.partition("://")
    if scheme in POSTGRESQL and rest and _is_split(text):
        return f"postgresql://{rest}"
    if text.startswith("sqlite:///") and len(text) > len("sqlite:///") and ":memory:" not in text:
        return text
    raise ValueError(
        "takes `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`; what a password has of `@`, `/`, `:` "
        "and `%` is written as `%40`, `%2F`, `%3A` and `%25`"
    )


def shown(url: str) -> str:
    """An address of a database without who signs in, and without options, which may be a password too."""
    if url.startswith("sqlite:"):
        return url
    # An unescaped `@`, `/` or `?` in a password would let a part of it pass for something else: then nothing is shown.
    plain = re.fullmatch(r"(\w+://)(?:[^@/?]*@)?([^@/?]*(?:/[^@/?]*)?)(?:\?[^@]*)?", url)
    return f"{plain[1]}{plain[2]}" if plain else "postgresql://…"


def _is_split(text: str) -> bool:
    """Whether the parts can be told apart: an unescaped `@` of a password would make a host of its rest."""
    try:
        parts = urlsplit(text)
        return parts.netloc.count("@") <= 1 and parts.port != 0
    except ValueError:
        return False


def secret(text: str) -> str:
    """A secret that tokens are signed with."""
    if len(text.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"takes a secret of {MIN_SECRET_BYTES} bytes or more (RFC 8725 §3.5)")
    if "-----BEGIN " in text or '"kty"' in text or text.startswith(("ssh-", "ecdsa-")):
        raise ValueError("takes a secret, not a key that others know: HUB_JWT_JWKS_URL is for public keys")
    return text


def key(text: str) -> bytes:
    """A key of 32 bytes, from base64."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != MIN_SECRET_BYTES:
        raise ValueError(f"takes {MIN_SECRET_BYTES} random bytes in base64")
    return key


def keys(text: str) -> tuple[bytes, ...]:
    """Keys by commas."""
    try:
        return tuple(key(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise ValueError(f"{error}, or several by commas") from None


def webhook_secret(text: str) -> str:
    """A secret as Standard Webhooks writes it, as it is."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_") + "==", validate=False)
    except ValueError:
        key = b""
    if len(key) < 16:
        raise ValueError("takes `whsec_` and 16 bytes or more in base64")
    return text


def address(text: str) -> str:
    """An address on the web whose answers can be believed: https, or http of this machine itself."""
    if not _is_web(text) or (text[:5].lower() == "http:" and not _is_here(urlsplit(text).hostname or "")):
        raise ValueError("takes an https:// address, or http:// of localhost, 127.0.0.0/8 or [::1]")
    return text


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_web(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def origins(text: str) -> frozenset[str]:
    """Origins by commas."""
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        # Browsers send the host in lower case, and no path; anything else would never be met.
        if not _is_web(origin) or origin != urlsplit(origin.lower())._replace(path="", query="", fragment="").geturl():
            raise ValueError(f"takes origins like `https://learn.example`, by commas; {origin!r} is none")
    return frozenset(origins)


def one_of(*words: str) -> Callable[[str], str]:
    """A reader of one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"takes {' or '.join(f'`{word}`' for word in words)}, not {text!r}")
        return text

    return read
