"""Forged, odd and stale tokens through both doors, at a hub with a secret and at one with a key set: one answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from hub.audit import Audit
from hub.domain.people import Actor
from hub.errors import Unauthenticated
from hub.keys import SharedSecret
from hub.tokens import REFUSED, Tokens
from tests.issuer import EC, OLD, RSA, issuing, key_set
from tests.running import API, PATIENCE, SECRET, Client, Running, now, running
from tests.security import forging
from tests.security.forging import AUDIENCE, ISSUER, PUBLIC, SHARED, Canary, Mint, canary
from tests.sockets import dial, ended

pytestmark = pytest.mark.asyncio(loop_scope="module")
figures = logging.getLogger("figures")


@dataclass
class Guarded:
    """A hub, what its tokens are made with, and a canary that nobody may go to."""

    hub: Running
    mint: Mint
    bird: Canary


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["secret", "jwks"])
async def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A hub with a shared secret, and one with a key set of all types; each asks for an audience and an issuer."""
    async with AsyncExitStack() as stack:
        bird = stack.enter_context(canary())
        settings: dict[str, Any] = {"jwt_audience": AUDIENCE, "jwt_issuer": ISSUER}
        mint = SHARED
        if request.param == "jwks":
            issuer = stack.enter_context(issuing())
            issuer.says = key_set(rsa=RSA, ed=OLD, ec=EC)
            settings |= {"jwt_secret": None, "jwt_jwks_url": issuer.url}
            mint = PUBLIC
        hub = await stack.enter_async_context(running(tmp_path_factory.mktemp("guarded"), **settings))
        yield Guarded(hub, mint, bird)


REFUSED_TABLES: Mapping[str, Callable[[Mint, str], Mapping[str, str]]] = {
    "J1": lambda mint, bird: forging.algorithms(mint),
    "J2": lambda mint, bird: forging.stale(mint),
    "J3": forging.headers,
    "J7": lambda mint, bird: forging.shapes(mint),
}
tables = pytest.mark.parametrize("requirement", REFUSED_TABLES)


async def over_rest(hub: Running, tokens: Iterable[str]) -> list[tuple[int, bytes]]:
    """The status, and every octet of the answer but its date and id, for each token; one connection for all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    answers = []
    async with asyncio.timeout(6 * PATIENCE):
        for token in tokens:
            head = f"GET {API}/1 HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n"
            writer.write(head.encode("latin-1"))
            lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            (length,) = [int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:")]
            body = await reader.readexactly(length)
            kept = [line for line in lines if not line.lower().startswith((b"date:", b"x-request-id:"))]
            answers.append((int(lines[0].split()[1]), b"\r\n".join([*kept, body])))
    writer.close()
    return answers


async def over_auth(hub: Running, tokens: Iterable[str]) -> list[tuple[str, ...]]:
    """What `auth` is answered for each token, on one socket, which is nobody's after all of them."""
    answers = []
    async with Client.at(hub) as client:
        for token in tokens:
            answer = await client.ask(type="auth", token=token)
            assert answer.pop("id") is not None
            answers.append(tuple(map(str, answer.values())))
        assert (await client.ask(type="join", session=1))["code"] == "unauthenticated"
    return answers


