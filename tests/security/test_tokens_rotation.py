"""J5: keys that change, an issuer that is away, keys that nobody knows, and what is remembered of tokens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from hub import tokens as module
from hub.errors import TokenExpired, Unauthenticated
from hub.keys import JWKS_AGE, JWKS_COOL_DOWN, KeySet
from hub.tokens import Tokens
from tests.issuer import EC, NEW, OLD, RSA, Issuer, Private, issuing, jwk, key_set, signed
from tests.running import PATIENCE, Running, now, running
from tests.security.forging import b64
from tests.storm import Line, storm, tally

figures = logging.getLogger("figures")
STRANGERS = 10_000


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer that listens."""
    with issuing() as issuer:
        yield issuer


@dataclass
class Hand:
    """A monotonic clock that is turned by hand."""

    at: float = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.at


def kept(issuer: Issuer, clock: Callable[[], float], **changes: float) -> Tokens:
    """Tokens verified with this issuer's keys, as a hub does it but for the clock."""
    return Tokens(KeySet(issuer.url, monotonic=clock, **changes), audience=None, issuer=None, clock=now)


async def refused(tokens: Tokens, token: str) -> bool:
    """Whether a token is refused."""
    try:
        await tokens.actor(token)
    except Unauthenticated:
        return True
    return False


def stranger(number: int) -> str:
    """A token of a key that nobody knows, which looks like any other."""
    header = b64(json.dumps({"alg": "EdDSA", "typ": "JWT", "kid": f"k-{number}"}).encode())
    return f"{header}.{b64(json.dumps({'sub': 'a', 'exp': 4e9}).encode())}.{b64(bytes(64))}"


@asynccontextmanager
async def trusting(issuer: Issuer, folder: Path) -> AsyncIterator[Running]:
    """A hub that verifies with this issuer's keys."""
    async with running(folder, jwt_secret=None, jwt_jwks_url=issuer.url) as hub:
        yield hub


@dataclass
class Load:
    """People who ask all the time, each time with a token of their own, signed by `key`."""

    port: int
    key: Private = OLD
    kid: str = "old"
    statuses: list[int] = field(default_factory=list)
    _turned: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def going_on(self, lines: int) -> AsyncIterator[None]:
        """Over so many connections, until the end."""
        tasks = [asyncio.create_task(self._ask(number)) for number in range(lines)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []

    async def _ask(self, number: int) -> None:
        same = signed(self.key, self.kid, f"steady-{number}")
        async with Line.to(self.port) as line:
            while True:
                for token in (same, signed(self.key, self.kid, f"p-{number}-{len(self.statuses)}")):
                    self.statuses.append((await line.ask("GET", "/student/my-bookings", token)).status)
                self._turned.set()

    async def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.statuses) + count
        async with asyncio.timeout(2 * PATIENCE):
            while len(self.statuses) < wanted:
                self._turned.clear()
                await self._turned.wait()


async def test_J5_while_the_issuer_rotates_and_goes_away_no_valid_token_is_refused(
    issuer: Issuer, tmp_path: Path
) -> None:
    async with trusting(issuer, tmp_path) as hub:
        load = Load(hub.port)
        async with load.going_on(8):
            await load.more(200)
            issuer.says = key_set(old=OLD, new=NEW)
            load.key, load.kid = NEW, "new"  # at once: no time for anyone to read the new key before it is used
            await load.more(200)
            issuer.says = key_set(new=NEW)
            await load.more(200)
            issuer.status = 500
            await load.more(100)
            issuer.server_close()
            await load.more(200)
    assert set(load.statuses) == {200}
    assert issuer.asked <= 2
    figures.info("%d requests over a rotation and an outage, 0 refused, %d fetches", len(load.statuses), issuer.asked)


async def test_J5_a_hub_that_never_reads_the_set_again_would_refuse_the_new_key(issuer: Issuer) -> None:
    """The negative control of the rotation."""
    tokens = kept(issuer, Hand(), age=float("inf"), cool_down=float("inf"))
    await tokens.actor(signed(OLD, "old"))
    issuer.says = key_set(old=OLD, new=NEW)
    assert await refused(tokens, signed(NEW, "new"))


AWAY: list[Any] = [
    pytest.param({"status": 500}, id="answers 500"),
    pytest.param({"says": b"no JSON"}, id="answers nonsense"),
    pytest.param({"says": b'{"keys": []}'}, id="answers no keys"),
    pytest.param({}, id="takes no connection"),
    pytest.param(None, id="never answers"),
]


