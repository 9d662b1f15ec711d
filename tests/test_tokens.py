"""Tokens against a key set that a real server gives out: rotation, removal, outages, floods and nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from hub.errors import Unauthenticated, Unavailable
from hub.keys import KeySet
from hub.tokens import Tokens
from tests.issuer import NEW, OLD, RSA, Issuer, Private, issuing, key_set, signed
from tests.running import PATIENCE, now

LONG = 3600.0


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer that listens."""
    with issuing() as issuer:
        yield issuer


def tokens_of(issuer: Issuer, *, age: float = LONG, cool_down: float = LONG) -> Tokens:
    """Tokens that are verified with the issuer's keys."""
    return Tokens(KeySet(issuer.url, age=age, cool_down=cool_down), audience=None, issuer=None, clock=now)


@pytest.mark.parametrize(("key", "kid"), [(RSA, "rsa"), (OLD, "old")])
async def test_a_token_of_a_key_that_is_given_out_is_its_bearers(issuer: Issuer, key: Private, kid: str) -> None:
    issuer.says = key_set(rsa=RSA, old=OLD)
    tokens, token = tokens_of(issuer), signed(key, kid)
    for _ in range(3):
        assert (await tokens.actor(token)).id == "ann"
    assert issuer.asked == 1


async def test_a_key_of_another_name_or_another_key_of_the_name_is_refused(issuer: Issuer) -> None:
    tokens = tokens_of(issuer)
    for token in (signed(OLD, "new"), signed(NEW, "old")):
        with pytest.raises(Unauthenticated):
            await tokens.actor(token)


async def test_a_token_of_a_removed_key_is_refused_though_it_was_verified_before(issuer: Issuer) -> None:
    tokens, token = tokens_of(issuer, age=0, cool_down=0), signed(OLD, "old")
    await tokens.actor(token)
    issuer.says = key_set(new=NEW)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await tokens.actor(token)
    assert (await tokens.actor(signed(NEW, "new", "ben"))).id == "ben"


async def test_a_new_key_is_known_at_once_when_its_first_token_comes_and_the_old_ones_stay(issuer: Issuer) -> None:
    tokens, token = tokens_of(issuer, cool_down=0), signed(OLD, "old")
    await tokens.actor(token)
    issuer.says = key_set(old=OLD, new=NEW)
    assert (await tokens.actor(signed(NEW, "new", "ben"))).id == "ben"
    assert (await tokens.actor(token)).id == "ann"
    assert issuer.asked == 2


async def test_those_who_come_while_the_first_keys_are_read_wait_for_them(issuer: Issuer) -> None:
    issuer.open.clear()
    tokens = tokens_of(issuer)
    first = asyncio.create_task(tokens.actor(signed(OLD, "old", "s-0")))
    assert await asyncio.to_thread(issuer.came.wait, PATIENCE)
    later = [asyncio.create_task(tokens.actor(signed(OLD, "old", f"s-{number}"))) for number in range(1, 5)]
    await asyncio.wait(later, timeout=0.05)
    issuer.open.set()
    async with asyncio.timeout(PATIENCE):
        came = await asyncio.gather(first, *later)
    assert [actor.id for actor in came] == [f"s-{number}" for number in range(5)]
    assert issuer.asked == 1


async def test_the_keys_are_read_though_who_asked_first_went_away(issuer: Issuer) -> None:
    issuer.open.clear()
    tokens = tokens_of(issuer)
    first = asyncio.create_task(tokens.actor(signed(OLD, "old")))
    assert await asyncio.to_thread(issuer.came.wait, PATIENCE)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    issuer.open.set()
    assert (await tokens.actor(signed(OLD, "old"))).id == "ann"
    assert issuer.asked == 1


async def test_an_old_set_serves_everyone_but_the_one_who_reads_the_new(issuer: Issuer) -> None:
    tokens, token = tokens_of(issuer, age=0, cool_down=0), signed(OLD, "old")
    await tokens.actor(token)
    issuer.open.clear()
    issuer.came.clear()
    reading = asyncio.create_task(tokens.actor(token))
    assert await asyncio.to_thread(issuer.came.wait, PATIENCE)
    async with asyncio.timeout(PATIENCE):
        assert (await tokens.actor(token)).id == "ann"
    assert not reading.done()
    issuer.open.set()
    assert (await reading).id == "ann"


async def test_a_flood_of_unknown_keys_reads_once_more_in_a_cool_down(issuer: Issuer) -> None:
    tokens = tokens_of(issuer)
    strangers = [tokens.actor(signed(NEW, f"k-{number}")) for number in range(50)]
    refused = await asyncio.gather(*strangers, return_exceptions=True)
    assert {type(one) for one in refused} == {Unauthenticated}
    with pytest.raises(Unauthenticated):
        await tokens.actor(signed(NEW, "k-50"))
    assert (await tokens.actor(signed(OLD, "old"))).id == "ann"
    assert issuer.asked == 2


BROKEN: list[dict[str, Any]] = [
    {"says": b"[]"},
    {"says": b"7"},
    {"says": b"null"},
    {"says": b"{}"},
    {"says": b'{"keys": []}'},
    {"says": b'{"keys": 7}'},
    {"says": b'{"keys": [7]}'},
    {"says": b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "old"}]}'},
    {"says": b"no JSON"},
    {"says": b"\xff"},
    {"says": b"[" * 100_000},
    {"status": 500},
    {"raw": b"not HTTP at all\r\n\r\n"},
    {"raw": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"},
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_while_nonsense_is_given_out_the_last_good_set_serves(
    issuer: Issuer, broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    tokens, token = tokens_of(issuer, age=0, cool_down=0), signed(OLD, "old")
    await tokens.actor(token)
    vars(issuer).update(broken)
    assert (await tokens.actor(token)).id == "ann"
    assert (await tokens.actor(signed(OLD, "old", "ben"))).id == "ben"
    with pytest.raises(Unauthenticated):
        await tokens.actor(signed(NEW, "new"))
    assert "the key set can't be read" in caplog.text


@pytest.mark.parametrize("broken", BROKEN)
async def test_without_any_good_set_tokens_wait_for_one(issuer: Issuer, broken: dict[str, Any]) -> None:
    good = dict(vars(issuer))
    vars(issuer).update(broken)
    tokens, token = tokens_of(issuer, cool_down=0), signed(OLD, "old")
    with pytest.raises(Unavailable):
        await tokens.actor(token)
    vars(issuer).update({name: good[name] for name in broken})
    assert (await tokens.actor(token)).id == "ann"


async def test_an_issuer_that_is_gone_costs_nobody_the_way_in(issuer: Issuer) -> None:
    tokens, token = tokens_of(issuer, age=0, cool_down=0), signed(OLD, "old")
    await tokens.actor(token)
    issuer.server_close()
    assert (await tokens.actor(token)).id == "ann"
    assert (await tokens.actor(signed(OLD, "old", "ben"))).id == "ben"
