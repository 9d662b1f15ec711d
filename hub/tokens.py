"""JWT → Actor, for both doors. One family of algorithms, fixed by configuration (RFC 8725 §3.1)."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
import urllib.request
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import jwt
from jwt.algorithms import HMACAlgorithm

from hub.domain.people import Actor, Role
from hub.errors import TokenExpired, Unauthenticated, Unavailable
from hub.text import is_control

log = logging.getLogger("hub.tokens")

LEEWAY = 10
"""Seconds by which the issuer's clock may be ahead, for `nbf` and `iat`; presence ends at `exp` itself."""

LONGEST_TOKEN = 8_192
"""Characters; a token is a few hundred."""

LONGEST_NAME = 255
KNOWN_TOKENS = 20_000

JWKS_TIMEOUT = 5
JWKS_AGE = 600
JWKS_COOL_DOWN = 30


class Keys(Protocol):
    """Where the key that a token must be signed with comes from."""

    algorithms: list[str]
    generation: int
    """Grows when the keys change: what an older one verified must be verified again."""

    async def fresh(self) -> None:
        """Read the keys again if that is due; cheap when it is not."""

    async def key(self, token: str) -> jwt.PyJWK:
        """The key for `token`; raises Unauthenticated for one that is not known, Unavailable when none can be read."""


class ExaminedSecret(HMACAlgorithm):
    """HMAC with a key that was examined when it was set.

    PyJWT looks at the key anew for every token - is it PEM, SSH, DER, a certificate, a JWK? - which is a fifth of the
    whole verification.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        """The key as it is."""
        return key if isinstance(key, bytes) else key.encode()


class SharedSecret:
    """HS256 with one secret of 32 bytes or more."""

    algorithms: list[str] = ["HS256"]  # noqa: RUF012  a protocol's member, never changed
    generation = 0

    def __init__(self, secret: str) -> None:
        encoded = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
        self._key = jwt.PyJWK({"kty": "oct", "k": encoded, "alg": "HS256"})
        self._key.Algorithm.prepare_key(self._key.key)
        self._key.Algorithm = ExaminedSecret(HMACAlgorithm.SHA256)

    async def fresh(self) -> None:
        """A secret does not age."""

    async def key(self, token: str) -> jwt.PyJWK:
        """The secret, whatever `token` names."""
        return self._key


class KeySet:
    """Public keys from a JWKS address, read beside the event loop and kept.

    It is read again when it is older than `age` seconds and when an unknown `kid` comes, but at most once in
    `cool_down` seconds; while it can't be read the last good set serves. A key that was removed is refused when the
    next reading after `age` succeeds, also for tokens that were verified before.
    """

    algorithms: list[str] = ["RS256", "ES256", "EdDSA"]  # noqa: RUF012  as above

    def __init__(self, url: str, *, age: float = JWKS_AGE, cool_down: float = JWKS_COOL_DOWN) -> None:
        self.generation = 0
        self._url = url
        self._age = age
        self._cool_down = cool_down
        self._text = ""
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._tried = float("-inf")
        self._read = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def fresh(self) -> None:
        """Read the set again if its age asks for it. Only who comes first waits: the others have the old set."""
        if time.monotonic() - self._read >= self._age and self._may_read():
            await self._refreshed()

    async def key(self, token: str) -> jwt.PyJWK:
        """The public key that the token's `kid` names; nothing else in its header is followed."""
        kid = jwt.get_unverified_header(token).get("kid")
        await self.fresh()
        if kid not in self._keys and (self._reading is not None or self._may_read()):
            await self._refreshed()
        if kid in self._keys:
            return self._keys[kid]
        if not self._keys:
            raise Unavailable("The keys that tokens are verified with can't be read right now.")
        raise Unauthenticated("The token was signed with a key that is not known.")

    def _may_read(self) -> bool:
        return self._reading is None and time.monotonic() - self._tried >= self._cool_down

    async def _refreshed(self) -> None:
        """Wait for the reading that is under way, or for a new one; it goes on when who waits goes away."""
        if self._reading is None:
            self._tried = time.monotonic()
            self._reading = asyncio.create_task(self._refresh())
        await asyncio.shield(self._reading)

    async def _refresh(self) -> None:
        try:
            text = await asyncio.to_thread(self._fetch)
            if text != self._text:
                self._keys = self._usable(text)
                self._text = text
                self.generation += 1
            self._read = time.monotonic()
        except Exception as error:  # whatever a stranger's server says must cost no more than this reading
            log.warning("the key set can't be read: %s", str(error) or repr(error))
        finally:
            self._reading = None

    def _usable(self, text: str) -> dict[str | None, jwt.PyJWK]:
        if not isinstance(json.loads(text), dict):
            raise ValueError("it is no JSON object")
        keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(text).keys if key.algorithm_name in self.algorithms}
        if not keys:
            raise ValueError(f"it holds no key for {', '.join(self.algorithms)}")
        return keys

    def _fetch(self) -> str:
        with urllib.request.urlopen(self._url, timeout=JWKS_TIMEOUT) as answer:
            return str(answer.read(1_000_000), "utf-8")