@pytest.mark.parametrize("how", AWAY)
async def test_J5_ten_minutes_without_the_issuer_cost_nobody_the_way_in(
    issuer: Issuer, how: dict[str, Any] | None
) -> None:
    clock = Hand()
    tokens = kept(issuer, clock, seconds=0.05)
    steady = [signed(OLD, "old", f"s-{number}") for number in range(10)]
    await asyncio.gather(*map(tokens.actor, steady))
    clock.at += JWKS_AGE - 5  # so that the set becomes old while its issuer is away
    if how is None:
        issuer.open.clear()
    elif how:
        vars(issuer).update(how)
    else:
        issuer.server_close()
    asked = issuer.asked
    for second in range(600):
        clock.at += 1
        fresh = signed(OLD, "old", f"f-{second}")
        async with asyncio.timeout(PATIENCE):
            came = await asyncio.gather(*map(tokens.actor, [*steady, fresh]))
        assert [actor.id for actor in came] == [*(f"s-{number}" for number in range(10)), f"f-{second}"]
        assert second % 60 or await refused(tokens, stranger(second))
    assert issuer.asked - asked <= 2 * 600 / JWKS_COOL_DOWN


async def test_J5_an_issuer_that_hangs_after_it_failed_keeps_nobody_waiting(issuer: Issuer) -> None:
    clock, token = Hand(), signed(OLD, "old")
    tokens = kept(issuer, clock, seconds=3 * PATIENCE)
    await tokens.actor(token)
    issuer.status = 500
    clock.at += JWKS_AGE
    await tokens.actor(token)
    issuer.open.clear()
    for _ in range(3):
        clock.at += JWKS_COOL_DOWN
        async with asyncio.timeout(PATIENCE):
            assert (await tokens.actor(token)).id == "ann"
            assert (await tokens.actor(signed(OLD, "old", "ben"))).id == "ben"
    issuer.status = 200
    issuer.says = key_set(new=NEW)
    issuer.open.set()
    async with asyncio.timeout(PATIENCE):
        assert not await refused(tokens, signed(NEW, "new"))  # waits for the reading that is under way
    assert issuer.asked == 3
    assert await refused(tokens, token)


async def test_J5_ten_thousand_unknown_keys_are_two_fetches(issuer: Issuer, tmp_path: Path) -> None:
    async with trusting(issuer, tmp_path) as hub:
        answers = await storm(hub.port, [("GET", "/1", stranger(number)) for number in range(STRANGERS)])
        assert tally(answers) == {"401 unauthenticated": STRANGERS}
        assert issuer.asked <= 2
        (known,) = await storm(hub.port, [("GET", "/student/my-bookings", signed(OLD, "old"))])
        assert known.status == 200
    figures.info("%d unknown keys, %d fetches", STRANGERS, issuer.asked)


@pytest.mark.parametrize(
    ("cool_down", "least", "most"), [(JWKS_COOL_DOWN, 1, 2), (0, 100, 101)], ids=["with", "without"]
)
async def test_J5_without_a_cool_down_each_unknown_key_would_be_a_fetch(
    issuer: Issuer, cool_down: float, least: int, most: int
) -> None:
    """The negative control of the flood."""
    tokens = Tokens(KeySet(issuer.url, cool_down=cool_down), audience=None, issuer=None, clock=now)
    for number in range(100):
        assert await refused(tokens, stranger(number))
    assert least <= issuer.asked <= most


async def test_J5_an_unknown_key_is_looked_for_again_after_the_cool_down(issuer: Issuer) -> None:
    clock = Hand()
    tokens = kept(issuer, clock)
    await tokens.actor(signed(OLD, "old"))
    clock.at += 1
    assert await refused(tokens, stranger(1))
    issuer.says = key_set(old=OLD, new=NEW)
    clock.at += JWKS_COOL_DOWN - 1
    assert await refused(tokens, signed(NEW, "new"))
    assert issuer.asked == 2
    clock.at += 1
    assert (await tokens.actor(signed(NEW, "new"))).id == "ann"
    assert issuer.asked == 3


async def test_J5_a_removed_key_is_refused_at_its_age_and_not_before(issuer: Issuer) -> None:
    clock, token = Hand(), signed(OLD, "old")
    tokens = kept(issuer, clock)
    await tokens.actor(token)
    issuer.says = key_set(new=NEW)
    clock.at += JWKS_AGE - 1
    assert not await refused(tokens, token)
    clock.at += 1
    assert await refused(tokens, token)
    assert await refused(tokens, signed(OLD, "old", "ben"))


