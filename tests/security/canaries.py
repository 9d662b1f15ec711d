"""Secrets that are known by sight, and a search for them in whatever holds octets."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

CORE = 20
"""Letters by which a canary is known: no encoding of text changes them, and chance does not make them."""


def core() -> str:
    """A new one."""
    return secrets.token_hex(CORE)[:CORE]


def traces(secret: bytes) -> set[bytes]:
    """How octets show in others: as they are (so in JSON and URLs too), in two octets a letter, in hex, in base64."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    if secret.isascii():
        found.add(secret.decode().encode("utf-16-le"))
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret)
        inner = whole[4 if shift else 0 : len(whole) - 4]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


@dataclass
class Canaries:
    """The secrets of one installation; `known` is what each is known by."""

    known: dict[str, bytes] = field(default_factory=dict)

    def new(self, name: str) -> str:
        """A new core to build a secret of."""
        made = core()
        self.known[name] = made.encode()
        return made

    def key(self, name: str) -> str:
        """A new key of 32 octets, in base64."""
        made = os.urandom(32)
        self.known[name] = made
        return base64.b64encode(made).decode()

    def token(self, name: str, token: str) -> str:
        """A token, known by its signature."""
        self.known[name] = token.rpartition(".")[2].encode()
        return token

    def found(self, places: Mapping[str, bytes | bytearray], *, plain: bool = False) -> list[str]:
        """Which are where; with `plain` only as they are, for places that are large."""
        return list(self._found(places, plain))

    def _found(self, places: Mapping[str, bytes | bytearray], plain: bool) -> Iterator[str]:
        for name, secret in self.known.items():
            looks = {secret} if plain else traces(secret)
            for place, content in places.items():
                if any(look in content for look in looks):
                    yield f"{name} in {place}"
