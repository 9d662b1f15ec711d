"""JWT → Actor, for both doors. One family of algorithms, fixed by configuration (RFC 8725 §3.1).

Whoever sends a token that is refused is told one and the same sentence, and the log why: a forger learns nothing.
"""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt

from hub import strictjson
from hub.domain.people import Actor, Role
from hub.errors import InvalidInput, TokenExpired, Unauthenticated
from hub.keys import Keys, Unfit
from hub.text import is_control

REFUSED = "The token was refused: get another one from your platform. Why it was, the hub's log says."

LEEWAY = 10
"""Seconds by which the issuer's clock may be ahead, for `nbf` and `iat`; presence ends at `exp` itself."""

LONGEST_TOKEN = 8_192
"""Characters; a token is a few hundred."""

COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""RFC 7515 §7.1 by the letter: PyJWT would take padding too, so that one token had several spellings."""

TYPES = ("jwt", "at+jwt")
"""What a token's header may say that it is, if it says so (RFC 8725 §3.11): others of one issuer are for other ends."""

LONGEST_NAME = 255
KNOWN_TOKENS = 20_000


class _Jwt(jwt.PyJWT):
    """PyJWT whose claims are read as all that strangers send: refused where parsers disagree."""

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        return _members(decoded["payload"])


def _members(octets: bytes) -> dict[str, Any]:
    value = strictjson.parse(octets)
    if not isinstance(value, dict):
        raise Unfit("its header or its claims are no JSON object")
    return value


REASONS: Mapping[type[Exception], str] = {
    jwt.InvalidAlgorithmError: "its algorithm is not one of the hub's",
    jwt.InvalidSignatureError: "its signature is not of the hub's key",
    jwt.MissingRequiredClaimError: "it lacks `exp`, `sub`, or an `aud` or `iss` that the hub asks for",
    jwt.ImmatureSignatureError: "it is not valid yet (`nbf`, `iat`)",
    jwt.InvalidAudienceError: "it is for another audience (`aud`)",
    jwt.InvalidIssuerError: "it is of another issuer (`iss`)",
}
"""PyJWT's own sentences repeat what a token says."""


class Tokens:
    """Verifies tokens; a verified one is remembered until it ends or the keys change, of KNOWN_TOKENS the newest."""

    def __init__(self, keys: Keys, *, audience: str | None, issuer: str | None, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._jwt = _Jwt()
        self._known: OrderedDict[str, tuple[int, Actor]] = OrderedDict()

    async def actor(self, token: str) -> Actor:
        """Who bears `token`.

        Raises TokenExpired for one that would be good had it not ended, Unauthenticated for every other that is not,
        always with the same words; Unavailable when no key can be read.
        """
        known = self._known.get(token)
        if known is not None:
            await self._keys.fresh()
            if known[0] == self._keys.generation and known[1].until > self._clock():
                return known[1]
            self._known.pop(token, None)
        try:
            actor = await self.verified(token)
        except Unfit as unfit:
            raise _refusal(str(unfit)) from None
        self._known[token] = (self._keys.generation, actor)
        if len(self._known) > KNOWN_TOKENS:
            self._known.popitem(last=False)
        return actor

    async def bearer(self, header: str) -> Actor:
        """Who an `Authorization` header speaks for; raises as `actor`."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise _refusal("the Authorization header is not `Bearer <JWT>`")
        return await self.actor(token.strip(" "))

    async def verified(self, token: str) -> Actor:
        """Who bears `token`, looked at anew. Raises Unfit, with the reason; TokenExpired, Unavailable."""
        if len(token) > LONGEST_TOKEN:
            raise Unfit(f"it is longer than {LONGEST_TOKEN} characters")
        if not COMPACT.fullmatch(token):
            raise Unfit("it is not three parts of base64url (RFC 7515 §7.1)")
        try:
            key = await self._keys.key(*_header(token.partition(".")[0]))
            claims = self._jwt.decode(
                token,
                key,
                algorithms=self._keys.algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={
                    "require": ["exp", "sub"],
                    "verify_exp": False,  # last, below: only what is right in all else has merely ended
                    "verify_sub": False,
                    "verify_aud": self._audience is not None,
                    "enforce_minimum_key_length": True,
                },
            )
        except (jwt.PyJWTError, InvalidInput, ValueError, TypeError) as error:
            raise Unfit(REASONS.get(type(error), "it is malformed")) from None
        actor = _actor(claims)
        if actor.until <= self._clock():
            raise TokenExpired()
        return actor


def _refusal(reason: str) -> Unauthenticated:
    refusal = Unauthenticated(REFUSED)
    refusal.reason = reason
    return refusal


@lru_cache(128)
def _header(part: str) -> tuple[str, str | None]:
    """`alg` and `kid`. Tokens of one issuer share their header to the letter: reading it is a tenth of the work."""
    header = _members(base64.urlsafe_b64decode(part + "=="))
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise Unfit("its `alg` or its `kid` is no string")
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in TYPES:
        raise Unfit("its `typ` is neither `JWT` nor `at+jwt`")
    return algorithm, kid


def _actor(claims: Mapping[str, Any]) -> Actor:
    sub, name, role = claims["sub"], claims.get("name", ""), claims.get("role")
    if not isinstance(sub, str) or len(sub) > LONGEST_NAME or not sub.strip() or not sub.isprintable():
        raise Unfit(f"its `sub` must be a printable string of 1 to {LONGEST_NAME} characters, not blanks alone")
    if role not in (Role.EXPERT, Role.STUDENT):
        raise Unfit("its `role` must be `expert` or `student`")
    if not isinstance(name, str):
        raise Unfit("its `name` must be a string")
    if not name.isprintable():
        name = "".join(" " if is_control(letter) else letter for letter in name)
    shown = name[:LONGEST_NAME].strip() or sub
    for instant in ("exp", "iat", "nbf"):
        # PyJWT takes a number in a string too, and true for 1 (RFC 7519 §2: NumericDate is a number).
        if type(claims.get(instant, 0)) not in (int, float):
            raise Unfit("its `exp`, `iat` and `nbf` must be numbers")
    try:
        until = datetime.fromtimestamp(claims["exp"], UTC)
    except (OverflowError, ValueError, OSError):
        raise Unfit("its `exp` is not a time that the hub can tell") from None
    return Actor(sub, shown, Role(role), until)


def sign(
    secret: str, person_id: str, name: str, role: Role, *, ttl: timedelta, now: datetime, **claims: str | None
) -> str:
    """A token signed with HS256, as `hub token` and the demo give out; `claims` are added where they are not None."""
    whole: dict[str, Any] = {"sub": person_id, "name": name, "role": role.value, "iat": now, "exp": now + ttl}
    whole |= {claim: value for claim, value in claims.items() if value is not None}
    return jwt.encode(whole, secret, algorithm="HS256")