async def test_an_issuer_that_was_away_at_the_start_is_asked_again_soon(issuer: Issuer) -> None:
    clock, token = Hand(), signed(OLD, "old")
    tokens = kept(issuer, clock)
    issuer.status = 503
    for _ in range(5):
        with suppress(Exception):
            await tokens.actor(token)
    assert issuer.asked == 1
    issuer.status = 200
    clock.at += 5
    assert (await tokens.actor(token)).id == "ann"


WEAK = generate_private_key(65537, 1024)
UNUSED: list[Any] = [
    pytest.param(RSA, {"use": "enc"}, id="for encryption"),
    pytest.param(RSA, {"key_ops": ["encrypt"]}, id="for encryption, by key_ops"),
    pytest.param(RSA, {"alg": "RS512"}, id="for RS512"),
    pytest.param(RSA, {"alg": "PS256"}, id="for PS256"),
    pytest.param(RSA, {"alg": "none"}, id="for none"),
    pytest.param(RSA, {"alg": "HS256"}, id="an RSA key for HS256"),
    pytest.param(RSA, {"alg": "ES256"}, id="an RSA key for ES256"),
    pytest.param(RSA, {"alg": ["RS256"]}, id="for a list"),
    pytest.param(RSA, {"kid": 7}, id="a number for a kid"),
    pytest.param(RSA, {"kid": ["odd"]}, id="a list for a kid"),
    pytest.param(RSA, {"e": "AQ"}, id="an exponent of 1"),
    pytest.param(RSA, {"n": 7}, id="a number for a modulus"),
    pytest.param(RSA, {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0"}, id="a secret"),
    pytest.param(EC, {"crv": "P-384"}, id="a curve that is not the point's"),
    pytest.param(EC, {"x": "AAAA"}, id="no point of the curve"),
]


@pytest.mark.parametrize(("key", "members"), UNUSED)
async def test_J1_a_key_of_no_use_here_is_not_used_and_costs_the_others_nothing(
    issuer: Issuer, key: Private, members: dict[str, Any]
) -> None:
    odd = jwk(key, kid="odd") | members
    issuer.says = json.dumps({"keys": [odd, 7, jwk(OLD, kid="old")]}).encode()
    tokens = kept(issuer, Hand())
    assert await refused(tokens, signed(key, "odd"))
    assert (await tokens.actor(signed(OLD, "old"))).id == "ann"
    issuer.says = json.dumps({"keys": [jwk(key, kid="odd"), jwk(OLD, kid="old")]}).encode()
    assert not await refused(kept(issuer, Hand()), signed(key, "odd"))  # the control: as it is, it would be


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
async def test_J4_an_rsa_key_of_less_than_2048_bits_is_not_used(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    issuer.says = key_set(weak=WEAK, old=OLD)
    tokens = kept(issuer, Hand())
    assert await refused(tokens, signed(WEAK, "weak"))
    assert "the key at /keys/0 of the key set is not used: it is too short" in caplog.text


async def test_keys_of_one_kid_are_told_apart_by_their_algorithm_and_else_the_first_counts(issuer: Issuer) -> None:
    issuer.says = json.dumps({"keys": [jwk(key, kid="one") for key in (RSA, OLD, EC, NEW)]}).encode()
    tokens = kept(issuer, Hand())
    assert [await refused(tokens, signed(key, "one")) for key in (RSA, OLD, EC, NEW)] == [False, False, False, True]


async def test_verified_tokens_are_remembered_up_to_a_number_and_never_past_their_end(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KNOWN_TOKENS", 5)
    moment = [now()]
    tokens = Tokens(KeySet(issuer.url), audience=None, issuer=None, clock=lambda: moment[0])
    many = [signed(OLD, "old", f"s-{number}") for number in range(20)]
    for token in many:
        await tokens.actor(token)
    assert list(tokens._known) == many[-5:]
    monkeypatch.setattr("jwt.api_jws.PyJWS._verify_signature", None)  # who was remembered is not looked at again
    assert (await tokens.actor(many[-1])).id == "s-19"
    monkeypatch.undo()
    moment[0] = (await tokens.actor(many[-1])).until
    with pytest.raises(TokenExpired):
        await tokens.actor(many[-1])
    assert many[-1] not in tokens._known
    with pytest.raises(TokenExpired):
        await tokens.actor(signed(OLD, "old", "late"))
    assert len(tokens._known) == 4