class Tokens:
    """Verifies tokens; a verified one is remembered until it ends or the keys change."""

    def __init__(self, keys: Keys, *, audience: str | None, issuer: str | None, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._known: OrderedDict[str, tuple[int, Actor]] = OrderedDict()

    async def actor(self, token: str) -> Actor:
        """Who bears `token`; raises TokenExpired, Unauthenticated, Unavailable."""
        known = self._known.get(token)
        if known is not None:
            await self._keys.fresh()
        if known is not None and known[0] == self._keys.generation:
            actor = known[1]
        else:
            self._known.pop(token, None)
            actor = await self._verified(token)
            self._known[token] = (self._keys.generation, actor)
            if len(self._known) > KNOWN_TOKENS:
                self._known.popitem(last=False)
        if actor.until <= self._clock():
            self._known.pop(token, None)
            raise TokenExpired()
        return actor

    async def bearer(self, header: str) -> Actor:
        """Who an `Authorization` header speaks for."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("The Authorization header must be `Bearer <JWT>`.")
        return await self.actor(token.strip())

    async def _verified(self, token: str) -> Actor:
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(f"The token is longer than {LONGEST_TOKEN} characters.")
        try:
            key = await self._keys.key(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=self._keys.algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={
                    "require": ["exp", "sub"],
                    "verify_aud": self._audience is not None,
                    "enforce_minimum_key_length": True,
                },
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired() from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthenticated("The token is not valid: it is malformed, or not signed for this hub.") from None
        return _actor(claims)


def _actor(claims: Mapping[str, Any]) -> Actor:
    sub, name, role = claims["sub"], claims.get("name", ""), claims.get("role")
    if not isinstance(sub, str) or not 1 <= len(sub) <= LONGEST_NAME or not sub.isprintable():
        raise Unauthenticated(f"The token's `sub` must be a printable string of 1 to {LONGEST_NAME} characters.")
    if role not in (Role.EXPERT, Role.STUDENT):
        raise Unauthenticated("The token's `role` must be `expert` or `student`.")
    if not isinstance(name, str):
        raise Unauthenticated("The token's `name` must be a string.")
    if not name.isprintable():
        name = "".join(" " if is_control(letter) else letter for letter in name)
    shown = name[:LONGEST_NAME].strip() or sub
    try:
        until = datetime.fromtimestamp(claims["exp"], UTC)
    except (TypeError, OverflowError, ValueError, OSError):
        raise Unauthenticated("The token's `exp` is not a time the hub can tell.") from None
    return Actor(sub, shown, Role(role), until)


def sign(
    secret: str, person_id: str, name: str, role: Role, *, ttl: timedelta, now: datetime, **claims: str | None
) -> str:
    """A token signed with HS256, as `hub token` and the demo give out; `claims` are added where they are not None."""
    whole: dict[str, Any] = {"sub": person_id, "name": name, "role": role.value, "iat": now, "exp": now + ttl}
    whole |= {claim: value for claim, value in claims.items() if value is not None}
    return jwt.encode(whole, secret, algorithm="HS256")
