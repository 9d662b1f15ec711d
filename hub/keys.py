"""The keys that tokens must be signed with: one secret, or a set of public keys that is read from the web and kept."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jwt
from jwt.algorithms import HMACAlgorithm

from hub.errors import Unavailable
from hub.fetching import Document

log = logging.getLogger("hub.tokens")

JWKS_SECONDS = 5.0
JWKS_AGE = 600.0
JWKS_COOL_DOWN = 30.0
JWKS_RETRY = 3.0
"""While there is no key at all, nobody can sign in: then the next try comes sooner."""


class Unfit(Exception):
    """Why a token is refused: for the log and for whoever makes tokens. Nothing that the token says is in it."""


class Keys(Protocol):
    """Where the key that a token must be signed with comes from."""

    algorithms: list[str]
    generation: int
    """Grows when the keys change: what an older one verified must be verified again."""

    async def fresh(self) -> None:
        """Read the keys again if that is due; cheap when it is not."""

    async def key(self, algorithm: str, kid: str | None) -> jwt.PyJWK:
        """The key for a token of this header; raises Unfit for one that is not known, Unavailable when none is."""


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

    async def key(self, algorithm: str, kid: str | None) -> jwt.PyJWK:
        """The secret, whatever a token names."""
        return self._key


class KeySet:
    """Public keys from a JWKS address, read beside the event loop and kept.

    The set is read again when it is older than `age` seconds, and when a token names a key that is not in it; for such
    tokens once in `cool_down` seconds, however many they are, and after a failure no sooner either. While it can't be
    read the last good set serves. A key that was removed is refused when the next reading after `age` succeeds, also
    for tokens that were verified before. A reading takes `seconds` at most. `monotonic` counts all of these.
    """

    algorithms: list[str] = ["RS256", "ES256", "EdDSA"]  # noqa: RUF012  as above

    def __init__(
        self,
        url: str,
        *,
        age: float = JWKS_AGE,
        cool_down: float = JWKS_COOL_DOWN,
        seconds: float = JWKS_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.generation = 0
        self._document = Document(url, seconds)
        self._age = age
        self._cool_down = cool_down
        self._monotonic = monotonic
        self._text = b""
        self._keys: dict[tuple[str, str | None], jwt.PyJWK] = {}
        self._read = self._tried = self._searched = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def fresh(self) -> None:
        """Read the set again if its age asks for it.

        Only who comes first waits for that: the others have the old set, and all do when the last try has just failed.
        """
        at, tried = self._monotonic(), self._tried
        if at - self._read >= self._age and self._reading is None:
            if at - tried >= (self._cool_down if self._keys else min(self._cool_down, JWKS_RETRY)):
                reading = self._begun()
                if not self._keys or at - tried >= self._age:
                    await asyncio.shield(reading)

    async def key(self, algorithm: str, kid: str | None) -> jwt.PyJWK:
        """The public key that the header's `kid` names, if it is for this algorithm; no address in it is followed."""
        came, name = self._monotonic(), (algorithm, kid)
        await self.fresh()
        if name not in self._keys and self._reading is not None:
            await asyncio.shield(self._begun())
        if name not in self._keys and self._tried < came and came - self._searched >= self._cool_down:
            self._searched = came
            await asyncio.shield(self._begun())
        if name in self._keys:
            return self._keys[name]
        if not self._keys:
            raise Unavailable("The keys that tokens are verified with can't be read right now.")
        raise Unfit("it is signed with a key, or by an algorithm, that is not known")

    def _begun(self) -> asyncio.Task[None]:
        """The reading that is under way, or a new one; it goes on when who waits for it goes away."""
        if self._reading is None:
            self._tried = self._monotonic()
            self._reading = asyncio.create_task(self._refresh())
        return self._reading

    async def _refresh(self) -> None:
        try:
            text = await self._document.read()
            if text != self._text:
                self._keys = await asyncio.to_thread(_usable, text, self.algorithms)
                self._text = text
                self.generation += 1
            self._read = self._monotonic()
        except Exception as error:  # whatever a stranger's server says must cost no more than this reading
            log.warning("the key set can't be read: %s", str(error) or repr(error))
        finally:
            self._reading = None


def _usable(text: bytes, algorithms: list[str]) -> dict[tuple[str, str | None], jwt.PyJWK]:
    keys, unfit = examined(text, algorithms)
    for number, reason in unfit.items():
        log.info("the key at /keys/%d of the key set is not used: %s", number, reason)
    return keys


def examined(text: bytes, algorithms: Sequence[str]) -> tuple[dict[tuple[str, str | None], jwt.PyJWK], dict[int, str]]:
    """The keys of a set by algorithm and `kid`, and by their place why others are not used; ValueError if all are so.

    A token names one by both: of several that share them the first counts.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("it is no JWK set (RFC 7517 §5)")
    keys: dict[tuple[str, str | None], jwt.PyJWK] = {}
    unfit: dict[int, str] = {}
    for number, member in enumerate(found["keys"]):
        try:
            key = _verifying(member, algorithms)
        except Exception as error:  # one odd key costs the others nothing
            unfit[number] = str(error) if type(error) is Unfit else type(error).__name__
        else:
            if keys.setdefault((key.algorithm_name, key.key_id), key) is not key:
                unfit[number] = "one before it has the same `kid`"
    if not keys:
        raise ValueError(f"it holds no key for {', '.join(algorithms)}")
    return keys, unfit


def _verifying(member: Any, algorithms: Sequence[str]) -> jwt.PyJWK:
    """A JWK that signatures may be verified with; its type and curve are those of its one algorithm."""
    key = jwt.PyJWK(member)
    if key.algorithm_name not in algorithms:
        raise Unfit(f"it is for none of {', '.join(algorithms)}")
    if key.public_key_use not in (None, "sig") or "verify" not in member.get("key_ops", ["verify"]):
        raise Unfit("it is for something else than signatures (`use`, `key_ops`)")
    if not isinstance(key.key_id, str | None):
        raise Unfit("its `kid` is no string")
    if key.Algorithm.check_key_length(key.Algorithm.prepare_key(key.key)) is not None:
        raise Unfit("it is too short (RFC 8725 §3.5)")
    return key