def silent(caplog: pytest.LogCaptureFixture, tokens: Iterable[str]) -> list[str]:
    """What the hub logged of why: a reason for each token, in a line that holds nothing of it."""
    lines = [record for record in caplog.records if record.name.startswith("hub")]
    assert {record.name for record in lines} - {"hub.readiness"} == {"hub.audit"}
    text = "\n".join(str(vars(record)) for record in lines)
    assert forging.MARK not in text
    parts = {part for token in tokens for part in token.split(".") if len(part) > 12}
    assert not [part for part in parts if part in text]
    return [record.__dict__["reason"] for record in lines if record.__dict__.get("reason") and record.levelno > 20]


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log have a line of each, however many come from one address."""
    monkeypatch.setattr(Audit, "has_room", lambda *_: True)


@tables
async def test_over_rest_they_are_all_told_the_same(
    guarded: Guarded, requirement: str, caplog: pytest.LogCaptureFixture, unbounded: None
) -> None:
    caplog.set_level(logging.INFO)
    odd = REFUSED_TABLES[requirement](guarded.mint, guarded.bird.url)
    answers = dict(zip(odd, await over_rest(guarded.hub, odd.values()), strict=True))
    assert {name: answer for name, answer in answers.items() if answer[0] != 401} == {}
    ((_, octets),) = set(answers.values())
    body = json.loads(octets.rpartition(b"\r\n")[2])
    assert (body["code"], body["detail"]) == ("unauthenticated", REFUSED)
    assert len(silent(caplog, odd.values())) == len(odd)
    assert guarded.bird.came == 0
    figures.info("%s over REST: %d tokens, %d answers", requirement, len(odd), len(set(answers.values())))


@tables
async def test_over_the_socket_they_are_all_told_the_same(
    guarded: Guarded, requirement: str, caplog: pytest.LogCaptureFixture, unbounded: None
) -> None:
    caplog.set_level(logging.INFO)
    odd = dict(REFUSED_TABLES[requirement](guarded.mint, guarded.bird.url))
    if requirement == "J7":
        odd |= forging.unspeakable(guarded.mint)
    answers = dict(zip(odd, await over_auth(guarded.hub, odd.values()), strict=True))
    said = ("error", "unauthenticated", REFUSED)
    assert {name: answer for name, answer in answers.items() if answer != said} == {}
    assert len(silent(caplog, odd.values())) == len(odd)
    assert guarded.bird.came == 0


@tables
async def test_in_the_header_of_an_upgrade_they_are_all_told_the_same_and_closed(
    guarded: Guarded, requirement: str
) -> None:
    odd = REFUSED_TABLES[requirement](guarded.mint, guarded.bird.url)
    for name, token in odd.items():
        async with dial(guarded.hub, headers={"Authorization": f"Bearer {token}"}) as client:
            assert await ended(client) == 4401, name
            assert client.heard[1:] == [{"type": "error", "id": None, "code": "unauthenticated", "message": REFUSED}]
    assert guarded.bird.came == 0


async def test_the_good_ones_pass_and_no_address_in_them_is_followed(guarded: Guarded) -> None:
    good = forging.good(guarded.mint, guarded.bird.url)
    answers = dict(zip(good, await over_rest(guarded.hub, good.values()), strict=True))
    assert {name: answer[0] for name, answer in answers.items()} == dict.fromkeys(good, 404)
    for token in good.values():
        async with dial(guarded.hub, headers={"Authorization": f"Bearer {token}"}) as client:
            assert (await client.ask(type="auth", token=token))["type"] == "ok"
    assert guarded.bird.came == 0


async def test_a_token_that_has_merely_ended_is_told_so(guarded: Guarded) -> None:
    ended_now = [guarded.mint.token(exp=int(now().timestamp()) - ago) for ago in (1, 5, 31, 10**6)]
    for status, octets in await over_rest(guarded.hub, ended_now):
        assert (status, json.loads(octets.rpartition(b"\r\n")[2])["code"]) == (401, "token_expired")
    assert {answer[1] for answer in await over_auth(guarded.hub, ended_now)} == {"token_expired"}


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "bearer nonsense", "Token x", "Bearer\ta", ""])
async def test_an_authorization_that_is_no_bearers_is_told_the_same(guarded: Guarded, header: str) -> None:
    answer = await guarded.hub.call("GET", "/1", {"Authorization": header})
    assert (answer.status_code, answer.json()["detail"]) == (401, REFUSED)


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "Authorization", "jwt"])
async def test_W3_a_token_in_the_address_or_in_a_cookie_is_never_taken(guarded: Guarded, name: str) -> None:
    token = guarded.mint.token()
    asked: list[dict[str, Any]] = [{"params": {name: token}}, {"params": {name: f"Bearer {token}"}}]
    asked.append({"headers": {"Cookie": f"{name}={token}"}})
    for where in asked:
        answer = await guarded.hub.call("GET", "/1", **{"headers": {}, **where})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_J7_what_is_a_megabyte_long_is_refused_before_it_is_read(guarded: Guarded) -> None:
    long = guarded.mint.token({"kid": "k" * 1_000_000}), guarded.mint.token(x="x" * 1_000_000), "." * 1_000_000
    assert guarded.hub.hub is not None
    for token in long:
        with pytest.raises(Unauthenticated, match="refused"):
            await guarded.hub.hub.lobby.tokens.actor(token)
        async with Client.at(guarded.hub) as client:
            await client.send({"type": "auth", "token": token})
            assert await ended(client) == 1009
    assert [status for status, _ in await over_rest(guarded.hub, ["x" * 30_000])] == [401]


async def test_tokens_whose_signature_nobody_checks_are_believed_which_is_what_the_table_would_find(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: without the check of signatures a forged token passes, so the tables can fail."""
    tokens = Tokens(SharedSecret(SECRET), audience=AUDIENCE, issuer=ISSUER, clock=now)
    forged = forging.algorithms(SHARED)["HS256 signed with another secret"]
    with pytest.raises(Unauthenticated):
        await tokens.actor(forged)
    monkeypatch.setattr("jwt.api_jws.PyJWS._verify_signature", lambda *_, **__: None)
    believed: Actor = await tokens.actor(forged)
    assert believed.id == forging.MARK
